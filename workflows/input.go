package workflows

import (
	"bytes"
	"encoding/json"
	"fmt"

	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/strictjson"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/workflows/bounds"
)

// Common holds the fields that every start input has.
type Common struct {
	Tenant    string  `json:"tenant,omitempty"`     // owner of data and spend; default "default"
	BudgetUSD float64 `json:"budget_usd,omitempty"` // hard limit in USD; 0 = none
	Priority  int     `json:"priority,omitempty"`   // 1 (first) to 5; default 3
}

// CheckCommon fills in defaults and refuses what is out of range.
func (c *Common) CheckCommon() error {
	t, err := tenant.Parse(c.Tenant)
	if err != nil {
		return err
	}
	c.Tenant = string(t)
	if c.Priority == 0 {
		c.Priority = 3
	}
	if c.Priority < 1 || c.Priority > 5 {
		return fault.New(fault.Input, "read input", "priority", "must be 1 to 5")
	}
	return fault.Wrap(fault.Input, "read input", "budget_usd", money.CheckLimit(c.BudgetUSD))
}

// Received is what UnmarshalJSON notes about a start input besides its fields. It holds the
// problem instead of returning it: a decoding error would end the run without a class, and
// the workflow can report it properly.
type Received struct {
	invalid error           // why the input is invalid; nil = it is valid
	loose   bool            // builds that did not compare names exactly accepted it
	tooLong error           // which part exceeds the limits of package bounds; nil = none
	Resume  json.RawMessage // what the previous run handed on; see HandedOn
	Library json.RawMessage // what the library handed to its video; see fromLibrary
}

// Receive decodes a start input. Names are matched exactly; unknown and repeated names are
// refused. See package strictjson.
func Receive(data []byte, into any) Received {
	err := strictjson.Unmarshal(data, into)
	if err == nil {
		return Received{tooLong: bounds.Check(data)}
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	loose := d.Decode(into) == nil
	return Received{invalid: fault.Wrap(fault.Input, "read input", "", err), loose: loose}
}

// Problem returns why the input is invalid. A run that an earlier build began with names in
// another case continues unchanged.
func (in Received) Problem(ctx workflow.Context) error {
	if in.invalid != nil && in.loose && workflow.GetVersion(ctx, "exact-input-names", workflow.DefaultVersion, 1) == workflow.DefaultVersion {
		return nil
	}
	if in.invalid != nil || in.tooLong == nil || in.madeByRun(ctx) ||
		workflow.GetVersion(ctx, "input-bounds", workflow.DefaultVersion, 1) == workflow.DefaultVersion {
		return in.invalid
	}
	return in.tooLong
}

// madeByRun reports whether another run made the input, from one that was checked or that
// an earlier build accepted. HandedOn and fromLibrary decide whom to believe.
func (in Received) madeByRun(ctx workflow.Context) bool {
	info := workflow.GetInfo(ctx)
	return len(in.Resume) > 0 && info.ContinuedExecutionRunID != "" || len(in.Library) > 0 && info.ParentWorkflowExecution != nil
}

// Required refuses a field that is empty.
func Required(field, value string) error {
	if value == "" {
		return fault.New(fault.Input, "read input", field, fmt.Sprintf("%q is required", field))
	}
	return nil
}
