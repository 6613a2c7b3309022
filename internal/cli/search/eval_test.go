package search_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/eval"
	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/clitest"
	"github.com/cogniverse/cogflow/internal/cli/root"
	"github.com/cogniverse/cogflow/video"
)

func TestEvalRefuses(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "q.jsonl")
	require.NoError(t, os.WriteFile(file, []byte("\n{\"query\": 1}\n"), 0o600))
	b := clitest.Offline(t, root.Run) // no server: all of these fail before a connection
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{nil, cli.ExitUsage, "--queries must be a file"},
		{[]string{"--queries", file, "--k", "0"}, cli.ExitUsage, "--k must be 1 to 1000"},
		{[]string{"--queries", file, "--rank", "bm25,bm25"}, cli.ExitUsage, "--rank must be distinct names"},
		{[]string{"--queries", file, "--rank", ""}, cli.ExitUsage, "--rank must be 1 to 16"},
		{[]string{"--queries", file, "--tenant", "a b"}, cli.ExitUsage, "tenant"},
		{[]string{"--queries", file}, cli.ExitFailed, `line 2: "query": must be a string`},
		{[]string{"--queries", file + ".gone"}, cli.ExitFailed, "no such file"},
		{[]string{"--queries", b.Dir}, cli.ExitFailed, "it is a directory"},
	} {
		code, _, errors := b.Run(append([]string{"eval"}, c.args...)...)
		assert.Equal(t, c.code, code, errors)
		assert.Contains(t, errors, c.want)
	}
}

// TestEval runs on a real server; each search finds one moment of b.mp4.
func TestEval(t *testing.T) {
	t.Parallel()
	b := clitest.New(t, root.Run)
	file, page := filepath.Join(b.Dir, "q.jsonl"), filepath.Join(b.Dir, "quality.html")
	write := func(text string) { require.NoError(t, os.WriteFile(file, []byte(text), 0o600)) }
	write(`{"query": "a red car", "relevant": [{"video": "b.mp4", "start_ms": 1500, "end_ms": 3000}]}` + "\n" +
		`{"query": "a boat", "relevant": [{"video": "b.mp4", "start_ms": 2000, "end_ms": 3000}]}` + "\n")
	code, errors := b.Interrupt("No worker serves the task queue cogflow", "eval", "--queries", file)
	assert.Equal(t, cli.ExitInterrupted, code)
	assert.Equal(t, 1, strings.Count(errors, "No worker serves"), "the message is shown once for all searches")

	b.Serve()
	code, out, errors := b.Run("eval", "--queries", file, "--rank", "bm25,vector", "--k", "3", "--report", page, "--json")
	require.Equal(t, cli.ExitDone, code, errors)
	queries := []eval.QueryScores{{Query: "a red car", Scores: eval.Scores{NDCG: 1, Recall: 1, RR: 1, First: 1}}, {Query: "a boat"}}
	assert.Equal(t, eval.Report{Queries: file, Tenant: "default", K: 3, Ranks: []eval.RankScores{
		eval.Mean(video.RankBM25, queries), eval.Mean(video.RankVector, queries),
	}}, clitest.Decode[eval.Report](t, out))
	html, err := os.ReadFile(page)
	require.NoError(t, err)
	assert.Contains(t, string(html), "a boat")

	code, _, errors = b.Run("eval", "--queries", file, "--report", filepath.Join(b.Dir, "no", "such.html"))
	assert.Equal(t, cli.ExitFailed, code)
	assert.Contains(t, errors, "write report")

	write(`{"query": "bad", "relevant": [{"video": "b.mp4"}]}`)
	code, out, errors = b.Run("eval", "--queries", file, "--json")
	assert.Equal(t, cli.ExitFailed, code)
	assert.Contains(t, errors, `search "bad" by`)
	assert.Contains(t, errors, "auth error: embed: no key")
	assert.Equal(t, "auth", clitest.Decode[map[string]cli.Failure](t, out)["error"].Class)
}
