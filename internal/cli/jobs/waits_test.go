package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"github.com/cogniverse/cogflow/workflows/ingest"
)

// asked answers queries of videos with the reason of their wait; "gone" does not answer.
type asked struct {
	waiting map[string]string
}

type answer struct{ v ingest.VideoProgress }

func (a answer) HasValue() bool { return true }

func (a answer) Get(into any) error {
	data, err := json.Marshal(a.v)
	return errors.Join(err, json.Unmarshal(data, into))
}

func (a asked) QueryWorkflow(_ context.Context, id, _, _ string, _ ...any) (converter.EncodedValue, error) {
	waiting := a.waiting[id]
	if waiting == "gone" {
		return nil, errors.New("not found")
	}
	return answer{ingest.VideoProgress{Waiting: waiting}}, nil
}

func (asked) DescribeWorkflow(context.Context, string, string) (*client.WorkflowExecutionDescription, error) {
	return nil, errors.New("not found")
}

// TestWaits: status shows how many videos of a library wait, by reason.
func TestWaits(t *testing.T) {
	t.Parallel()
	waiting := map[string]string{"a": "budget", "b": "budget", "c": "room in the index: it is full", "d": "", "e": "gone"}
	var active []string
	for id := range waiting {
		active = append(active, id)
	}
	w := askWaits(t.Context(), asked{waiting: waiting}, active)
	require.Equal(t, waits{Active: 5, Answered: 4, For: map[string]int{"budget": 2, "room in the index": 1}}, w)
	require.Equal(t, "Waiting: 2 for budget, 1 for room in the index (5 active, 4 answered). Raise the limit with cogflow tune ID --budget USD.", w.String())

	for i := range 1000 {
		active = append(active, fmt.Sprint("more", i))
	}
	w = askWaits(t.Context(), asked{}, active)
	require.Equal(t, 1005, w.Active)
	require.Equal(t, maxAsked, w.Answered)
	require.Empty(t, w.String())
}
