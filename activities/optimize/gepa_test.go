package optimize

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/activitytest"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/prompt/mipro"
	"github.com/cogniverse/cogflow/prompt/mipro/gepa"
)

// TestGEPAPlan: the quote covers what the search calls, and the teacher is not called.
func TestGEPAPlan(t *testing.T) {
	t.Parallel()
	o := newOptimizing(t, ModeGEPA)
	in := prepared(t)
	in.Mode, in.Settings, in.GEPA = ModeGEPA, mipro.Settings{}, gepa.Options{MaxMetricCalls: 40}
	plan, err := activitytest.Run(t, o.a.PrepareOptimize, in)
	require.NoError(t, err)
	require.Equal(t, 17, plan.Val, "four in ten of all rows are set aside")
	require.Equal(t, 11, plan.Confirm)
	require.Zero(t, plan.Quote.Teacher)
	require.Empty(t, plan.Models.Teacher)
	o.who.Job, o.made = plan.Job, 0
	for _, part := range o.parts() {
		_, err := part.run(o)
		require.NoError(t, err, part.name)
	}
	calls, _ := o.lm.calls()
	require.LessOrEqual(t, calls, plan.Quote.Student+plan.Quote.Proposer+plan.Quote.Retries)
}

// TestGEPAFeedback: the proposer reads the feedback of a metric command. A stored score without
// feedback is still read.
func TestGEPAFeedback(t *testing.T) {
	t.Parallel()
	o := newOptimizing(t, ModeGEPA)
	g := &grades{}
	o.a.Judges = g
	in := prepared(t)
	in.Mode, in.Settings, in.GEPA = ModeGEPA, mipro.Settings{}, gepa.Options{MaxMetricCalls: 40}
	in.Metric = json.RawMessage(`{"kind":"command","command":"grade"}`)
	o.begin(in)
	_, err := o.search(0)
	require.NoError(t, err)
	made, err := o.a.iterations(t.Context(), o.who)
	require.NoError(t, err)
	require.Equal(t, []string{"half of it", "half of it", "half of it"}, made[1].Feedback)
	scored := g.asked.Load()
	require.NoError(t, o.store.Delete(t.Context(), prefixOf("default", o.who.Job)+iterationsName))
	o.made = 0
	_, err = o.search(0)
	require.NoError(t, err)
	require.Equal(t, scored, g.asked.Load(), "stored marks are not requested again")
	again, err := o.a.iterations(t.Context(), o.who)
	require.NoError(t, err)
	require.Equal(t, made, again)
}

// TestGEPARefuses: a setting of another mode is rejected, and a plan of a build without mode gepa
// is not continued in it.
func TestGEPARefuses(t *testing.T) {
	t.Parallel()
	o := newOptimizing(t, ModeGEPA)
	in := prepared(t)
	in.GEPA.MaxMetricCalls = 40
	_, err := activitytest.Run(t, o.a.PrepareOptimize, in)
	require.ErrorContains(t, err, "a setting of mode gepa")
	in.Mode = ModeGEPA
	_, err = activitytest.Run(t, o.a.PrepareOptimize, in)
	require.ErrorContains(t, err, "is a setting of MIPROv2")
	require.Equal(t, fault.Input, activitytest.ClassOf(err))

	text, err := activities.ReadAll(t.Context(), o.store, prefixOf("default", o.who.Job)+"job.json")
	require.NoError(t, err)
	var j jobFile
	require.NoError(t, json.Unmarshal(text, &j))
	require.Equal(t, searchVersion, j.Version, "a build without the mode hands the job back")
	j.Version = formerVersion
	_, err = j.open()
	require.ErrorContains(t, err, "no mode gepa")
	require.False(t, strings.Contains(string(text), `"mode":"improved"`))
}
