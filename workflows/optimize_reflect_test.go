package workflows_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"

	"github.com/cogniverse/cogflow/activities/optimize"
	"github.com/cogniverse/cogflow/activities/optimize/rules"
)

// TestOptimizeReflections: mode improved reflects as often as the plan says, with trials before and
// after each reflection; a reflection is told how many came before.
func TestOptimizeReflections(t *testing.T) {
	t.Parallel()
	s := newOptimizeWorld(t)
	env := s.environment()
	var stages []string
	var reflections, searched []int
	var final []bool
	env.SetOnActivityStartedListener(func(info *activity.Info, _ context.Context, args converter.EncodedValues) {
		name := info.ActivityType.Name
		if name != "SearchTrials" && name != "ReflectOnFailures" {
			return
		}
		if len(stages) == 0 || stages[len(stages)-1] != name {
			stages = append(stages, name)
		}
		var step optimize.SearchStep
		require.NoError(t, args.Get(&step))
		if name == "ReflectOnFailures" {
			reflections = append(reflections, step.Reflections)
			return
		}
		searched, final = append(searched, step.Reflections), append(final, step.Final)
	})
	env.ExecuteWorkflow("OptimizePrompts", optimizeInput(optimize.ModeImproved))
	out, err := optimized(t, env)
	require.NoError(t, err)
	require.Equal(t, 3, rules.Improved().Reflections)
	require.Equal(t, []int{0, 1, 2}, reflections)
	require.Equal(t, []string{
		"SearchTrials", "ReflectOnFailures", "SearchTrials", "ReflectOnFailures", "SearchTrials", "ReflectOnFailures", "SearchTrials",
	}, stages)
	for i, n := range searched {
		require.Equal(t, n == 3, final[i])
	}
	require.Positive(t, out.Calls)
}
