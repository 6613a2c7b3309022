package search

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/cogniverse/cogflow/eval"
	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/clitest"
	"github.com/cogniverse/cogflow/video"
)

func TestHitsGolden(t *testing.T) {
	t.Parallel()
	hits := []video.Hit{
		{Name: "bangkok.mp4", StartMS: 12_000, EndMS: 13_000, Score: 0.0325, Caption: "A tuk-tuk at night", Preview: true},
		{Name: clitest.Malicious, StartMS: 3_725_250, EndMS: 3_726_000, Score: 0.0161, Caption: "line one\nline \x1b[31mtwo"},
		{Name: "talk.mp3", Kind: video.SpeechDocument, StartMS: 61_000, EndMS: 65_000, Score: 0.01, Transcript: "Mind the \x1b[31mgap.", Language: "en"},
	}
	clitest.Golden(t, "hits", clitest.Printed(func(a *cli.App) { app{a}.printHits(hits) }))
	assert.Equal(t, "Nothing found.\n", clitest.Printed(func(a *cli.App) { app{a}.printHits(nil) }))
}

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
	clitest.Golden(t, "eval", clitest.Printed(func(a *cli.App) { assert.NoError(t, app{a}.printEval(someScores())) }))
	clitest.Golden(t, "eval_json", clitest.Printed(func(a *cli.App) { a.JSON = true; assert.NoError(t, app{a}.printEval(someScores())) }))
}

// TestCounter: --quiet hides the progress of an evaluation.
func TestCounter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 0, 0, time.UTC)
	count := func(a *cli.App) string {
		var log clitest.Output
		show := app{a}.counter(cli.NewLines(&log, func() time.Time { return now }), 3, "searches")
		now = now.Add(5 * time.Second)
		show(1)
		return log.String()
	}
	assert.Equal(t, "03:04:05 1/3 searches\n", count(&cli.App{}))
	assert.Empty(t, count(&cli.App{Quiet: true}))
}
