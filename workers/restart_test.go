package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/vlm/vlmtest"
)

// TestModelServersRestart: the model servers stop, one of them with calls in flight, and
// start again after the activities have reported that they wait. No result is lost, no call is
// paid for twice, and the wait uses up no attempts of activities.
func TestModelServersRestart(t *testing.T) {
	t.Parallel()
	dir := colourClip(t)
	want := ingestWith(t, dir, noFaults)
	got := ingestWith(t, dir, func(s *stack, m *services) func() {
		m.vlm.Decide(func(call int) vlmtest.Fault {
			if call == 1 {
				return vlmtest.None
			}
			return vlmtest.Hang
		})
		m.asr.Stop()
		m.embed.Stop()
		return func() {
			s.poll(func() bool {
				return s.calls() > 1 && s.number("ledger.db", "SELECT count(*) FROM call WHERE answered AND kind = 'describe'") == 1
			})
			m.vlm.Stop()
			m.vlm.Decide(nil)
			for _, call := range []string{"describe frame", "transcribe"} {
				require.Eventually(t, func() bool { return s.waitsForServer(call) }, soon, 100*time.Millisecond, call)
			}
			m.vlm.Start()
			m.asr.Start()
			require.Eventually(t, func() bool { return s.waitsForServer("embed with") }, soon, 100*time.Millisecond)
			m.embed.Start()
		}
	})
	got.equals(t, want)
}

// waitsForServer reports whether a heartbeat says that an activity waits for the server of a
// call.
func (s *stack) waitsForServer(call string) bool {
	open, err := s.client.ListWorkflow(s.t.Context(), listing(`ExecutionStatus = "Running"`))
	if err != nil {
		return false
	}
	for _, w := range open.Executions {
		d, err := s.client.DescribeWorkflow(s.t.Context(), w.Execution.WorkflowId, w.Execution.RunId)
		if err != nil {
			return false
		}
		for _, a := range d.RawResponse.PendingActivities {
			for _, p := range a.GetHeartbeatDetails().GetPayloads() {
				if bytes.Contains(p.Data, []byte(call)) && bytes.Contains(p.Data, []byte("does not answer")) {
					return a.Attempt < 10
				}
			}
		}
	}
	return false
}
