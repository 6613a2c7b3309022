package search_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/metric"
	"github.com/cogniverse/cogflow/prompt/mipro"
	"github.com/cogniverse/cogflow/prompt/mipro/miprotest"
	"github.com/cogniverse/cogflow/prompt/mipro/search"
)

// TestCommandMetric: the score of a metric command is a pending call, like an answer.
func TestCommandMetric(t *testing.T) {
	t.Parallel()
	j := miprotest.Job(t, miprotest.OneStep, miprotest.Small)
	var err error
	j.Metric, err = metric.Read([]byte(`{"kind": "command", "command": "grade"}`), j.Program, nil)
	require.NoError(t, err)
	plan, err := mipro.NewPlan(j)
	require.NoError(t, err)
	s, err := search.New(plan, [][][]*prompt.Object{{nil}}, [][]string{{"only"}}, nil)
	require.NoError(t, err)
	call := s.Calls()[0]
	require.NoError(t, s.Take(call.ID, mipro.Answer{Text: miprotest.Answer(call, "")}))
	graded := s.Calls()[0]
	require.Equal(t, mipro.Command, graded.Role)
	require.Equal(t, "grade", graded.Command)
	require.NotNil(t, graded.Outputs)
	require.NoError(t, s.Take(graded.ID, mipro.Answer{Score: 0.5}))
	require.Len(t, s.Calls(), 19)
}
