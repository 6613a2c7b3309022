package workflows

import (
	"github.com/cogniverse/cogflow/training"
)

// ListAdaptersInput starts ListAdapters.
type ListAdaptersInput struct {
	Common
	Name string `json:"name,omitempty"` // all versions of this one; empty = all adapters
	Role string `json:"role,omitempty"`

	invalid error
}

// UnmarshalJSON decodes strictly; see strict.
func (in *ListAdaptersInput) UnmarshalJSON(data []byte) error {
	type plain ListAdaptersInput
	in.invalid = strict(data, (*plain)(in))
	return nil
}

// ListAdaptersResult is what it returns: by name, the latest version first, at most
// activities.MaxAdapters.
type ListAdaptersResult struct {
	Adapters []AdapterView `json:"adapters"`
	More     bool          `json:"more,omitempty"` // there are more than these
}

// AdapterView is a line of the list of adapters.
type AdapterView struct {
	Name    string             `json:"name"`
	Version int                `json:"version"`
	Role    string             `json:"role"`
	Status  string             `json:"status"` // "active", "inactive", "deprecated" (was active once)
	Kind    string             `json:"kind"`
	Method  training.Method    `json:"method"`
	Base    string             `json:"base_model"`
	Better  bool               `json:"better"`
	Metrics map[string]float64 `json:"metrics,omitempty"`
	Job     string             `json:"job"`
	Bytes   int64              `json:"bytes"`
	Created string             `json:"created"` // RFC 3339
}

// ShowAdapterInput starts ShowAdapter.
type ShowAdapterInput struct {
	Common
	Name    string `json:"name"`
	Version int    `json:"version,omitempty"` // 0 = the active one, else the latest

	invalid error
}

// UnmarshalJSON decodes strictly; see strict.
func (in *ShowAdapterInput) UnmarshalJSON(data []byte) error {
	type plain ShowAdapterInput
	in.invalid = strict(data, (*plain)(in))
	return nil
}

// ShowAdapterResult is what it returns.
type ShowAdapterResult struct {
	training.Adapter
	Status string `json:"status"`
	Prefix string `json:"prefix"` // where its files lie in the store
}

// ActivateAdapterInput starts ActivateAdapter, DeactivateAdapter and RollbackAdapter.
type ActivateAdapterInput struct {
	Common
	Name    string `json:"name,omitempty"`    // activate: required
	Version int    `json:"version,omitempty"` // activate: 0 = the latest
	Role    string `json:"role,omitempty"`    // deactivate, roll back: required; activate: default the adapter's own
	Force   bool   `json:"force,omitempty"`   // activate although it was not shown to be better than its base

	invalid error
}

// UnmarshalJSON decodes strictly; see strict.
func (in *ActivateAdapterInput) UnmarshalJSON(data []byte) error {
	type plain ActivateAdapterInput
	in.invalid = strict(data, (*plain)(in))
	return nil
}

// ActivateAdapterResult says what serves the role now.
type ActivateAdapterResult struct {
	training.Role
	Loaded string `json:"loaded,omitempty"` // name under which a model server serves it; empty = none is configured
}
