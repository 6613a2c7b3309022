package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/eval"
	"github.com/cogniverse/cogflow/video"
)

func someScores() eval.Report {
	return eval.Report{Queries: "q.jsonl", Tenant: "default", K: 10, Ranks: []eval.RankScores{
		eval.Mean(video.RankHybrid, []eval.QueryScores{
			{Query: "a red car", Scores: eval.Scores{NDCG: 1, Recall: 1, RR: 1, First: 1}},
			{Query: "EXIT 12", Scores: eval.Scores{NDCG: 0.63093, Recall: 0.5, RR: 0.5, First: 2}},
		}),
		eval.Mean("\x1b[31mmine", []eval.QueryScores{{Query: "a red car"}, {Query: "EXIT 12"}}),
	}}
}

func TestEvalGolden(t *testing.T) {
	t.Parallel()
	golden(t, "eval", printed(func(a *App) { assert.NoError(t, a.printEval(someScores())) }))
	golden(t, "eval_json", printed(func(a *App) { a.JSON = true; assert.NoError(t, a.printEval(someScores())) }))
}

func TestEvalRefuses(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "q.jsonl")
	require.NoError(t, os.WriteFile(file, []byte("\n{\"query\": 1}\n"), 0o600))
	b := &bench{t: t, dir: t.TempDir()} // no server: none of these comes so far
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{nil, exitUsage, "--queries wants a file"},
		{[]string{"--queries", file, "--k", "0"}, exitUsage, "--k wants 1 to 1000"},
		{[]string{"--queries", file, "--rank", "bm25,bm25"}, exitUsage, "--rank wants different names"},
		{[]string{"--queries", file, "--rank", ""}, exitUsage, "--rank wants 1 to 16"},
		{[]string{"--queries", file, "--tenant", "a b"}, exitUsage, "tenant"},
		{[]string{"--queries", file}, exitFailed, `line 2: "query": want a string`},
		{[]string{"--queries", file + ".gone"}, exitFailed, "no such file"},
		{[]string{"--queries", b.dir}, exitFailed, "it is a directory"},
	} {
		code, _, errors := b.run(append([]string{"eval"}, c.args...)...)
		assert.Equal(t, c.code, code, errors)
		assert.Contains(t, errors, c.want)
	}
}

func TestTask(t *testing.T) {
	t.Parallel()
	count := func(v View) {
		task := NewTask(v, "searches")
		for i := range 3 {
			task.last = time.Time{} // the last line was long ago
			task.Set(i+1, 3, "", fmt.Sprintf("%d/3 searches", i+1))
		}
		v.End()
	}
	now := func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }
	var log, terminal output
	count(NewLines(&log, now))
	assert.Equal(t, "03:04:05 1/3 searches\n03:04:05 2/3 searches\n03:04:05 3/3 searches\n", log.String())
	count(NewBars(&terminal)) // ends, with a full bar too
}

// TestEval runs against a real server; each search finds one moment of b.mp4.
func TestEval(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	file, page := filepath.Join(b.dir, "q.jsonl"), filepath.Join(b.dir, "quality.html")
	write := func(text string) { require.NoError(t, os.WriteFile(file, []byte(text), 0o600)) }
	write(`{"query": "a red car", "relevant": [{"video": "b.mp4", "start_ms": 1500, "end_ms": 3000}]}` + "\n" +
		`{"query": "a boat", "relevant": [{"video": "b.mp4", "start_ms": 2000, "end_ms": 3000}]}` + "\n")
	code, errors := b.interrupt("No worker serves the task queue cogflow", "eval", "--queries", file)
	assert.Equal(t, exitInterrupted, code)
	assert.Equal(t, 1, strings.Count(errors, "No worker serves"), "said once, however many searches wait")

	b.serve()
	code, out, errors := b.run("eval", "--queries", file, "--rank", "bm25,vector", "--k", "3", "--report", page, "--json")
	require.Equal(t, exitDone, code, errors)
	queries := []eval.QueryScores{{Query: "a red car", Scores: eval.Scores{NDCG: 1, Recall: 1, RR: 1, First: 1}}, {Query: "a boat"}}
	assert.Equal(t, eval.Report{Queries: file, Tenant: "default", K: 3, Ranks: []eval.RankScores{
		eval.Mean(video.RankBM25, queries), eval.Mean(video.RankVector, queries),
	}}, decode[eval.Report](t, out))
	html, err := os.ReadFile(page)
	require.NoError(t, err)
	assert.Contains(t, string(html), "a boat")

	code, _, errors = b.run("eval", "--queries", file, "--report", filepath.Join(b.dir, "no", "such.html"))
	assert.Equal(t, exitFailed, code)
	assert.Contains(t, errors, "write report")

	write(`{"query": "bad", "relevant": [{"video": "b.mp4"}]}`)
	code, out, errors = b.run("eval", "--queries", file, "--json")
	assert.Equal(t, exitFailed, code)
	assert.Contains(t, errors, `search "bad" by`)
	assert.Contains(t, errors, "auth error: embed: no key")
	assert.Equal(t, "auth", decode[map[string]failure](t, out)["error"].Class)
}
