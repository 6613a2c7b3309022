package ingest

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/ingest/refusal"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/prompt/outcome"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

// answered makes sure that the answer about a frame is stored. An answer that cannot be used
// is stored too, since it is paid for, and is an input fault of the frame.
func (a *Activities) answered(ctx context.Context, m *activities.ModelStage, t tenant.ID, f video.Frame, q asking) (video.Paid, error) {
	question := a.question(t, f, q)
	if q.refusal == nil {
		return m.Answered(ctx, question)
	}
	refused := q.refusal(t, question.Fingerprint)
	var usable atomic.Bool                         // the stored answer is known to be usable
	var last atomic.Pointer[outcome.UnusableError] // of the answers that were not
	question.Stored = func(ctx context.Context) (bool, error) {
		whole, err := activities.Whole(ctx, a.Store, question.Key)
		if usable.Store(whole); whole || err != nil {
			return whole, err
		}
		return activities.Whole(ctx, a.Store, refused)
	}
	prepare := question.Prepare
	question.Prepare = func(ctx context.Context) (video.Ask, error) {
		ask, err := prepare(ctx)
		return func(ctx context.Context) (video.PaidAnswer, error) {
			answer, err := ask(ctx)
			if u, ok := errors.AsType[*outcome.UnusableError](err); ok {
				last.Store(u)
			}
			if final, ok := refusal.Final(err, q.cost); ok {
				return a.paid(final.CostMicroUSD, refused, final), nil
			}
			usable.Store(err == nil)
			return answer, err
		}, err
	}
	paid, err := m.Answered(ctx, question)
	switch {
	case errors.Is(err, money.ErrGivenUp) && last.Load() != nil:
		return paid, &outcome.UnusableError{Reason: last.Load().Reason, Sample: last.Load().Sample, Err: err}
	case err != nil || usable.Load():
		return paid, err
	}
	return paid, refusal.Stored(ctx, a.Store, refused)
}
