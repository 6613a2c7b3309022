package workflows_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/optimize"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/training"
	optimizeflow "github.com/cogniverse/cogflow/workflows/optimize"
)

func (s *optimizeWorld) plan(in optimizeflow.Input) *optimize.Plan {
	s.t.Helper()
	in.DryRun = true
	out, err := s.run(in)
	require.NoError(s.t, err)
	return out.Plan
}

// TestOptimizePlanPace: the time of a plan comes from measured calls, else from an assumption
// that the plan marks as such.
func TestOptimizePlanPace(t *testing.T) {
	t.Parallel()
	s := newOptimizeWorld(t)
	price := &prompt.Price{Input: 1, Output: 1, Listed: "2026-08-21"}
	s.optimize.Models = func() (optimize.RoleModels, error) {
		m := func(name string, p prompt.Price) prompt.Model {
			return prompt.Model{Name: name, MaxTokens: 100, Price: &p}
		}
		return optimize.RoleModels{Student: m("student", prompt.Price{}), Teacher: m("teacher", *price), Proposer: m("teacher", *price), Judge: m("judge", *price)}, nil
	}
	in := optimizeInput(optimize.ModeCompat)
	before := s.plan(in)
	require.Equal(t, "2026-08-21", before.Listed)
	require.Equal(t, []optimize.Pace{
		{Model: "student", Seconds: 2, AtOnce: 8}, {Model: "teacher", Seconds: 2, AtOnce: 8}, {Model: "teacher", Seconds: 2, AtOnce: 8},
	}, before.Pace, "without a judge there is no judge model")
	rounds := 0
	for _, calls := range []int{before.Quote.Student, before.Quote.Teacher, before.Quote.Proposer} {
		rounds += (calls + 7) / 8
	}
	require.InDelta(t, 2*rounds, before.Seconds, 1e-9)

	_, err := s.run(in)
	require.NoError(t, err)
	after := s.plan(in)
	require.Equal(t, before.Job, after.Job)
	for _, p := range after.Pace {
		require.True(t, p.Measured)
		require.Less(t, p.Seconds, 2.0)
	}
	require.Less(t, after.Seconds, before.Seconds)
}

// TestOptimizeYAML: a program in YAML is the same as in JSON.
func TestOptimizeYAML(t *testing.T) {
	t.Parallel()
	s := newOptimizeWorld(t)
	in := optimizeInput(optimize.ModeCompat)
	want := s.plan(in)
	upload := func(text string) json.RawMessage {
		sum := sha256.Sum256([]byte(text))
		id := hex.EncodeToString(sum[:])
		_, err := s.optimize.Store.Put(t.Context(), training.UploadKey(tenant.Default, id), strings.NewReader(text))
		require.NoError(t, err)
		return json.RawMessage(`{"uri":"` + activities.UploadScheme + id + `"}`)
	}
	in.Program = upload("# a quiz\nname: quiz\npredictors:\n- name: self\n  inputs:\n  - name: query\n  outputs: [{name: answer}]\n")
	require.Equal(t, want.Job, s.plan(in).Job)
	in.Program = upload("name: quiz\npredictors:\n- name: self\n  inputs:\n  - name: query\n    typ: str\n")
	_, err := s.run(in)
	require.ErrorContains(t, err, `line 6: unknown key "typ"`)
	require.ErrorContains(t, err, "type: input")
}
