package money

import (
	"context"
	"errors"
)

// Payer makes a further request of an adapter, such as the check of a model before its
// first answer is trusted, and books it as an entry of its own: one entry, one request.
// what names the request. It returns the error of ask, or why ask was not called.
type Payer func(ctx context.Context, what string, ask func(ctx context.Context) error) error

type payerKey struct{}

// WithPayer returns a context whose further requests are booked by p.
func WithPayer(ctx context.Context, p Payer) context.Context {
	return context.WithValue(ctx, payerKey{}, p)
}

// Pay makes a further request by the Payer of ctx. Without one, as in a check that a person
// starts by hand, the request is made but not booked.
func Pay(ctx context.Context, what string, ask func(ctx context.Context) error) error {
	if p, ok := ctx.Value(payerKey{}).(Payer); ok {
		return p(ctx, what, ask)
	}
	return ask(WithEntry(ctx, ""))
}

// Booked returns the error of a further request as that of the main call, which was
// therefore not made. It removes the charge, which the entry of the further request has.
func Booked(err error) error {
	if err == nil {
		return nil
	}
	return &booked{err}
}

// Unsent reports whether err is of a call that was not made, by Booked or NeverSent.
func Unsent(err error) bool {
	if _, ok := errors.AsType[*booked](err); ok {
		return true
	}
	_, ok := errors.AsType[*NotSent](err)
	return ok && !IsCharged(err)
}

// booked hides the Charged in the chain of an error, and nothing else.
type booked struct{ err error }

func (b *booked) Error() string { return b.err.Error() }

func (b *booked) Is(target error) bool { return errors.Is(b.err, target) }

func (b *booked) As(target any) bool {
	if _, ok := target.(**Charged); ok {
		return false
	}
	return errors.As(b.err, target)
}
