package optimize

import (
	"encoding/json"
	"io"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/activitytest"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/ledger"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/prompt"
)

// whole runs all parts of another job of the same kind, without faults.
func (o *optimizing) whole() *optimizing {
	o.t.Helper()
	w := newOptimizing(o.t, o.mode)
	w.lm.learn = o.lm.learn
	for _, part := range w.parts() {
		_, err := part.run(w)
		require.NoError(o.t, err, part.name)
	}
	return w
}

// endsAs fails if the trials or the verdict differ from those of another run.
func (o *optimizing) endsAs(w *optimizing) {
	o.t.Helper()
	require.Equal(o.t, w.trials(), o.trials())
	require.Equal(o.t, w.last.Verdict, o.last.Verdict)
}

// TestStoreFails: at each failure of the store the activity reports it, the next attempt has
// the result of a run without faults, and every call is in the ledger.
func TestStoreFails(t *testing.T) {
	t.Parallel()
	inEveryMode(t, true, func(o *optimizing) {
		failures := 0
		for _, part := range o.parts() {
			for _, at := range []int64{1, 2, 5, 13} {
				var calls atomic.Int64
				o.store.Fail(func(key string) error {
					if calls.Add(1) == at {
						return fault.New(fault.Transport, "use object", key, "connection reset")
					}
					return nil
				})
				made := o.made
				_, err := part.run(o)
				o.store.Fail(nil)
				if err != nil {
					failures++
					require.Equal(o.t, fault.Transport, activitytest.ClassOf(err), "%s, call %d: %v", part.name, at, err)
					require.ErrorContains(o.t, err, "connection reset")
				} else {
					o.made = made
				}
			}
			_, err := part.run(o)
			require.NoError(o.t, err, part.name)
		}
		require.Greater(o.t, failures, len(o.parts()))
		o.endsAs(o.whole())
		asked, repeated := o.lm.calls()
		require.LessOrEqual(o.t, repeated, failures, "only an answer that could not be stored is requested again")
		spend, err := o.a.Ledger.Job(o.t.Context(), "default", "run")
		require.NoError(o.t, err)
		require.EqualValues(o.t, asked*microUS, spend.CostMicroUSD)
	})
}

// TestBetterProgram: a better program is confirmed on rows that the search never saw, published
// and shown.
func TestBetterProgram(t *testing.T) {
	t.Parallel()
	inEveryMode(t, true, func(o *optimizing) {
		var page prompt.Report
		o.a.Report = func(_ io.Writer, r prompt.Report) error { page = r; return nil }
		for _, part := range o.parts() {
			_, err := part.run(o)
			require.NoError(o.t, err, part.name)
		}
		require.True(o.t, o.last.Changed)
		require.True(o.t, o.last.Verdict.Promote, "%+v", o.last.Verdict)
		v := o.last.Verdict
		require.Equal(o.t, []float64{0, 1}, []float64{v.Before, v.After}, "the means are not adjusted")
		require.InDelta(o.t, 100*v.Gain.Estimate, o.last.Score-o.last.Default, 1e-9, "the scores differ by the gain")
		require.Greater(o.t, v.Gain.Low, 0.3)
		require.Greater(o.t, v.Gain.Estimate, 0.9)
		require.Less(o.t, v.Gain.Estimate, 1.0)
		_, err := o.publish()
		require.NoError(o.t, err)
		_, err = activitytest.Run(o.t, o.a.WriteOptimizeReport, ReportInput{SearchStep: o.step(o.reflections()), Name: "quiz", Version: 1, RunID: "run"})
		require.NoError(o.t, err)
		require.NotEmpty(o.t, page.Rows)
		require.LessOrEqual(o.t, len(page.Rows), reportedRows)
		for _, row := range page.Rows {
			require.Greater(o.t, row.AfterScore, row.BeforeScore)
		}
		require.NotEmpty(o.t, page.Release.Choice, "the choice is recorded")
		if o.mode == ModeGEPA {
			require.GreaterOrEqual(o.t, len(page.Candidates), 2)
			c := page.Candidates[1]
			require.Equal(o.t, []int{0}, c.Parents)
			require.Equal(o.t, []string{"self"}, c.Changed)
			require.Positive(o.t, c.Front)
			require.Contains(o.t, c.Feedback[0], "answer is wrong: expected ")
		}
		require.Contains(o.t, page.After.Predictors[0].Instructions, "Text ")
		require.NotContains(o.t, page.Before.Predictors[0].Instructions, "Text ")
	})
}

