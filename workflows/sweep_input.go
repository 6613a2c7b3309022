package workflows

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/video"
)

// SweepInput starts TrainSweep: one training run for each combination.
type SweepInput struct {
	Common
	Method      training.Method              `json:"method"`
	Train       json.RawMessage              `json:"train"`                 // a TrainInput without what is varied
	Grid        map[string][]json.RawMessage `json:"grid,omitempty"`        // "sft_config.learning_rate": [1e-4, 2e-4]; every combination runs
	Runs        []map[string]json.RawMessage `json:"runs,omitempty"`        // or these overrides, one run each
	Concurrency int                          `json:"concurrency,omitempty"` // runs at a time, default 2

	invalid error
}

// UnmarshalJSON decodes strictly; see strict.
func (in *SweepInput) UnmarshalJSON(data []byte) error {
	type plain SweepInput
	in.invalid = strict(data, (*plain)(in))
	return nil
}

// SweepResult is what TrainSweep returns.
type SweepResult struct {
	Runs    []SweepRun `json:"runs"`   // in the order of the grid
	Best    int        `json:"best"`   // index of the best by the method's primary metric; -1 = none
	Failed  int        `json:"failed"` // runs that ended without a result
	CostUSD float64    `json:"cost_usd"`
	Report  string     `json:"report,omitempty"`
}

// SweepRun is one run of a sweep.
type SweepRun struct {
	Overrides  map[string]json.RawMessage `json:"overrides"`
	WorkflowID string                     `json:"workflow_id"`
	Result     *TrainResult               `json:"result,omitempty"` // without plan and check
	Failure    *video.Failure             `json:"failure,omitempty"`
}

func (in *SweepInput) check() error {
	if in.invalid != nil {
		return in.invalid
	}
	if in.Concurrency == 0 {
		in.Concurrency = defaultSweepConcurrency
	}
	switch {
	case workflowOf(in.Method) == "":
		return fault.New(fault.Input, "read input", "method", "want sft, dpo or embedding")
	case (len(in.Grid) == 0) == (len(in.Runs) == 0):
		return fault.New(fault.Input, "read input", "grid", "want either grid or runs")
	case in.Concurrency < 1 || in.Concurrency > maxSweep:
		return fault.New(fault.Input, "read input", "concurrency", "want 1 to 64")
	}
	return in.Common.check()
}

// combinations lists the overrides of each run; the last name of a grid varies fastest.
func (in *SweepInput) combinations() ([]map[string]json.RawMessage, error) {
	if len(in.Runs) > maxSweep {
		return nil, fault.New(fault.Input, "read input", "runs", "want at most 64")
	}
	if len(in.Runs) > 0 {
		return in.Runs, nil
	}
	out := []map[string]json.RawMessage{{}}
	for _, name := range workflow.DeterministicKeys(in.Grid) {
		var next []map[string]json.RawMessage
		for _, with := range out {
			for _, value := range in.Grid[name] {
				one := map[string]json.RawMessage{name: value}
				for _, other := range workflow.DeterministicKeys(with) {
					one[other] = with[other]
				}
				next = append(next, one)
			}
		}
		if out = next; len(out) == 0 || len(out) > maxSweep {
			return nil, fault.New(fault.Input, "read input", "grid", fmt.Sprintf("makes %d runs; want 1 to 64", len(out)))
		}
	}
	return out, nil
}

// prepare makes the input of every run, and refuses what cannot be one before
// any of them starts.
func (r *sweepRun) prepare(parent string) error {
	combinations, err := r.in.combinations()
	if err != nil {
		return err
	}
	for i, overrides := range combinations {
		var input map[string]any
		decoder := json.NewDecoder(bytes.NewReader(r.in.Train))
		decoder.UseNumber()
		if err := decoder.Decode(&input); err != nil || input == nil {
			return fault.New(fault.Input, "read input", "train", "want the object that starts "+workflowOf(r.in.Method))
		}
		input["tenant"], input["priority"] = r.in.Tenant, r.in.Priority
		if r.in.BudgetUSD > 0 { // equal shares: the runs do not know of each other
			input["budget_usd"] = r.in.BudgetUSD / float64(len(combinations))
		}
		for _, name := range workflow.DeterministicKeys(overrides) {
			if err := override(input, name, overrides[name]); err != nil {
				return err
			}
		}
		data, err := json.Marshal(input)
		if err != nil {
			return fault.Wrap(fault.Input, "read input", "train", err)
		}
		var one TrainInput
		if err := json.Unmarshal(data, &one); err != nil {
			return fault.Wrap(fault.Input, "read input", "train", err)
		}
		if err := one.check(r.in.Method); err != nil {
			return fmt.Errorf("run %d (%s): %w", i+1, describe(overrides), err)
		}
		if _, _, _, err := one.resolve(); err != nil {
			return fmt.Errorf("run %d (%s): %w", i+1, describe(overrides), err)
		}
		r.inputs = append(r.inputs, data)
		r.runs = append(r.runs, SweepRun{Overrides: overrides, WorkflowID: fmt.Sprintf("%s/%03d", parent, i)})
	}
	return nil
}

// override sets a value at a dotted place: "sft_config.learning_rate".
func override(input map[string]any, name string, value json.RawMessage) error {
	parts := strings.Split(name, ".")
	at := input
	for _, part := range parts[:len(parts)-1] {
		next, ok := at[part].(map[string]any)
		if !ok {
			if at[part] != nil {
				return fault.New(fault.Input, "read input", name, part+" is no object")
			}
			next = map[string]any{}
			at[part] = next
		}
		at = next
	}
	at[parts[len(parts)-1]] = value
	return nil
}
