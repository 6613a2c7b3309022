package optimize

import (
	"context"
	"time"

	"github.com/cogniverse/cogflow/prompt"
)

// Pace is the assumed or measured speed of a model.
type Pace struct {
	Model    string  `json:"model"`              // name
	Seconds  float64 `json:"seconds"`            // seconds per call
	Measured bool    `json:"measured,omitempty"` // true: latency of earlier calls on this ledger; false: assumed
	AtOnce   int     `json:"at_once"`            // concurrent calls: the configured limit, else the one discovered so far
}

// assumedCall is what a call is taken to last of a model that nobody asked yet: a
// prompt with a few demos, and an answer of some hundred tokens from a hosted model.
const assumedCall = 2 * time.Second

// pace says how long the calls of a plan take, at most about: those of each model
// one after the other, so many at once. It is of the calls alone; answers that are
// stored take no time, and those that are asked for again take more.
func (a *Activities) pace(ctx context.Context, cast Cast, plan *Plan) error {
	q := plan.Quote
	for _, of := range []struct {
		model prompt.Model
		calls int
	}{{cast.Student, q.Student}, {cast.Teacher, q.Teacher}, {cast.Proposer, q.Proposer}, {cast.Judge, q.Judge}} {
		if of.calls == 0 {
			continue
		}
		p, err := a.paceOf(ctx, of.model.Name)
		if err != nil {
			return err
		}
		plan.Pace = append(plan.Pace, p)
		rounds := (of.calls + p.AtOnce - 1) / p.AtOnce
		plan.Seconds += float64(rounds) * p.Seconds
	}
	return nil
}

func (a *Activities) paceOf(ctx context.Context, model string) (Pace, error) {
	latency, err := a.Ledger.Latency(ctx, model)
	p := Pace{Model: model, Seconds: latency.Seconds(), Measured: latency > 0, AtOnce: max(1, a.LM.Limit(model))}
	if !p.Measured {
		p.Seconds = assumedCall.Seconds()
	}
	return p, err
}
