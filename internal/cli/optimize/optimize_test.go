package optimize

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/clitest"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/mipro"
	"github.com/cogniverse/cogflow/prompt/outcome"
	"github.com/cogniverse/cogflow/workflows/optimize"
)

func TestOptimizeGolden(t *testing.T) {
	t.Parallel()
	clitest.Golden(t, "optimize", clitest.Printed(func(a *cli.App) { app{a}.printOptimize("optimize-x", clitest.Optimized()) }))
	weak := clitest.Optimized()
	weak.Status, weak.Promoted, weak.Verdict, weak.Report = "unchanged", false, prompt.Verdict{}, ""
	clitest.Golden(t, "optimize_weak", clitest.Printed(func(a *cli.App) { app{a}.printOptimize("optimize-x", weak) }))
	kept := clitest.Optimized()
	kept.Promoted, kept.Verdict, kept.Kept, kept.Score = false, prompt.Verdict{}, true, kept.DefaultScore
	clitest.Golden(t, "optimize_kept", clitest.Printed(func(a *cli.App) { app{a}.printOptimize("optimize-x", kept) }))
	clitest.Golden(t, "optimize_quote", clitest.Printed(func(a *cli.App) { app{a}.printOptimize("optimize-x", clitest.Quote()) }))
	free := clitest.Quote()
	free.Plan.Priced, free.Plan.Quote, free.Plan.Confirm, free.Plan.Pace = false, mipro.Quote{Student: 5}, 0, nil
	clitest.Golden(t, "optimize_unpriced", clitest.Printed(func(a *cli.App) { app{a}.printOptimize("optimize-x", free) }))
}

// TestUnusable: a result and a status show the answers that could not be used, without control
// sequences for terminals.
func TestUnusable(t *testing.T) {
	t.Parallel()
	r := clitest.Optimized()
	r.Unusable = []outcome.Group{{Role: "student", Reason: outcome.Truncated, Answers: 12, Of: 30, Samples: []string{"so I \x1b[31mthink"}}}
	r.Warnings = outcome.Warnings(r.Unusable)
	running := &progress{Progress: optimize.Progress{Unusable: r.Unusable, Warnings: r.Warnings}}
	for _, text := range []string{
		clitest.Printed(func(a *cli.App) { app{a}.printOptimize("optimize-x", r) }), clitest.Printed(running.Print),
	} {
		require.Contains(t, text, "Warning: student: 12 of 30 answers were truncated by max_tokens; raise max_tokens")
		require.Contains(t, text, "student: 12 of 30 answers were truncated by max_tokens, such as: so I")
		require.NotContains(t, text, "\x1b[31m")
	}
}

// TestPartlyPriced: a quote names the model whose price is missing.
func TestPartlyPriced(t *testing.T) {
	t.Parallel()
	r := clitest.Quote()
	r.Plan.Priced, r.Plan.Unpriced = false, []string{"smollm3-3b"}
	require.Contains(t, clitest.Printed(func(a *cli.App) { app{a}.printOptimize("optimize-x", r) }), "Cost: at most about $1.94, without smollm3-3b, which has no price")
}

func TestOptimizeLinesGolden(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var out, terminal bytes.Buffer
	l, b := cli.NewLines(&out, func() time.Time { return now }), cli.NewBars(&terminal)
	show := func(after time.Duration, p optimize.Progress) {
		now = now.Add(after)
		s := &progress{id: "optimize-x", Progress: p}
		l.Show(s, false)
		b.Show(s, false)
	}
	p := optimize.Progress{Stage: "prepare"}
	show(0, p)
	p.Name, p.Stage, p.Planned, p.Answers, p.Calls = "agentic-router", "bootstrap", 21, 1, 1
	show(2*time.Second, p)
	p.Answers = 9
	show(2*time.Second, p) // no change
	p = clitest.Optimizing()
	show(2*time.Second, p)
	p.Waiting = "budget"
	show(2*time.Second, p)
	p.Waiting, p.Paused = "", true
	show(2*time.Second, p)
	p.Paused, p.Stage, p.Waiting = false, "publish", "approval"
	show(2*time.Second, p)
	clitest.Golden(t, "optimize_lines", out.String())
	b.End()
}

// TestProgressKeeps: counts never decrease, and a wait for a worker shows its duration.
func TestProgressKeeps(t *testing.T) {
	t.Parallel()
	before := &progress{id: "o", Progress: optimize.Progress{Answers: 9, Calls: 8, CostUSD: 0.5}}
	now := &progress{id: "o", Progress: optimize.Progress{Stage: "search", Answers: 4, Calls: 9, Waiting: "a worker of queue lm"}, cold: cli.Cold{Queue: "lm", For: time.Minute}}
	now.After(nil)
	now.After(before)
	require.Equal(t, "search (waits: 1m0s for a worker of queue lm), 9 answers, 9 calls, $0.50", now.text())
	require.NotContains(t, now.Change(), "1m0s")
}
