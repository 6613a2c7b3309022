package money_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/money"
)

func TestChargeOf(t *testing.T) {
	t.Parallel()
	failure := errors.New("cut answer")
	for name, c := range map[string]struct {
		err  error
		want int64
	}{
		"not billed":        {failure, 0},
		"billed, known":     {fmt.Errorf("row 3: %w", money.Charge(failure, 7)), 7},
		"billed, known 0":   {money.Charge(failure, 0), 0},
		"billed, not known": {money.ChargeUnknown(failure), 50},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, c.want, money.ChargeOf(c.err, 50))
			require.ErrorIs(t, c.err, failure)
			require.ErrorContains(t, c.err, "cut answer")
		})
	}
}

func TestUnsent(t *testing.T) {
	t.Parallel()
	failure := fault.New(fault.Transport, "ask", "m", "connection refused")
	require.NoError(t, money.NeverSent(nil))
	err := money.NeverSent(failure)
	require.EqualError(t, err, failure.Error())
	require.ErrorIs(t, err, failure)
	require.True(t, money.Unsent(fmt.Errorf("frame 3: %w", err)))
	require.False(t, money.Unsent(failure))
	require.False(t, money.Unsent(money.ChargeUnknown(err)), "what is billed was sent")
	require.Equal(t, money.Booking{Outcome: money.Released}, money.End(err, 3, 50))
	require.Equal(t, money.Booking{Outcome: money.Released}, money.End(money.NeverSent(money.Booked(money.ChargeUnknown(failure))), 3, 50))
}
