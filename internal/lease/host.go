package lease

import (
	"context"

	"github.com/cogniverse/cogflow/fault"
)

// OfHost makes the lease table of this host for a queue of a GPU class. It has the configured
// devices, or else all devices that the driver reports. For class cpu it has one slot.
func OfHost(ctx context.Context, configured []string, class, queue string) (*Table, error) {
	if class == "cpu" {
		return Slots(1), nil
	}
	if len(configured) > 0 {
		return New(configured), nil
	}
	found, err := Discover(ctx)
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return nil, fault.New(fault.Input, "serve queue", queue,
			"this host has no visible GPU; start the worker with --gpu none, or list its devices in cogflow.training.gpus")
	}
	var names []string
	for _, gpu := range found {
		names = append(names, gpu.UUID)
	}
	return New(names), nil
}
