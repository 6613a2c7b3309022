package optimize

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/optimize/rules"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/blob"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/mipro"
	"github.com/cogniverse/cogflow/prompt/mipro/search"
	"github.com/cogniverse/cogflow/prompt/python"
)

// planned is a job with two instructions and two demo sets to choose from.
func planned(t *testing.T) *optimization {
	t.Helper()
	var rows []*prompt.Object
	for i := range 20 {
		rows = append(rows, python.NewObject("query", fmt.Sprint(i), "answer", "x"))
	}
	program := `{"name":"quiz","predictors":[{"name":"self","inputs":[{"name":"query"}],"outputs":[{"name":"answer"}]}]}`
	o, err := jobFile{
		Version: searchVersion, Program: json.RawMessage(program), Train: rows, Mode: ModeCompat,
		Metric:   json.RawMessage(`{"kind":"exact","field":"answer"}`),
		Settings: mipro.Settings{Auto: "none", NumCandidates: 2, NumTrials: 4, MinibatchSize: 5, Seed: 9},
	}.open()
	require.NoError(t, err)
	return o
}

// TestSearchOfAnotherBuild: a search continues from the trials on which both builds agree, and
// does not fail at the first on which they differ.
func TestSearchOfAnotherBuild(t *testing.T) {
	t.Parallel()
	o := planned(t)
	choice := map[string]int{"0_predictor_instruction": 0, "0_predictor_demos": 0}
	var all []int
	for i := range o.plan.Val {
		all = append(all, i)
	}
	made := []search.Trial{
		{Kind: search.DefaultTrial, Choice: choice, Rows: all, Scores: make([]float64, len(all))},
		{Number: 1, Kind: "another kind", Choice: choice, Rows: all, Scores: make([]float64, len(all))},
	}
	sets := [][][]*prompt.Object{{nil, nil}}
	s, err := resumed(o.plan, sets, [][]string{{"a", "b"}}, made)
	require.NoError(t, err)
	require.Len(t, s.Trials(), 1)
	require.NotEmpty(t, s.Calls())
	s, err = resumed(o.plan, sets, [][]string{{"a", "b"}}, made[:1])
	require.NoError(t, err)
	require.Len(t, s.Trials(), 1)
}

// TestFormerVersion: a job of 5f04396 is finished as DSPy 3.3 would, and a new job that both
// versions decide equally keeps its name.
func TestFormerVersion(t *testing.T) {
	t.Parallel()
	job := planned(t).jobFile
	require.Equal(t, formerVersion, job.version(&prompt.Program{Predictors: make([]*prompt.Predictor, 1)}))
	require.Equal(t, searchVersion, job.version(&prompt.Program{Predictors: make([]*prompt.Predictor, 2)}))
	job.Models.Judge.Server = prompt.Server{JSON: true, Schema: true}
	require.Equal(t, searchVersion, job.version(&prompt.Program{Predictors: make([]*prompt.Predictor, 1)}))
	for version, former := range map[int]bool{formerVersion: true, searchVersion: false} {
		job.Version = version
		o, err := job.open()
		require.NoError(t, err)
		require.Equal(t, former, o.job.SharedLabels)
		require.Equal(t, prompt.Server{JSON: true, Schema: true, JSONAfterSchema: former}, o.job.Judge)
	}
}

// TestRuled: a new job of mode improved has the rules of this build, and builds that do not know
// them hand it back. One that a former build has begun keeps its name and its rules.
func TestRuled(t *testing.T) {
	t.Parallel()
	store, err := blob.Open(t.Context(), "file://"+t.TempDir())
	require.NoError(t, err)
	a := &Activities{Store: store}
	job := planned(t).jobFile
	compat, err := a.ruled(t.Context(), "default", job)
	require.NoError(t, err)
	require.Equal(t, job, compat)
	job.Mode = ModeImproved
	ruled, err := a.ruled(t.Context(), "default", job)
	require.NoError(t, err)
	require.Equal(t, rules.Improved(), ruled.Rules.OrFormer())
	require.Equal(t, fieldVersion, ruled.Version)
	_, name, err := job.encode()
	require.NoError(t, err)
	require.NoError(t, activities.WriteJSON(t.Context(), store, prefixOf("default", name)+"sets.json", json.RawMessage(`[]`)))
	begun, err := a.ruled(t.Context(), "default", job)
	require.NoError(t, err)
	require.Equal(t, job, begun)
}

// TestSearchVersion: a job with another search version is first handed back.
func TestSearchVersion(t *testing.T) {
	t.Parallel()
	store, err := blob.Open(t.Context(), "file://"+t.TempDir())
	require.NoError(t, err)
	a := &Activities{Store: store}
	job := planned(t).jobFile
	job.Version = 99
	require.NoError(t, activities.WriteJSON(t.Context(), a.Store, prefixOf("default", "job")+"job.json", job))
	env := (&testsuite.WorkflowTestSuite{}).NewTestActivityEnvironment()
	open := func(ctx context.Context) error { _, err := a.optimization(ctx, "default", "job"); return err }
	env.RegisterActivity(open)
	_, err = env.ExecuteActivity(open)
	require.ErrorContains(t, err, "search version 99")
	require.Equal(t, fault.Preempted, fault.ClassOf(activities.Elsewhere("", "", "")))
	a.others.Alone("search version 99")
	_, err = env.ExecuteActivity(open)
	require.NoError(t, err)
}
