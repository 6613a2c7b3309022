package train

import (
	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/workflows"
)

// ListAdaptersInput starts ListAdapters.
type ListAdaptersInput struct {
	workflows.Common
	Name string `json:"name,omitempty"` // all versions of this one; empty = all adapters
	Role string `json:"role,omitempty"` // only adapters of this role

	received workflows.Received
}

// UnmarshalJSON decodes strictly; see Receive.
func (in *ListAdaptersInput) UnmarshalJSON(data []byte) error {
	type plain ListAdaptersInput
	in.received = workflows.Receive(data, (*plain)(in))
	return nil
}

// ShowAdapterInput starts ShowAdapter.
type ShowAdapterInput struct {
	workflows.Common
	Name    string `json:"name"`              // of the adapter
	Version int    `json:"version,omitempty"` // 0 = the active one, else the latest

	received workflows.Received
}

// UnmarshalJSON decodes strictly; see Receive.
func (in *ShowAdapterInput) UnmarshalJSON(data []byte) error {
	type plain ShowAdapterInput
	in.received = workflows.Receive(data, (*plain)(in))
	return nil
}

// ActivateAdapterInput starts ActivateAdapter, DeactivateAdapter and RollbackAdapter.
type ActivateAdapterInput struct {
	workflows.Common
	Name    string `json:"name,omitempty"`    // activate: required
	Version int    `json:"version,omitempty"` // activate: 0 = the latest
	Role    string `json:"role,omitempty"`    // deactivate, roll back: required; activate: default the adapter's own
	Force   bool   `json:"force,omitempty"`   // activate although it was not shown to be better than its base

	received workflows.Received
}

// UnmarshalJSON decodes strictly; see Receive.
func (in *ActivateAdapterInput) UnmarshalJSON(data []byte) error {
	type plain ActivateAdapterInput
	in.received = workflows.Receive(data, (*plain)(in))
	return nil
}

// ActivateAdapterResult says which adapter serves the role now.
type ActivateAdapterResult struct {
	training.Role
	Loaded string `json:"loaded,omitempty"` // name under which a model server serves it; empty = none is configured
}

func (in *ListAdaptersInput) check(ctx workflow.Context) error {
	if err := in.received.Problem(ctx); err != nil {
		return err
	}
	if in.Name != "" {
		if err := training.CheckName("name", in.Name); err != nil {
			return err
		}
	}
	return in.CheckCommon()
}

func (in *ShowAdapterInput) check(ctx workflow.Context) error {
	if err := in.received.Problem(ctx); err != nil {
		return err
	}
	if err := training.CheckName("name", in.Name); err != nil {
		return err
	}
	return in.CheckCommon()
}

// check requires the given field; the other names are optional.
func (in *ActivateAdapterInput) check(ctx workflow.Context, field, value string) error {
	if err := in.received.Problem(ctx); err != nil {
		return err
	}
	if err := workflows.Required(field, value); err != nil {
		return err
	}
	for _, n := range []struct{ field, value string }{{"name", in.Name}, {"role", in.Role}} {
		if n.value != "" {
			if err := training.CheckName(n.field, n.value); err != nil {
				return err
			}
		}
	}
	return in.CheckCommon()
}
