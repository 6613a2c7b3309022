package broker_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/broker"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/video/waits"
)

// TestServerOnDemand: the server of an endpoint is brought up before money is reserved, and held
// during the request. A stored answer needs none, a crash of the server is retried, and a
// broken command is not.
func TestServerOnDemand(t *testing.T) {
	within(t, func(t *testing.T) {
		w := newWorld(4)
		fails := []error{fault.New(fault.Transport, "start", "one", "it crashed"), nil, fault.New(fault.Input, "start", "one", "no program")}
		held, ups := 0, 0
		w.Brokers = broker.New(broker.Options{
			Ledger: w, Endpoint: func(video.PaidCall) string { return "one" },
			Up: func(_ context.Context, endpoint string, waits func(string)) (func(), error) {
				require.Equal(t, "one", endpoint)
				waits("starting")
				<-time.After(time.Minute)
				err := fails[0]
				fails, ups = fails[1:], ups+1
				by, _ := w.booked()
				require.Empty(t, by, "nothing is reserved")
				if err != nil {
					return nil, err
				}
				held++
				return func() { held-- }, nil
			},
		})
		var said []string
		c := w.call("a", func(context.Context) error {
			require.Equal(t, 1, held)
			return nil
		})
		c.Waiting = func(r waits.Reason) { said = append(said, strings.TrimSpace(string(r.Code)+" "+r.Text)) }
		_, err := w.Do(t.Context(), c)
		require.NoError(t, err)
		require.Equal(t, 2, ups)
		require.Zero(t, held)
		require.Contains(t, said, "model_server starting")
		require.Contains(t, said, "call_failed "+fault.New(fault.Transport, "start", "one", "it crashed").Error())
		_, err = w.Do(t.Context(), c)
		require.NoError(t, err)
		require.Equal(t, 2, ups, "it is stored")

		w.entries = nil
		_, err = w.Do(t.Context(), w.call("b", nil))
		require.Equal(t, fault.Input, fault.ClassOf(err))
		require.Empty(t, w.entries)
	})
}
