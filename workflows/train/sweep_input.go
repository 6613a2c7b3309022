package train

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/strictjson"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/job"
)

// SweepInput starts TrainSweep: one training run for each combination.
type SweepInput struct {
	workflows.Common
	Method      training.Method              `json:"method"`                // sft, dpo, kto or embedding
	Train       json.RawMessage              `json:"train"`                 // input of one run, without what varies
	Grid        map[string][]json.RawMessage `json:"grid,omitempty"`        // setting and its values, as in "sft_config.learning_rate": [1e-4, 2e-4]; every combination is a run
	Runs        []map[string]json.RawMessage `json:"runs,omitempty"`        // in place of grid: the settings of each run
	Concurrency int                          `json:"concurrency,omitempty"` // runs at a time; default 2

	received workflows.Received
}

// UnmarshalJSON decodes strictly; see Receive.
func (in *SweepInput) UnmarshalJSON(data []byte) error {
	type plain SweepInput
	in.received = workflows.Receive(data, (*plain)(in))
	return nil
}

// SweepResult is what TrainSweep returns.
type SweepResult struct {
	Runs    []SweepRun `json:"runs"`             // in the order of the grid
	Best    int        `json:"best"`             // index of the best run by the method's main metric; -1 = none
	Failed  int        `json:"failed"`           // runs without a result
	CostUSD float64    `json:"cost_usd"`         // paid in all, in USD
	Report  string     `json:"report,omitempty"` // key of the HTML report in the object store
	Status  string     `json:"status,omitempty"` // "stopped": no further run starts, and active runs publish their best
	Paused  bool       `json:"paused,omitempty"` // no further run starts, and active runs are paused
}

// SweepRun is one run of a sweep.
type SweepRun struct {
	Overrides  map[string]json.RawMessage `json:"overrides"`          // the settings of this run
	WorkflowID string                     `json:"workflow_id"`        // workflow id of the child
	Result     *Result                    `json:"result,omitempty"`   // without plan and check
	Failure    *video.Failure             `json:"failure,omitempty"`  // why it has no result
	CostUSD    float64                    `json:"cost_usd,omitempty"` // what it cost, where it has no result
}

func (in *SweepInput) check(ctx workflow.Context) error {
	if err := in.received.Problem(ctx); err != nil {
		return err
	}
	if in.Concurrency == 0 {
		in.Concurrency = defaultSweepConcurrency
	}
	switch {
	case workflowOf(in.Method) == "":
		return fault.New(fault.Input, "read input", "method", "must be "+training.MethodNames())
	case (len(in.Grid) == 0) == (len(in.Runs) == 0):
		return fault.New(fault.Input, "read input", "grid", "set either grid or runs")
	case in.Concurrency < 1 || in.Concurrency > maxSweep:
		return fault.New(fault.Input, "read input", "concurrency", "must be 1 to 64")
	}
	return in.CheckCommon()
}

// combinations lists the overrides of each run; the last name of a grid varies fastest.
func (in *SweepInput) combinations() ([]map[string]json.RawMessage, error) {
	if len(in.Runs) > maxSweep {
		return nil, fault.New(fault.Input, "read input", "runs", "must be at most 64")
	}
	if len(in.Runs) > 0 {
		return in.Runs, nil
	}
	out := []map[string]json.RawMessage{{}}
	for _, name := range workflow.DeterministicKeys(in.Grid) {
		if runs := len(out) * len(in.Grid[name]); runs == 0 || runs > maxSweep { // checked before they are made: there may be millions
			return nil, fault.New(fault.Input, "read input", "grid", fmt.Sprintf("makes %d runs; must be 1 to 64", runs))
		}
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
		out = next
	}
	return out, nil
}

// prepare makes the input of every run, and refuses an invalid one before any run starts.
func (r *sweepRun) prepare(ctx workflow.Context) error {
	if err := workflows.CheckChildID(runID(ctx, maxSweep)); err != nil {
		return err
	}
	size, err := r.bound(ctx)
	if err != nil {
		return err
	}
	combinations, err := r.in.combinations()
	if err != nil {
		return err
	}
	// Sweeps that an earlier build began could vary any setting.
	before := func() bool {
		return workflow.GetVersion(ctx, "sweep-limits-last", workflow.DefaultVersion, 1) == workflow.DefaultVersion
	}
	for i, overrides := range combinations {
		input, err := r.merged(overrides, before)
		if err != nil {
			return err
		}
		if err := r.limit(input, len(combinations)); err != nil {
			return err
		}
		data, err := json.Marshal(input)
		if err != nil {
			return fault.Wrap(fault.Input, "read input", "train", err)
		}
		var one Input
		if err := json.Unmarshal(data, &one); err != nil {
			return fault.Wrap(fault.Input, "read input", "train", err)
		}
		if err := one.checkRun(ctx, r.in.Method); err != nil {
			return fmt.Errorf("run %d (%s): %w", i+1, describe(overrides), err)
		}
		if size -= len(data); size < 0 {
			return fault.New(fault.Input, "read input", "train", "the inputs of all runs are more than 1 MiB; upload the datasets and name their uri")
		}
		if !slices.Contains(r.bases, one.BaseModel) {
			r.bases = append(r.bases, one.BaseModel)
		}
		r.inputs = append(r.inputs, data)
		r.runs = append(r.runs, SweepRun{Overrides: overrides, WorkflowID: runID(ctx, i)})
	}
	return nil
}

