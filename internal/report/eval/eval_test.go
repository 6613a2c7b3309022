package eval

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/eval"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/report"
	"github.com/cogniverse/cogflow/internal/report/reporttest"
	"github.com/cogniverse/cogflow/video"
)

func render(t testing.TB, r eval.Report) string {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, Render(&out, r, from()))
	return out.String()
}

func from() Searched {
	return Searched{
		Profile: "local_preview", Embed: "cogflow/preview-embedder 1", Index: "SQLite, index.db",
		Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Run: "0198c1f2", Version: "1.2.3",
	}
}

func measured() eval.Report {
	return eval.Report{
		Queries: "examples/my queries.jsonl", Tenant: "default", K: 10,
		Ranks: []eval.RankScores{
			eval.Mean(video.RankHybrid, []eval.QueryScores{
				{Query: "a red <car>", Scores: eval.Scores{NDCG: 1, Recall: 1, RR: 1, First: 1}},
				{Query: "EXIT 12", Scores: eval.Scores{NDCG: 0.25, Recall: 0.5, RR: 0.2, First: 5}},
			}),
			eval.Mean(video.RankBM25, []eval.QueryScores{
				{Query: "a red <car>", Scores: eval.Scores{NDCG: 1, Recall: 1, RR: 1, First: 1}},
				{Query: "EXIT 12"},
			}),
		},
	}
}

func checkSelfContained(t testing.TB, page string) {
	t.Helper()
	reporttest.SelfContained(t, page, report.Style)
}

func TestEvalGolden(t *testing.T) {
	t.Parallel()
	page := render(t, measured())
	checkSelfContained(t, page)
	reporttest.Golden(t, "testdata/eval.html", []byte(page))
}

func TestEvalValues(t *testing.T) {
	t.Parallel()
	p := newPage(measured(), from())
	assert.Equal(t, "cogflow eval --queries='examples/my queries.jsonl' --tenant=default --rank=hybrid,bm25 --k=10", p.Again)
	assert.Equal(t, "2 queries", p.Badges[0].Text)
	assert.Equal(t, []rankRow{
		{Name: "hybrid", NDCG: "0.625", Recall: "0.750", MRR: "0.600", Found: "2 of 2", Best: true},
		{Name: "bm25", Color: 1, NDCG: "0.500", Recall: "0.500", MRR: "0.500", Found: "1 of 2"},
	}, p.Ranks)
	assert.Equal(t, []answerCell{{NDCG: "1.000", Note: "first at 1, recall 1.000"}, {NDCG: "1.000", Note: "first at 1, recall 1.000"}}, p.Answers[0].Cells)
	assert.Equal(t, []answerCell{{NDCG: "0.250", Note: "first at 5, recall 0.500", Best: true}, {NDCG: "0.000", Note: "not found"}}, p.Answers[1].Cells)
	require.Len(t, p.Plot.Groups, 3)
	assert.Equal(t, "53.75%", p.Plot.Groups[0].Bars[0].Width, "0.625 of 86 %")
}

func TestEvalEmptyAndTruncated(t *testing.T) {
	t.Parallel()
	page := render(t, eval.Report{})
	checkSelfContained(t, page)
	assert.Contains(t, page, "Nothing to show")

	r := eval.Report{K: 1, Ranks: []eval.RankScores{{Rank: "a"}, {Rank: "b"}}}
	for i := range maxAnswers + 5 {
		r.Ranks[0].Queries = append(r.Ranks[0].Queries, eval.QueryScores{Query: fmt.Sprint("q", i)})
	}
	page = render(t, r)
	assert.Contains(t, page, "5 more are not shown")
	assert.Equal(t, maxAnswers, strings.Count(page, `<th scope="row" dir="auto">`))
}

// TestMeansAgree: for any measurement, the means on the page equal the means of the listed
// queries, apart from rounding, and the number of hits equals the number of listed hits.
func TestMeansAgree(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(15, 16))
	number := func(text string) float64 {
		v, err := strconv.ParseFloat(text, 64)
		require.NoError(t, err)
		return v
	}
	for range 500 {
		var queries []eval.QueryScores
		for range 1 + rng.IntN(30) {
			q := eval.QueryScores{Query: "q"}
			if rng.IntN(3) > 0 {
				q.Scores = eval.Scores{NDCG: rng.Float64(), Recall: rng.Float64(), First: 1 + rng.IntN(9)}
				q.RR = 1 / float64(q.First)
			}
			queries = append(queries, q)
		}
		p := newPage(eval.Report{K: 10, Ranks: []eval.RankScores{eval.Mean(video.RankBM25, queries)}}, from())
		found, sum := 0, 0.0
		for _, a := range p.Answers {
			sum += number(a.Cells[0].NDCG)
			if a.Cells[0].Note != "not found" {
				found++
			}
		}
		require.InDelta(t, number(p.Ranks[0].NDCG), sum/float64(len(queries)), 0.001)
		require.Equal(t, fmt.Sprintf("%d of %d", found, len(queries)), p.Ranks[0].Found)
	}
}

func malicious(text string) eval.Report {
	queries := []eval.QueryScores{{Query: text, Scores: eval.Scores{NDCG: math.NaN(), Recall: math.Inf(1), RR: -1, First: math.MaxInt}}}
	return eval.Report{Queries: text, Tenant: text, Profile: text, K: -1, Ranks: []eval.RankScores{
		{Rank: video.Rank(text), NDCG: math.NaN(), Recall: math.Inf(-1), MRR: 7, Queries: queries}, {Rank: "x"},
	}}
}

func FuzzRender(f *testing.F) {
	for _, text := range []string{`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, "</style><b>x", "{{.CSS}}", "\u202e\x00'`", strings.Repeat("A", 9999)} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		page := render(t, malicious(text))
		checkSelfContained(t, page)
		require.NotContains(t, page, "\x00")
		require.NotContains(t, page, "<script")
		require.NotContains(t, page, strings.Repeat("A", report.MaxReason+1))
		require.True(t, strings.HasSuffix(page, "</html>\n"))
	})
}

func TestRenderEvalPassesOnWriteErrors(t *testing.T) {
	t.Parallel()
	err := Render(reporttest.BrokenWriter{Err: io.ErrShortWrite}, measured(), from())
	require.ErrorIs(t, err, io.ErrShortWrite)
	assert.Equal(t, fault.Transport, fault.ClassOf(err))
}
