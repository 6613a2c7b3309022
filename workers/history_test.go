package main

import (
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"

	"github.com/cogniverse/cogflow/workflows"
)

func startOptions(id string) client.StartWorkflowOptions {
	return client.StartWorkflowOptions{ID: id, TaskQueue: workflows.QueueMain}
}

// history reads the events of one run; an empty run is the latest.
func (s *stack) history(id, run string) (events []*history.HistoryEvent) {
	s.t.Helper()
	at := s.client.GetWorkflowHistory(s.t.Context(), id, run, false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for at.HasNext() {
		event, err := at.Next()
		require.NoError(s.t, err)
		events = append(events, event)
	}
	return events
}

// chain reads the histories of all runs of a workflow, the first run first.
func (s *stack) chain(id, first string) (runs [][]*history.HistoryEvent) {
	s.t.Helper()
	for run := first; run != ""; {
		events := s.history(id, run)
		runs = append(runs, events)
		run = events[len(events)-1].GetWorkflowExecutionContinuedAsNewEventAttributes().GetNewExecutionRunId()
	}
	return runs
}