// checkRun checks the input of one run of a sweep, which carries no state.
func (in *Input) checkRun(ctx workflow.Context, method training.Method) error {
	if in.received.Resume != nil {
		return job.Reserved("resume")
	}
	if err := in.check(ctx, method); err != nil {
		return err
	}
	_, _, _, err := in.resolve()
	return err
}

// merged applies overrides to the common input.
func (r *sweepRun) merged(overrides map[string]json.RawMessage, before func() bool) (map[string]json.RawMessage, error) {
	var input map[string]json.RawMessage
	if err := strictjson.Unmarshal(r.in.Train, &input); err != nil {
		return nil, fault.Wrap(fault.Input, "read input", "train", err)
	}
	if input == nil {
		return nil, fault.New(fault.Input, "read input", "train", "must be the input of "+workflowOf(r.in.Method))
	}
	var said workflows.Common // the common input must agree with the sweep's own fields
	if err := strictjson.Unmarshal(r.in.Train, &said, strictjson.AllowUnknown); err != nil {
		return nil, fault.Wrap(fault.Input, "read input", "train", err)
	}
	if said.Tenant != "" && said.Tenant != r.in.Tenant && !before() {
		return nil, fault.New(fault.Input, "read input", "train.tenant", "a sweep trains for its own tenant, "+r.in.Tenant+"; leave it out")
	}
	for _, name := range workflow.DeterministicKeys(overrides) {
		if err := checkVariable(name); err != nil && !before() {
			return nil, err
		}
		if err := override(input, name, overrides[name]); err != nil {
			return nil, err
		}
	}
	return input, nil
}

// checkVariable refuses to vary fields that identify or limit a run. Names in another
// case are unknown to Input and refused with its unknown fields.
func checkVariable(name string) error {
	top, _, _ := strings.Cut(name, ".")
	for _, field := range []string{"tenant", "budget_usd", "priority", "timeout", "resume"} {
		if strings.EqualFold(top, field) {
			return fault.New(fault.Input, "read input", "grid", fmt.Sprintf(
				"%q identifies or limits a run and cannot be varied; set it for the whole sweep", name))
		}
	}
	return nil
}

// limit sets the fields that identify and limit a run, after everything else.
func (r *sweepRun) limit(input map[string]json.RawMessage, runs int) error {
	budget := 0.0
	if raw := input["budget_usd"]; raw != nil {
		if err := strictjson.Unmarshal(raw, &budget); err != nil {
			return fault.Wrap(fault.Input, "read input", "train.budget_usd", err)
		}
		if err := money.CheckLimit(budget); err != nil {
			return fault.Wrap(fault.Input, "read input", "train.budget_usd", err)
		}
	}
	if limit := workflows.MicroUSD(r.in.BudgetUSD); limit > 0 {
		// Equal shares, rounded down: the runs do not know of each other.
		share := limit / int64(runs)
		if share == 0 {
			return fault.New(fault.Input, "read input", "budget_usd", fmt.Sprintf("is less than a micro-USD for each of %d runs", runs))
		}
		if budget <= 0 || workflows.USD(share) < budget {
			budget = workflows.USD(share)
		}
	}
	for _, own := range []struct {
		name  string
		value any
	}{{"tenant", r.in.Tenant}, {"priority", r.in.Priority}, {"budget_usd", budget}} {
		raw, err := json.Marshal(own.value)
		if err != nil {
			return fault.Wrap(fault.Input, "read input", own.name, err)
		}
		input[own.name] = raw
	}
	return nil
}

// override sets a value at a dotted path: "sft_config.learning_rate".
func override(input map[string]json.RawMessage, name string, value json.RawMessage) error {
	top, rest, deeper := strings.Cut(name, ".")
	if !deeper {
		input[top] = value
		return nil
	}
	inner := map[string]json.RawMessage{}
	if raw := input[top]; raw != nil {
		if err := strictjson.Unmarshal(raw, &inner); err != nil {
			return fault.New(fault.Input, "read input", name, top+" must be an object")
		}
	}
	if inner == nil { // null
		inner = map[string]json.RawMessage{}
	}
	if err := override(inner, rest, value); err != nil {
		return err
	}
	raw, err := json.Marshal(inner)
	input[top] = raw
	return err
}