// TestNothingToConfirmCostsNothing: if there is nothing to confirm, the program is published
// with the scores of the search and without a verdict, and no call is made.
func TestNothingToConfirmCostsNothing(t *testing.T) {
	t.Parallel()
	o := newOptimizing(t, ModeCompat)
	o.lm.learn = true
	parts := o.parts()
	for _, part := range parts[:len(parts)-1] {
		_, err := part.run(o)
		require.NoError(t, err, part.name)
	}
	asked, _ := o.lm.calls()
	in := ConfirmInput{SearchStep: o.step(0), Unpaid: true}
	out, err := activitytest.Run(t, o.a.ConfirmBest, in)
	require.NoError(t, err)
	after, _ := o.lm.calls()
	require.Equal(t, asked, after)
	require.True(t, out.Changed)
	require.False(t, out.Verdict.Promote)
	require.Greater(t, out.Score, out.Default)
	o.last = out
	_, err = o.publish()
	require.NoError(t, err)
	_, err = activitytest.Run(t, o.a.WriteOptimizeReport, ReportInput{SearchStep: o.step(0), Name: "quiz", Version: 1, RunID: "run"})
	require.NoError(t, err, "a page without rows")
}

// reserver is a model with known prices.
type reserver struct {
	*speaker
	most int64
}

func (r reserver) Reserve(prompt.Completion) (int64, bool) { return r.most, true }

// TestBudgetOfAStage: a stage ends when the next answer could cost more than is left, and
// never exceeds its limit. With a higher limit it continues, without repeating a call.
func TestBudgetOfAStage(t *testing.T) {
	t.Parallel()
	o := newOptimizing(t, ModeImproved)
	o.lm.learn = true
	o.a.LM = reserver{o.lm, 20}
	limits := 0
	o.who.LimitMicroUSD = 100
	for _, part := range o.parts() {
		for {
			_, err := part.run(o)
			if err == nil {
				break
			}
			require.Equal(t, fault.Budget, activitytest.ClassOf(err), "%s: %v", part.name, err)
			spend, err := o.a.Ledger.Job(t.Context(), "default", "run")
			require.NoError(t, err)
			require.LessOrEqual(t, spend.CostMicroUSD, o.who.LimitMicroUSD)
			require.Zero(t, spend.Reserved)
			o.who.LimitMicroUSD = spend.CostMicroUSD + 100
			limits++
		}
	}
	require.Greater(t, limits, 2)
	require.Equal(t, o.whole().trials(), o.trials())
	_, repeated := o.lm.calls()
	require.Zero(t, repeated)
}

// TestUnpricedUnderALimit: under a limit of the job or a hard budget, a model without a price is not
// called.
func TestUnpricedUnderALimit(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		limit  int64
		budget money.Scope
	}{
		"limit of the job": {limit: 1_000_000}, "organisation": {budget: money.Scope{Org: "default"}}, "tenant": {budget: money.Scope{Tenant: "default"}},
		"teacher": {budget: money.Scope{Model: "teacher"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOptimizing(t, ModeCompat)
			models, err := o.a.Models()
			require.NoError(t, err)
			models.Student.Price, models.Teacher.Price = nil, nil
			o.a.Models = func() (RoleModels, error) { return models, nil }
			o.begin(prepared(t))
			o.who.LimitMicroUSD = c.limit
			if c.limit == 0 {
				require.NoError(t, o.a.Ledger.(*ledger.Ledger).SetBudget(t.Context(), money.Budget{Scope: c.budget, Period: money.Day, MicroUSD: 1_000_000}))
			}
			_, err = activitytest.Run(t, o.a.BootstrapDemos, o.who)
			require.Equal(t, fault.Budget, activitytest.ClassOf(err), "%v", err)
			asked, _ := o.lm.calls()
			require.Zero(t, asked)
		})
	}
}

// TestJobOfAnEarlierBuild: earlier builds ignored the case of names in programs and metrics;
// such a job continues.
func TestJobOfAnEarlierBuild(t *testing.T) {
	t.Parallel()
	o := newOptimizing(t, ModeCompat)
	key := prefixOf("default", o.who.Job) + "job.json"
	var stored map[string]json.RawMessage
	require.NoError(t, activities.ReadJSON(t.Context(), o.store, key, &stored))
	stored["program"] = json.RawMessage(strings.NewReplacer(`"predictors"`, `"Predictors"`, `"inputs"`, `"INPUTS"`).Replace(string(stored["program"])))
	stored["metric"] = json.RawMessage(strings.ReplaceAll(string(stored["metric"]), `"field"`, `"Field"`))
	o.who.Job = "earlier"
	require.NoError(t, activities.WriteJSON(t.Context(), o.store, prefixOf("default", "earlier")+"job.json", stored))
	_, err := activitytest.Run(t, o.a.BootstrapDemos, o.who)
	require.NoError(t, err)
	_, repeated := o.lm.calls()
	require.Zero(t, repeated)

	stored["program"] = json.RawMessage(`{"predictors":[]}`)
	o.who.Job = "damaged"
	require.NoError(t, activities.WriteJSON(t.Context(), o.store, prefixOf("default", "damaged")+"job.json", stored))
	_, err = activitytest.Run(t, o.a.BootstrapDemos, o.who)
	require.Equal(t, fault.Input, activitytest.ClassOf(err), "%v", err)
}
