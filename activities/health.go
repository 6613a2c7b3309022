package activities

import (
	"context"

	"github.com/cogniverse/cogflow/tenant"
)

// HealthCheck is the state of one part of a worker.
type HealthCheck struct {
	Part   string `json:"part"`   // what was checked
	Status string `json:"status"` // "ok", "warn", "fail"
	Detail string `json:"detail"` // the result, and how to fix a failure
}

// HealthInput asks a worker about itself.
type HealthInput struct {
	Ask bool `json:"ask,omitempty"` // ask each chat model a question, which is paid
}

// Owner is the default tenant: the check writes one object of it.
func (HealthInput) Owner() tenant.ID { return tenant.Default }

// HealthResult is the result of Health.
type HealthResult struct {
	Checks []HealthCheck `json:"checks"`
}

// Health holds what the health activity works with.
type Health struct {
	Checks func(ctx context.Context, in HealthInput) []HealthCheck
}

// Health looks at what this worker needs: programs, sandbox, store and index.
func (a *Health) Health(ctx context.Context, in HealthInput) (HealthResult, error) {
	return HealthResult{Checks: a.Checks(ctx, in)}, nil
}
