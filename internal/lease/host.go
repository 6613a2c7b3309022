package lease

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/cogniverse/cogflow/fault"
)

// OfHost makes the lease table of this host for a queue of a GPU class. It has the configured
// devices, or else all devices that the driver reports; their leases exclude those of every
// other process of this host. For class cpu it has one slot, of this process.
func OfHost(ctx context.Context, configured []string, class, queue string) (*Table, error) {
	if class == "cpu" {
		return Slots(1), nil
	}
	if len(configured) > 0 && !slices.ContainsFunc(configured, isNumber) {
		return shared(configured)
	}
	found, err := Discover(ctx)
	if err != nil {
		return nil, err
	}
	if len(configured) > 0 {
		return shared(named(configured, found))
	}
	if len(found) == 0 {
		return nil, fault.New(fault.Input, "serve queue", queue,
			"this host has no visible GPU; start the worker with --gpu none, or list its devices in cogflow.training.gpus")
	}
	var names []string
	for _, gpu := range found {
		names = append(names, gpu.UUID)
	}
	return shared(names)
}

func shared(devices []string) (*Table, error) {
	at, err := hostLocks(lockDirs)
	if err != nil {
		return nil, err
	}
	t := New(devices)
	t.locks = at
	return t, nil
}

func isNumber(device string) bool { return strings.Trim(device, "0123456789") == "" }

// named replaces numbers by UUIDs, so that all processes lock a device by one name. A number
// that the driver does not report stays as it is, and a device that is listed by both is listed
// once.
func named(configured []string, found []GPU) (out []string) {
	for _, name := range configured {
		for _, gpu := range found {
			if gpu.Profile == "" && name == strconv.Itoa(gpu.Index) {
				name = gpu.UUID
			}
		}
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}
