// Package gpu reads the GPUs of this host from the NVIDIA driver, and says which of them are
// ill. It knows neither leases nor queues.
package gpu

import (
	"context"
	"fmt"
	"time"
)

// Device is what work can be given: a whole GPU, or an instance of one in MIG mode.
type Device struct {
	Index       int    // of the whole GPU, as nvidia-smi counts
	UUID        string // "GPU-…" or "MIG-…": what CUDA_VISIBLE_DEVICES understands everywhere
	Whole       string // UUID of the whole GPU; empty = this is it
	Name        string // "NVIDIA A100-SXM4-40GB"
	Profile     string // of a MIG instance, "3g.20gb"; empty = the whole GPU
	Bus         string // address of the whole GPU, "00000000:0B:00.0"; empty = the driver does not say
	MemoryBytes int64  // 0 = the driver does not say
	UsedBytes   int64  // by all processes; -1 = the driver does not say
	Processes   []Process

	Trouble     string // why the driver cannot read it, "GPU is lost"; empty = it can
	Uncorrected int64  // memory errors since the last reset that ECC could not correct
	RemapFailed bool   // a broken row of its memory could not be replaced
}

// Process is one that uses a device. Inside a container its number may be that of the host.
type Process struct {
	PID   int
	Bytes int64 // 0 = the driver does not say
}

// String names a device for people.
func (d Device) String() string {
	name := d.Name
	if name == "" {
		name = "GPU"
	}
	if d.Profile != "" {
		name += " MIG " + d.Profile
	}
	return fmt.Sprintf("%s (GPU %d, %s)", name, d.Index, d.UUID)
}

// Xid is an error that the driver reports of a GPU. Devices that read these report them once.
type Xid struct {
	UUID string // of the whole GPU; empty = the driver does not say which
	Code uint64
}

// Devices are the GPUs of this host.
type Devices interface {
	// Source is where they are read: "NVML" or "nvidia-smi".
	Source() string
	// Fresh is how long a reading counts as new: asking has a price.
	Fresh() time.Duration
	// Read reads all devices. Without a GPU it returns none. A driver that does not work is a
	// fault: it is no reason to compute on the CPU.
	Read(ctx context.Context) ([]Device, error)
	// Xids returns the errors since the last call. nil = the source does not report them.
	Xids() []Xid
	Close() error
}

// None is a host without an NVIDIA driver.
type None struct{}

// Source is empty: there is none.
func (None) Source() string { return "" }

// Fresh is how long a reading counts as new.
func (None) Fresh() time.Duration { return time.Hour }

// Read returns no devices.
func (None) Read(context.Context) ([]Device, error) { return nil, nil }

// Xids returns none.
func (None) Xids() []Xid { return nil }

// Close does nothing.
func (None) Close() error { return nil }
