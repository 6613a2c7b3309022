// Package speeds keeps the measured speeds of training runs, from which later runs of the same
// kind are estimated.
package speeds

import (
	"context"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/training/estimate"
)

// Read returns the measured speed of such jobs on each class that has one.
func Read(ctx context.Context, store activities.Store, t tenant.ID, s training.Spec, classes []string) ([]estimate.Speed, error) {
	var out []estimate.Speed
	for _, class := range classes {
		key, err := training.SpeedKey(t, s, class)
		if err != nil {
			return nil, err
		}
		var one estimate.Speed
		switch err := activities.ReadJSON(ctx, store, key, &one); {
		case err == nil:
			out = append(out, one)
		case !activities.Absent(err):
			return nil, err
		}
	}
	return out, nil
}

// Keep records the speed of a run: tokens per second, and the seconds before its first step.
func Keep(ctx context.Context, store activities.Store, t tenant.ID, s training.Spec, class string, tokens, startup float64) error {
	key, err := training.SpeedKey(t, s, class)
	if err != nil {
		return err
	}
	return activities.WriteJSON(ctx, store, key, estimate.Speed{
		Model: s.Model, Method: s.Method, Class: class, Numerics: s.Numerics, LoRA: s.LoRA != nil,
		TokensPerSecond: tokens, StartupSeconds: startup,
	})
}
