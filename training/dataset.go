package training

import (
	"context"
	"io"

	"github.com/cogniverse/cogflow/fault"
)

// Source opens a dataset at its beginning. Prepare calls it up to three times,
// so that a file of any size takes no more memory than some 60 bytes a row.
type Source func() (io.ReadCloser, error)

// Prepare checks a dataset and writes it as canonical rows (trainer/PROTOCOL.md):
// what is trained on to train, what is held out to held. eval is the dataset
// to evaluate with; nil = a part of source is split off. Either writer may be
// io.Discard, to check without keeping.
//
// A dataset that is not fit comes back as a fault.Input beside a Check whose OK
// is false; nothing is written then. Errors of a source or a writer pass through.
func Prepare(_ context.Context, o CheckOptions, _, _ Source, _, _ io.Writer) (Check, error) {
	return Check{}, fault.New(fault.Input, "check dataset", o.Name, "this build reads no datasets yet")
}
