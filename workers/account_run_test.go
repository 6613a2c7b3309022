package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/cogniverse/cogflow/internal/answer/billtest"
	"github.com/cogniverse/cogflow/prompt/mipro"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/ingest"
	"github.com/cogniverse/cogflow/workflows/optimize"
)

// accountRun is one job, whose result is compared with the ledger.
type accountRun struct {
	a      *accountant
	tenant string
	kind   string
	limit  int64 // micro-USD; 0 = none
	run    client.WorkflowRun
	done   chan struct{}
	err    error
	// Fields of the result:
	Repeated  int     `json:"repeated_calls"`
	CostUSD   float64 `json:"cost_usd"`
	Calls     int     `json:"calls"`          // of an optimization
	Described int     `json:"describe_calls"` // of an ingest
}

// start starts a random job of a new tenant, so that there are no stored answers.
func (a *accountant) start() *accountRun {
	a.t.Helper()
	r := &accountRun{a: a, tenant: fmt.Sprintf("run-%d", len(a.runs)), done: make(chan struct{})}
	common := workflows.Common{Tenant: r.tenant}
	if a.random.IntN(2) == 0 {
		r.limit = 1000 + a.random.Int64N(40_000)
		common.BudgetUSD = float64(r.limit) / 1e6
	}
	var in any
	switch profiles := []string{"captions", "pictures", "pooled"}; a.random.IntN(2) {
	case 0:
		r.kind, in = "IngestLibrary", ingest.LibraryInput{Common: common, Source: a.dir, Profile: profiles[a.random.IntN(len(profiles))]}
	case 1:
		r.kind, in = "OptimizePrompts", optimize.Input{
			Common:   common,
			Program:  json.RawMessage(`{"name":"quiz","predictors":[{"name":"self","inputs":[{"name":"query"}],"outputs":[{"name":"answer"}]}]}`),
			Trainset: topics(30, a.random.IntN(1000)), Mode: "compat",
			Settings: mipro.Settings{Auto: "none", NumCandidates: 2, NumTrials: 2, MinibatchSize: 4, MinibatchFullEvalSteps: 2},
		}
	}
	r.execute(in)
	return r
}

// execute starts the workflow.
func (r *accountRun) execute(in any) {
	a := r.a
	a.t.Helper()
	a.runs = append(a.runs, r)
	run, err := a.client.ExecuteWorkflow(a.t.Context(), startOptions(r.tenant), r.kind, in)
	require.NoError(a.t, err)
	r.run = run
	go r.await()
}

