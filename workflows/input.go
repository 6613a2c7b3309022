package workflows

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/tenant"
)

// Common holds what every start may say.
type Common struct {
	Tenant    string  `json:"tenant,omitempty"`     // default "default"
	BudgetUSD float64 `json:"budget_usd,omitempty"` // hard limit; 0 = none
	Priority  int     `json:"priority,omitempty"`   // 1 (first) to 5, default 3
}

func (c *Common) check() error {
	t, err := tenant.Parse(c.Tenant)
	if err != nil {
		return err
	}
	c.Tenant = string(t)
	if c.Priority == 0 {
		c.Priority = 3
	}
	switch {
	case c.Priority < 1 || c.Priority > 5:
		return fault.New(fault.Input, "read input", "priority", "want 1 to 5")
	case c.BudgetUSD < 0:
		return fault.New(fault.Input, "read input", "budget_usd", "must not be negative")
	}
	return nil
}

// strict decodes a start input and refuses unknown fields. The problem is kept
// beside the input instead of returned: a decoding error would end the run
// without a class, and the workflow can say it properly.
func strict(data []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return fault.Wrap(fault.Input, "read input", "", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return fault.New(fault.Input, "read input", "", "want one JSON object")
	}
	return nil
}

func required(field, value string) error {
	if value == "" {
		return fault.New(fault.Input, "read input", field, fmt.Sprintf("%q is required", field))
	}
	return nil
}
