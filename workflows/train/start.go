package train

import (
	"slices"
	"strings"

	"github.com/cogniverse/cogflow/training"
)

// The methods below implement workflows.Startable. They check a copy, so defaults are not filled in.

// CheckStart implements workflows.Startable.
func (in Input) CheckStart(kind string) error {
	return in.received.CheckStart(func() error {
		in.GPU = slices.Clone(in.GPU)
		if err := in.check(nil, MethodOf(kind)); err != nil {
			return err
		}
		_, _, _, err := in.resolve()
		return err
	})
}

// MethodOf is the method of a workflow type that trains once; "" = it is another type.
func MethodOf(kind string) training.Method {
	for _, m := range training.Methods() {
		if workflowOf(m) == kind {
			return m
		}
	}
	return ""
}

// DefaultName is the name of an adapter whose input has none.
func DefaultName(m training.Method, base string) string {
	return string(m) + "-" + base[strings.LastIndexByte(base, '/')+1:]
}

// CheckStart implements workflows.Startable.
func (in SweepInput) CheckStart(string) error {
	return in.received.CheckStart(func() error { return in.check(nil) })
}

// CheckStart implements workflows.Startable.
func (in ListAdaptersInput) CheckStart(string) error {
	return in.received.CheckStart(func() error { return in.check(nil) })
}

// CheckStart implements workflows.Startable.
func (in ShowAdapterInput) CheckStart(string) error {
	return in.received.CheckStart(func() error { return in.check(nil) })
}

// CheckStart implements workflows.Startable.
func (in ActivateAdapterInput) CheckStart(kind string) error {
	return in.received.CheckStart(func() error {
		if kind == "ActivateAdapter" {
			return in.check(nil, "name", in.Name)
		}
		return in.check(nil, "role", in.Role)
	})
}
