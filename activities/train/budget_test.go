package train

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/video"
)

// TestSharedBudgetWhileTraining: a trainer is stopped at a checkpoint within ten seconds after
// the budget of its tenant was lowered, and the result says which budget that was. What was
// used is booked, whatever the budget says.
func TestSharedBudgetWhileTraining(t *testing.T) {
	t.Parallel()
	metered(t, 12*time.Second, func(t *testing.T, j *trained, l *ledgerOf) {
		b := money.Budget{Scope: money.Scope{Tenant: "default"}, Period: money.Total, MicroUSD: 1000 * oneUSD}
		require.NoError(t, l.SetBudget(t.Context(), b))
		lowered := b
		lowered.MicroUSD = 0
		time.AfterFunc(15*time.Second, func() {
			if err := l.SetBudget(t.Context(), lowered); err != nil {
				t.Errorf("lower the budget: %v", err)
			}
		})
		out, err := j.run()
		require.NoError(t, err)
		require.Equal(t, training.EndedBudget, out.Ended)
		require.Equal(t, lowered, out.Blocked.Budget)
		require.InDelta(t, 24, out.Tally.Seconds, 1e-6, "the slice after 20 seconds is refused; the second step ends after 24")
		require.EqualValues(t, 24*oneUSD, j.spent(l))

		out, err = j.run()
		require.NoError(t, err)
		require.Equal(t, training.EndedBudget, out.Ended)
		require.Equal(t, []int{0}, j.trainer.began, "nothing is started")
		require.NoError(t, l.SetBudget(t.Context(), b))
		out, err = j.run()
		require.NoError(t, err)
		require.Equal(t, training.EndedDone, out.Ended)
		require.Nil(t, out.Blocked)
	})
}

// TestRoomOfOthersWhileTraining: a trainer does not wait for the reservations of other jobs for
// longer than one slice.
func TestRoomOfOthersWhileTraining(t *testing.T) {
	t.Parallel()
	metered(t, 12*time.Second, func(t *testing.T, j *trained, l *ledgerOf) {
		b := money.Budget{Scope: money.Scope{Tenant: "default"}, Period: money.Total, MicroUSD: 25 * oneUSD}
		require.NoError(t, l.SetBudget(t.Context(), b))
		other := video.Call{Tenant: "default", Job: "other", Model: "vlm", Fingerprint: "f", CostMicroUSD: 10 * oneUSD}
		_, err := l.TryReserve(t.Context(), other, 0)
		require.NoError(t, err)
		out, err := j.run()
		require.NoError(t, err)
		require.Equal(t, training.EndedBudget, out.Ended)
		require.Equal(t, b, out.Blocked.Budget)
		require.False(t, out.Blocked.InFlight)
		require.LessOrEqual(t, out.Tally.Seconds, 36.0)
		require.EqualValues(t, out.Tally.Seconds*oneUSD, j.spent(l))
	})
}

// TestUnpricedWhileTraining: a GPU without a price is not used under a hard budget, and is
// booked at nothing without one.
func TestUnpricedWhileTraining(t *testing.T) {
	t.Parallel()
	metered(t, 12*time.Second, func(t *testing.T, j *trained, l *ledgerOf) {
		j.a.Prices = nil
		b := money.Budget{Scope: money.Scope{Org: "default"}, Period: money.Month, MicroUSD: 1000 * oneUSD}
		require.NoError(t, l.SetBudget(t.Context(), b))
		out, err := j.run()
		require.NoError(t, err)
		require.Equal(t, training.EndedBudget, out.Ended)
		require.True(t, out.Blocked.Unpriced)
		require.Empty(t, j.trainer.began)
		_, err = l.ClearBudget(t.Context(), b)
		require.NoError(t, err)
		out, err = j.run()
		require.NoError(t, err)
		require.Equal(t, training.EndedDone, out.Ended)
		require.Zero(t, j.spent(l))
	})
}

// TestModelBudgetWhileTraining: the budget of a model covers training on it.
func TestModelBudgetWhileTraining(t *testing.T) {
	t.Parallel()
	metered(t, 12*time.Second, func(t *testing.T, j *trained, l *ledgerOf) {
		b := money.Budget{Scope: money.Scope{Model: j.in.Spec.Model}, Period: money.Month, MicroUSD: 25 * oneUSD}
		require.NoError(t, l.SetBudget(t.Context(), b))
		out, err := j.run()
		require.NoError(t, err)
		require.Equal(t, training.EndedBudget, out.Ended)
		require.Equal(t, b, out.Blocked.Budget)
		all, err := l.Budgets(t.Context())
		require.NoError(t, err)
		require.Equal(t, []int64{j.spent(l), 0}, []int64{all[0].Settled, all[0].Reserved})
	})
}

// TestComplaint16EndedIsNotBooked: what had ended was paid on, in another system. A run that has
// ended, whole or stopped, reserves nothing and books nothing more.
func TestComplaint16EndedIsNotBooked(t *testing.T) {
	t.Parallel()
	for name, limit := range map[string]int64{"done": 0, "stopped": 25 * oneUSD} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			metered(t, 12*time.Second, func(t *testing.T, j *trained, l *ledgerOf) {
				j.in.LimitMicroUSD = limit
				out, err := j.run()
				require.NoError(t, err)
				spent := j.spent(l)
				require.EqualValues(t, out.Tally.Seconds*oneUSD, spent)
				<-time.After(time.Hour)
				require.Equal(t, spent, j.spent(l))
			})
		})
	}
}
