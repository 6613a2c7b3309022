package api

import (
	"context"

	"github.com/cogniverse/cogflow/tenant"
)

// Question is a short workflow whose result answers a request.
type Question struct {
	Kind    string // workflow type
	Stem    string // of its id
	Tenant  tenant.ID
	Profile string
	Summary string // for the Web UI
	Input   any
}

// Asker answers questions by workers.
type Asker interface {
	// Ask runs a workflow and reads its result. Its errors are told to the caller.
	Ask(ctx context.Context, q Question, result any) error
}