// await waits until the run ends, across restarts of the server.
func (r *accountRun) await() {
	defer close(r.done)
	ctx := r.a.t.Context()
	for ctx.Err() == nil {
		r.err = r.run.Get(ctx, r)
		if _, ended := errors.AsType[*temporal.WorkflowExecutionError](r.err); r.err == nil || ended {
			return
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

// finish waits until the run ends. A run that waits for budget must not have exceeded its
// limit; finish then removes the limit.
func (r *accountRun) finish() {
	a := r.a
	a.t.Helper()
	limit := time.After(5 * time.Minute)
	for {
		select {
		case <-r.done:
			require.NoError(a.t, r.err, r.tenant)
			if r.limit > 0 {
				require.LessOrEqual(a.t, a.settled(r.tenant), r.limit, "%s spent more than its limit", r.tenant)
			}
			return
		case <-limit:
			a.logLastEvent(r.tenant)
			require.Fail(a.t, "the workflow did not end", r.tenant)
		case <-time.After(200 * time.Millisecond):
			a.restartExited()
		}
		if r.limit > 0 && r.waits() {
			require.LessOrEqual(a.t, a.settled(r.tenant), r.limit, "%s spent more than its limit", r.tenant)
			r.raise()
		}
	}
}

// waits reports whether the run, or one of the videos of a library, waits for budget.
func (r *accountRun) waits() bool {
	ids := []string{r.tenant}
	for i := range accountVideos {
		ids = append(ids, fmt.Sprintf("%s/%06d", r.tenant, i))
	}
	return slices.ContainsFunc(ids, func(id string) bool {
		ctx, cancel := context.WithTimeout(r.a.t.Context(), 5*time.Second)
		defer cancel()
		value, err := r.a.client.QueryWorkflow(ctx, id, "", workflows.QueryProgress)
		if err != nil {
			return false // the run did not answer; the caller queries it again
		}
		var p struct {
			Waiting string `json:"waiting"`
		}
		return value.Get(&p) == nil && p.Waiting == "budget"
	})
}

// raise removes the limit.
func (r *accountRun) raise() {
	ctx, cancel := context.WithTimeout(r.a.t.Context(), 20*time.Second)
	defer cancel()
	handle, err := r.a.client.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: r.tenant, UpdateName: workflows.UpdateBudget, Args: []any{0.0}, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err == nil && handle.Get(ctx, nil) == nil {
		r.limit = 0
		r.a.raised++
	}
}

func (a *accountant) settled(tenant string) int64 {
	return int64(a.booked(fmt.Sprintf("SELECT coalesce(sum(cost), 0) FROM call WHERE tenant='%s' AND ended_ms IS NOT NULL", tenant)))
}

func (a *accountant) openEntries() int {
	return a.booked("SELECT count(*) FROM call WHERE ended_ms IS NULL")
}

// booked is a ledger entry.
type booked struct {
	Key, Outcome, Tenant, Kind, Model string
	Cost, Input, Output, Cached       int64
	Reasoning, GPU                    int64
}

func (a *accountant) ledger() map[string]booked {
	a.t.Helper()
	out := map[string]booked{}
	for _, row := range a.entries(`SELECT json_object('Key', key, 'Outcome', outcome, 'Tenant', tenant, 'Kind', kind, 'Model', model, 'Cost', cost,
		'Input', coalesce(input_tokens, 0), 'Output', coalesce(output_tokens, 0), 'Cached', coalesce(cached_tokens, 0),
		'Reasoning', coalesce(reasoning_tokens, 0), 'GPU', coalesce(gpu_ms, 0)) FROM call`) {
		var b booked
		require.NoError(a.t, json.Unmarshal([]byte(row), &b), row)
		require.NotEmpty(a.t, b.Key, row)
		require.NotContains(a.t, out, b.Key)
		out[b.Key] = b
	}
	return out
}

// compare compares the endpoint's bill with the ledger.
func (a *accountant) compare() {
	a.t.Helper()
	entries, requests := a.ledger(), a.endpoint.Requests()
	twice, none := billtest.Entries(requests)
	assert.Empty(a.t, twice, "two requests have the same ledger entry")
	assert.Zero(a.t, none, "a request has no ledger entry")
	asked := map[string]bool{}
	var billed, known, spent int64
	unseen := 0
	for _, r := range requests {
		e, ok := entries[r.Entry]
		if !assert.True(a.t, ok, "the ledger has no entry for %+v", r) {
			continue
		}
		asked[r.Entry] = true
		billed += r.Billed
		if r.Exact && e.Outcome != "lost" {
			known += r.Billed
			assert.Equal(a.t, r.Billed, e.Cost, "%+v was booked as %+v", r, e)
			assert.Equal(a.t, []int64{r.Used.InputTokens, r.Used.OutputTokens, r.Used.CachedTokens}, []int64{e.Input, e.Output, e.Cached}, "%+v was booked as %+v", r, e)
		} else {
			assert.GreaterOrEqual(a.t, e.Cost, r.Billed, "%+v was booked as %+v", r, e)
		}
		assert.NotEqual(a.t, "released", e.Outcome, "%+v was booked as %+v", r, e)
	}
	outcomes := map[string]int{}
	for _, e := range entries {
		outcomes[e.Outcome]++
		spent += e.Cost
		switch {
		case asked[e.Key] || e.Outcome == "lost" || e.Kind == "train": // no request is made for GPU time
		case e.Outcome == "charged":
			unseen++
		default:
			assert.Zero(a.t, e.Cost, "the endpoint saw no request of %+v", e)
			assert.NotEqual(a.t, "answered", e.Outcome, "the endpoint saw no request of %+v", e)
		}
	}
	// A request that was sent to an endpoint before an outage may or may not have been
	// processed, so it is charged.
	assert.LessOrEqual(a.t, unseen, a.gone*inFlight, "too many charged calls that the endpoint did not see")
	assert.LessOrEqual(a.t, outcomes["lost"], a.kills*inFlight, "more calls were lost than were in flight")
	assert.GreaterOrEqual(a.t, spent, billed)
	for _, r := range a.runs {
		r.equalsLedger()
	}
	a.compareCosts(entries)
	faults := map[billtest.Fault]int{}
	for _, r := range requests {
		faults[r.Fault]++
	}
	a.t.Logf("%d runs, %d stopped by their budget, %d kills, %d requests, billed %d, booked %d (%d of it exactly), entries %v, faults %v",
		len(a.runs), a.raised, a.kills, len(requests), billed, spent, known, outcomes, faults)
}

// equalsLedger checks that cost and calls of the result equal those of the ledger.
func (r *accountRun) equalsLedger() {
	a := r.a
	of := func(query string) int { return a.booked(fmt.Sprintf(query, r.tenant)) }
	cost := of("SELECT coalesce(sum(cost), 0) FROM call WHERE tenant='%s'")
	repeated := of(`SELECT coalesce(sum(max(0, n-1)), 0) FROM (SELECT count(*) AS n FROM call
		WHERE tenant='%s' AND outcome IN ('answered', 'charged', 'lost') GROUP BY job, fingerprint) AS f`)
	calls := of("SELECT count(*) FROM call WHERE tenant='%s' AND kind IN ('describe', 'complete') AND outcome<>'released'")
	assert.Equal(a.t, calls, r.Calls+r.Described, "the calls of %s %s", r.kind, r.tenant)
	assert.Equal(a.t, cost, int(r.CostUSD*1e6+0.5), "the cost of %s %s", r.kind, r.tenant)
	assert.Equal(a.t, repeated, r.Repeated, "the repeated calls of %s %s", r.kind, r.tenant)
}
