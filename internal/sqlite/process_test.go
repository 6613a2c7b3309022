package sqlite_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/sqlite"
	"github.com/cogniverse/cogflow/video"
)

// childFile names the index that this test binary, started as a child, writes to.
const childFile = "COGFLOW_TEST_INDEX"

func TestMain(m *testing.M) {
	if path := os.Getenv(childFile); path != "" {
		fmt.Fprintln(os.Stderr, writeForever(path))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

const childFrames = 150

func childDocuments(round int) []video.Document {
	docs := newCorpus().documents("clip", childFrames, func() video.Embedding {
		return video.Embedding{Dim: 2, Rows: 1, Floats: []float32{1, 0}}
	})
	for i := range docs {
		docs[i].Generation = video.NewFingerprint("generation", strconv.Itoa(round))
		docs[i].Caption = "round " + strconv.Itoa(round)
	}
	return docs
}

func generationOf(docs []video.Document) video.Generation {
	d := docs[0]
	return video.Generation{
		Tenant: d.Tenant, Profile: d.Profile, Video: d.Video, Generation: d.Generation, Documents: len(docs), Name: d.Name,
	}
}

// writeForever publishes one generation after another and prints the number
// of each.
func writeForever(path string) error {
	ctx := context.Background()
	x, err := sqlite.Open(path)
	if err != nil {
		return err
	}
	for round := 1; ; round++ {
		docs := childDocuments(round)
		for from := 0; from < len(docs); from += 50 {
			if err := x.Upsert(ctx, docs[from:from+50]); err != nil {
				return err
			}
		}
		if _, err := x.Publish(ctx, generationOf(docs)); err != nil {
			return err
		}
		if _, err := fmt.Println(round); err != nil { //nolint:forbidigo // the child's report to its parent
			return err
		}
	}
}

// TestKill searches while another process writes, and kills that process. Afterwards exactly
// one complete generation is visible: the last one reported, or the next one.
func TestKill(t *testing.T) {
	t.Parallel()
	for _, rounds := range []int{1, 2, 5} {
		t.Run(strconv.Itoa(rounds), func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "index.db")
			x := open(t, path)
			child := exec.CommandContext(t.Context(), os.Args[0])
			child.Env = append(os.Environ(), childFile+"="+path)
			out, err := child.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, child.Start())
			reports := bufio.NewScanner(out)
			last := 0
			for last < rounds && reports.Scan() {
				last, err = strconv.Atoi(reports.Text())
				require.NoError(t, err)
				require.GreaterOrEqual(t, wholeRound(t, x), last)
			}
			require.NoError(t, child.Process.Kill())
			for reports.Scan() { // the generations that it reported before it was killed
				last, err = strconv.Atoi(reports.Text())
				require.NoError(t, err)
			}
			require.Error(t, child.Wait())
			require.GreaterOrEqual(t, last, rounds)
			for _, index := range []*sqlite.Index{x, open(t, path)} {
				require.Contains(t, []int{last, last + 1}, wholeRound(t, index))
			}
			next := childDocuments(1000)
			require.NoError(t, x.Upsert(t.Context(), next))
			_, err = x.Publish(t.Context(), generationOf(next))
			require.NoError(t, err)
			require.Equal(t, 1000, wholeRound(t, x))
		})
	}
}

// wholeRound returns the round of the documents, which must all be of the same round.
func wholeRound(t *testing.T, x *sqlite.Index) (round int) {
	t.Helper()
	for _, rank := range []video.Rank{video.RankBM25, video.RankVector} {
		hits, err := x.Search(t.Context(), video.Query{
			Tenant: "acme", Profile: "bench", Text: "round", Limit: 1000, Rank: rank,
			Embedding: video.Embedding{Dim: 2, Rows: 1, Floats: []float32{1, 0}},
		})
		require.NoError(t, err)
		require.Len(t, hits, childFrames)
		for _, h := range hits {
			require.Equal(t, hits[0].Caption, h.Caption)
		}
		_, err = fmt.Sscanf(hits[0].Caption, "round %d", &round)
		require.NoError(t, err)
	}
	return round
}
