package train

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/training"
)

// TestPhaseSeconds: the heartbeat has the time since the current phase of the trainer began, from the
// start of its process on.
func TestPhaseSeconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		r := &attempt{}
		require.Zero(t, r.snapshot().PhaseSeconds)
		r.running, r.phased = &meter{r: r, began: time.Now()}, time.Now()
		phase := func(name string) { require.NoError(t, r.take(training.Event{Event: training.EventPhase, Phase: name})) }
		after := func(d time.Duration) float64 {
			<-time.After(d) // of the fake clock
			return r.snapshot().PhaseSeconds
		}
		require.InDelta(t, 5, after(5*time.Second), 1e-9, "while its libraries are loaded")
		phase("load")
		require.InDelta(t, 40, after(40*time.Second), 1e-9)
		phase("load")
		require.InDelta(t, 42, after(2*time.Second), 1e-9)
		phase("train")
		phase(training.PhaseEnd)
		require.InDelta(t, 1, after(time.Second), 1e-9)
		r.running = nil
		require.Zero(t, r.snapshot().PhaseSeconds)
	})
}
