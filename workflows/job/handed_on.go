package job

import (
	"encoding/json"
	"strings"

	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/strictjson"
	"github.com/cogniverse/cogflow/workflows"
)

// A run hands its state to the next one within the input, because the input is
// all that continue-as-new carries. Anyone can start a workflow with such an
// input, so it is believed only where the server says that a run of this
// workflow wrote it, and even then it names nothing beyond the tenant of the
// input: see the check methods below.

// HandedOn reads the state that the previous run handed on; nil = this is the first run of
// the chain.
//
// The server sets ContinuedExecutionRunID also for the second attempt of a run
// with a retry policy and for the next run of one with a cron schedule, both with
// the input of the first, which its starter wrote:
//   - continue-as-new drops a cron schedule, so a run that has one is not continued;
//   - chainOf, where a state has it, names the first run of its chain. The server
//     chose that name after the first input was written, so a starter cannot know it;
//   - where a state has none (chainOf is nil), it counts in the first attempt only.
//     A later one begins again: what was done is stored, and is not done twice.
//
// check refuses a state that names what is not of this run; see Outside.
func HandedOn[S any](ctx workflow.Context, raw json.RawMessage, chainOf func(S) string, check func(*S) error) (*S, error) {
	if len(raw) == 0 {
		return nil, nil //nolint:nilnil // nothing was handed on
	}
	info := workflow.GetInfo(ctx)
	if info.ContinuedExecutionRunID == "" || info.CronSchedule != "" {
		return nil, Reserved("resume")
	}
	var state S
	// A newer build may have written it, and been rolled back.
	if err := strictjson.Unmarshal(raw, &state, strictjson.AllowUnknown); err != nil {
		return nil, fault.Wrap(fault.Input, "read input", "resume", err)
	}
	switch {
	case chainOf != nil && chainOf(state) != Chain(ctx):
		return nil, Reserved("resume")
	case chainOf == nil && info.Attempt > 1:
		return nil, nil //nolint:nilnil // the run begins again
	}
	if err := check(&state); err != nil {
		return nil, err
	}
	return &state, nil
}

// Reserved is the error for a field that only cogflow itself may set.
func Reserved(field string) error {
	return workflows.Reserved(field)
}

// Lengths of hexadecimal digests.
const (
	Digest    = 64 // of contents, recipes, generations
	JobDigest = 24 // of training jobs and optimizations
)

// IsDigest reports whether a text is lower-case hexadecimal, so that it is one element of a
// key or path and nothing else.
func IsDigest(s string, digits int) bool {
	return len(s) == digits && strings.Trim(s, "0123456789abcdef") == ""
}

// Outside is the error for state that names something outside this run.
func Outside(field string) error {
	return fault.New(fault.Input, "read input", field, "it was not handed on by a run of this workflow")
}
