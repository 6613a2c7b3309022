package lease

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/gpu"
	"github.com/cogniverse/cogflow/internal/gpu/procs"
)

// facts are what the driver says of the devices.
type facts struct {
	states []gpu.State
	err    error // of the last reading; nil = none
}

func (f facts) state(device string) (gpu.State, bool) {
	at := slices.IndexFunc(f.states, func(s gpu.State) bool { return s.UUID == device })
	if device == "" || at < 0 {
		return gpu.State{}, false
	}
	return f.states[at], true
}

// aside is why a device is set aside; empty = it is not.
func (f facts) aside(device string) string {
	s, _ := f.state(device)
	return s.Aside
}

// look asks the driver. That it does not answer is no error here: devices are not given then, and
// are set aside after a while.
func (t *Table) look(ctx context.Context) error {
	if t.host == nil {
		return nil
	}
	states, err := t.host.Look(ctx)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.facts = facts{states, err}
	return nil
}

// Look asks the driver how the devices are, and returns those of this table.
func (t *Table) Look(ctx context.Context) ([]gpu.State, error) {
	if err := t.look(ctx); err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	var out []gpu.State
	for _, device := range t.devices {
		if s, known := t.facts.state(device); known {
			out = append(out, s)
		}
	}
	return out, t.facts.err
}

// Held says by device who holds it, on the whole host, also without a lease: "is leased by …".
// Devices that are free are left out.
func (t *Table) Held() map[string]string {
	out := map[string]string{}
	for _, device := range t.devices {
		if device == "" || t.locks.dir == "" {
			continue
		}
		files, err := t.locks.holders(device)
		if err != nil {
			out[device] = err.Error()
			continue
		}
		var names []string
		for _, f := range files {
			if f.alive {
				names = append(names, f.describe(t.procs))
			}
		}
		if len(names) > 0 {
			out[device] = "is leased by " + strings.Join(names, ", ")
		} else if why := t.strangers(device); why != nil {
			out[device] = why()
		}
	}
	return out
}

// strangers says who uses a device that has no lease; nil = it is free.
func (t *Table) strangers(device string) reason {
	t.mu.Lock()
	s, known := t.facts.state(device)
	t.mu.Unlock()
	if !known {
		return nil
	}
	why, err := admits(t.procs, s, holder{}, nil)
	if err != nil {
		return because(err.Error())
	}
	return why
}

// OfHost makes the lease table of this host for a queue of a GPU class. It has the configured
// devices, or else all devices that the driver reports; their leases exclude those of every
// other process of this host. For class cpu it has one slot, of this process.
func OfHost(ctx context.Context, host *gpu.Host, configured []string, class, queue string) (*Table, error) {
	if class == "cpu" {
		return Slots(1), nil
	}
	found, err := host.Look(ctx)
	byUUID := len(configured) > 0 && !slices.ContainsFunc(configured, isNumber)
	if err != nil && (!byUUID || ctx.Err() != nil) {
		return nil, err
	}
	names := named(configured, found)
	if len(configured) == 0 {
		for _, d := range found {
			names = append(names, d.UUID)
		}
	}
	if len(names) == 0 {
		return nil, fault.New(fault.Input, "serve queue", queue,
			"this host has no visible GPU; start the worker with --gpu none, or list its devices in cogflow.training.gpus")
	}
	at, err := hostLocks(lockDirs)
	if err != nil {
		return nil, err
	}
	t := New(names)
	t.locks, t.host, t.procs = at, host, procs.Host{}
	return t, nil
}

func isNumber(device string) bool { return strings.Trim(device, "0123456789") == "" }

// named replaces numbers by UUIDs, so that all processes lock a device by one name. A number
// that the driver does not report stays as it is, and a device that is listed by both is listed
// once.
func named(configured []string, found []gpu.State) (out []string) {
	for _, name := range configured {
		for _, d := range found {
			if d.Profile == "" && name == strconv.Itoa(d.Index) {
				name = d.UUID
			}
		}
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}
