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

// assumedCall is the assumed latency of a model that was never called: a prompt with a few
// demos, and an answer of some hundred tokens from a hosted model.
const assumedCall = 2 * time.Second

// pace estimates the maximum time of the calls of a plan: models run one after the other, each
// at its concurrency limit. Stored answers take no time, and retries are not counted.
func (a *Activities) pace(ctx context.Context, models RoleModels, plan *Plan) error {
	q := plan.Quote
	for _, of := range []struct {
		model prompt.Model
		calls int
	}{{models.Student, q.Student}, {models.Teacher, q.Teacher}, {models.Proposer, q.Proposer}, {models.Judge, q.Judge}} {
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
