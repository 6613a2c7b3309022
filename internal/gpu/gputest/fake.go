// Package gputest has a fake of the GPUs of a host, and what every way to read GPUs must do.
package gputest

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/cogniverse/cogflow/internal/gpu"
)

// Fake is a host with GPUs. It is safe for concurrent use.
type Fake struct {
	mu      sync.Mutex
	devices []gpu.Device
	xids    []gpu.Xid
	err     error
}

// New makes a host with these devices.
func New(devices ...gpu.Device) *Fake { return &Fake{devices: devices} }

// Whole is a GPU that works, with GiB of memory.
func Whole(index int, uuid string, gib int64) gpu.Device {
	return gpu.Device{Index: index, UUID: uuid, Name: "NVIDIA A100-SXM4-40GB", MemoryBytes: gib << 30}
}

// Change changes a device.
func (f *Fake) Change(uuid string, change func(d *gpu.Device)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.devices {
		if f.devices[i].UUID == uuid {
			change(&f.devices[i])
		}
	}
}

// Lose removes a device, as a driver does that no longer lists it.
func (f *Fake) Lose(uuid string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.devices = slices.DeleteFunc(f.devices, func(d gpu.Device) bool { return d.UUID == uuid })
}

// Report adds an error of a device.
func (f *Fake) Report(x gpu.Xid) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.xids = append(f.xids, x)
}

// Fail makes readings fail; nil = they succeed again.
func (f *Fake) Fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

// Source is the name of the fake.
func (*Fake) Source() string { return "fake" }

// Fresh is short: each look reads.
func (*Fake) Fresh() time.Duration { return 0 }

// Read returns the devices.
func (f *Fake) Read(context.Context) ([]gpu.Device, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.devices), f.err
}

// Xids returns the errors since the last call.
func (f *Fake) Xids() []gpu.Xid {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := f.xids
	f.xids = nil
	return out
}

// Close does nothing.
func (*Fake) Close() error { return nil }
