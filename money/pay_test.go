package money_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/money"
)

func TestPay(t *testing.T) {
	t.Parallel()
	ctx := money.WithEntry(t.Context(), "of the answer")
	var entry string
	ask := func(ctx context.Context) error { entry = money.EntryOf(ctx); return errors.New("refused") }
	require.ErrorContains(t, money.Pay(ctx, "canary", ask), "refused")
	require.Empty(t, entry, "a request without a booking carries no entry of another")

	var what string
	ctx = money.WithPayer(ctx, func(ctx context.Context, name string, ask func(context.Context) error) error {
		what = name
		return ask(money.WithEntry(ctx, "its own"))
	})
	require.ErrorContains(t, money.Pay(ctx, "canary", ask), "refused")
	require.Equal(t, "canary", what)
	require.Equal(t, "its own", entry)
}

// TestBooked: what an entry has already is charged to no other.
func TestBooked(t *testing.T) {
	t.Parallel()
	require.NoError(t, money.Booked(nil))
	err := fmt.Errorf("ask: %w", money.Booked(fmt.Errorf("canary: %w", money.ChargeUnknown(&fault.Error{Class: fault.Transport, Err: context.Canceled}))))
	require.Zero(t, money.ChargeOf(err, 50))
	require.Equal(t, fault.Transport, fault.ClassOf(err))
	require.ErrorIs(t, err, context.Canceled)
	require.ErrorContains(t, err, "canary")
}
