package main

import (
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/eval"
	"github.com/cogniverse/cogflow/internal/vespa/vespatest"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows/ingest"
)

const evalQueries = "../examples/eval-demo.jsonl"

// TestEvalOnBothIndexes ingests the demo's clips, and measures them with one file of judged
// queries on the embedded index and through the Vespa adapter. The printed figures
// equal the formulas, which the test computes from the hits of each search.
func TestEvalOnBothIndexes(t *testing.T) {
	t.Parallel()
	dir := demo(t)
	s := newStack(t, nil)
	s.worker(nil, withText)
	s.ingestsAndFinds(dir)
	figures := []map[video.Rank]eval.RankScores{s.evalDemo(), onVespa(t, dir, filepath.Join(s.dir, "store")).evalDemo()}
	for rank, embedded := range figures[0] {
		vespa := figures[1][rank]
		t.Logf("%-7s embedded nDCG %.4f recall %.4f MRR %.4f; vespa nDCG %.4f recall %.4f MRR %.4f", rank,
			embedded.NDCG, embedded.Recall, embedded.MRR, vespa.NDCG, vespa.Recall, vespa.MRR)
		switch rank {
		case video.RankVector:
			require.Equal(t, embedded, vespa, "exact search over the same vectors")
		default: // the indexes tokenize and weight words differently
			require.InDelta(t, embedded.NDCG, vespa.NDCG, 0.1, rank)
		}
	}
}

// onVespa is a stack that has ingested the demo's clips into Vespa, with the captions of the
// store of another stack.
func onVespa(t *testing.T, dir, store string) *stack {
	t.Helper()
	s := newStack(t, nil)
	s.useVespa()
	mine := filepath.Join(s.dir, "store", "default")
	require.NoError(t, os.MkdirAll(mine, 0o700))
	text, err := exec.CommandContext(t.Context(), "cp", "-a", filepath.Join(store, "default", "captions"), mine).CombinedOutput()
	require.NoError(t, err, string(text))
	s.worker(nil, withText)
	out, err := execute[ingest.LibraryResult](s, "ingest", "IngestLibrary", ingest.LibraryInput{Source: dir})
	require.NoError(t, err)
	require.Equal(t, 3, out.Indexed)
	require.Zero(t, out.DescribeCalls, "all captions are stored")
	return s
}

// evalDemo runs `cogflow eval` and checks its figures.
func (s *stack) evalDemo() map[video.Rank]eval.RankScores {
	t := s.t
	t.Helper()
	file, err := filepath.Abs(evalQueries)
	require.NoError(t, err)
	code, text := s.cogflow()("eval", "--queries", file, "--json")
	require.Zero(t, code, text)
	figures := map[video.Rank]eval.RankScores{}
	for _, got := range decode[eval.Report](t, text).Ranks {
		figures[got.Rank] = got
		s.equalsFormulas(got)
		require.Greater(t, got.NDCG, 0.85, "by %s: the demo's queries are easy", got.Rank)
	}
	require.Len(t, figures, 3)
	return figures
}

// useVespa configures the workers of a stack to use a fake Vespa server.
func (s *stack) useVespa() {
	s.t.Helper()
	server, at := vespatest.Start(s.t)
	text, err := json.Marshal(map[string]any{
		"backend": map[string]any{"type": "vespa", "url": at},
		"cogflow": map[string]any{"vespa": map[string]any{"config_url": at}},
	})
	require.NoError(s.t, err)
	file := filepath.Join(s.dir, "config.json")
	require.NoError(s.t, os.WriteFile(file, text, 0o600))
	s.env = append(s.env, "COGNIVERSE_CONFIG="+file, "COGFLOW_INDEX=")
	(&services{vespa: server, at: at}).deploy(s.t, file)
}

// equalsFormulas runs each query of the file and computes the figures by definition. nDCG is
// the sum of 2^grade−1 discounted by log2(rank+1), where each judged item counts at its first
// hit, divided by the sum for the ideal order.
func (s *stack) equalsFormulas(got eval.RankScores) {
	s.t.Helper()
	file, err := os.Open(evalQueries)
	require.NoError(s.t, err)
	defer file.Close()
	queries, err := eval.ParseQueries(file, evalQueries)
	require.NoError(s.t, err)
	var ndcg, recall, mrr float64
	for i, q := range queries {
		in := ingest.SearchInput{Query: q.Query, Rank: string(got.Rank), Limit: 10}
		found, err := execute[ingest.SearchResult](s, "check-"+string(got.Rank)+q.Query, "SearchVideos", in)
		require.NoError(s.t, err)
		at := map[int]int{} // best grade by rank
		first, grades := 0, []int{}
		for _, want := range q.Relevant {
			grades = append(grades, want.Grade)
			place := 1 + slices.IndexFunc(found.Hits, func(h video.Hit) bool {
				return h.Name == want.Video && (want.EndMS == 0 || h.StartMS < want.EndMS && h.EndMS > want.StartMS)
			})
			if place == 0 {
				continue
			}
			at[place] = max(at[place], want.Grade)
			recall += 1 / float64(len(q.Relevant)*len(queries))
			if first == 0 || place < first {
				first = place
			}
		}
		require.Equal(s.t, first, got.Queries[i].First, q.Query)
		slices.Sort(grades)
		dcg, ideal := 0.0, 0.0
		for p := 1; p <= 10; p++ {
			dcg += (math.Exp2(float64(at[p])) - 1) / math.Log2(float64(p)+1)
			if p <= len(grades) {
				ideal += (math.Exp2(float64(grades[len(grades)-p])) - 1) / math.Log2(float64(p)+1)
			}
		}
		ndcg += dcg / ideal / float64(len(queries))
		if first > 0 {
			mrr += 1 / float64(first) / float64(len(queries))
		}
	}
	require.InDelta(s.t, ndcg, got.NDCG, 1e-9)
	require.InDelta(s.t, recall, got.Recall, 1e-9)
	require.InDelta(s.t, mrr, got.MRR, 1e-9)
}
