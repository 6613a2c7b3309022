package main

import (
	"context"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"

	"github.com/cogniverse/cogflow/workflows"
)

func startOptions(id string) client.StartWorkflowOptions {
	return client.StartWorkflowOptions{ID: id, TaskQueue: workflows.QueueMain}
}

// await returns the result of a run, which must succeed within a limit.
func await[Out any](s *stack, run client.WorkflowRun, limit time.Duration) (out Out) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), limit)
	defer cancel()
	err := run.Get(ctx, &out)
	if err != nil {
		s.logLastEvent(run.GetID())
	}
	require.NoError(s.t, err)
	return out
}

// logLastEvent logs the last 25 events of a run that failed.
func (s *stack) logLastEvent(id string) {
	s.t.Helper()
	events := s.history(id, "")
	for _, event := range events[max(0, len(events)-25):] {
		s.t.Logf("%s: %.300s", id, event)
	}
}

// history reads the events of one run; an empty run selects the latest one.
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

// chain reads the histories of all runs of a workflow, in order.
func (s *stack) chain(id string) (runs [][]*history.HistoryEvent) {
	s.t.Helper()
	for run := s.first(id); run != ""; {
		events := s.history(id, run)
		runs = append(runs, events)
		run = events[len(events)-1].GetWorkflowExecutionContinuedAsNewEventAttributes().GetNewExecutionRunId()
	}
	return runs
}

// first returns the run id of the first run of a chain.
func (s *stack) first(id string) string {
	s.t.Helper()
	return s.history(id, "")[0].GetWorkflowExecutionStartedEventAttributes().GetFirstExecutionRunId()
}
