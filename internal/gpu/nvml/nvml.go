//go:build cgo && linux

// Package nvml reads GPUs by NVIDIA's management library, which it loads when it is asked. Builds
// without cgo, and hosts without the library, have no NVML: others then ask nvidia-smi.
package nvml

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/NVIDIA/go-nvml/pkg/nvml"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/gpu"
	"github.com/cogniverse/cogflow/panics"
)

const (
	readOp = "read the GPUs"
	// patience bounds a reading: a call can hang in a driver that has lost a GPU.
	patience = 30 * time.Second
	// listenFor is how long the library waits for an error before the end is looked for.
	listenFor = 500 * time.Millisecond
)

// driver is the library, loaded once. Its calls are made by one goroutine at a time.
type driver struct {
	lib  nvml.Interface
	busy chan struct{} // holds one value while a reading goes on, also one that hangs

	open bool // the library is initialized; of the reading

	mu     sync.Mutex
	xids   []gpu.Xid
	listen *listener // nil = errors are not listened for
}

// Open loads the library; path "" = where the system has it. found is false if there is none.
func Open(path string) (d gpu.Devices, found bool, err error) {
	var options []nvml.LibraryOption
	if path != "" {
		options = append(options, nvml.WithLibraryPath(path))
	}
	lib := nvml.New(options...)
	switch code := lib.Init(); code {
	case nvml.SUCCESS:
		_ = lib.Shutdown() // the reading initializes it
	case nvml.ERROR_LIBRARY_NOT_FOUND:
		return nil, false, nil
	default: // each reading says it
	}
	return &driver{lib: lib, busy: make(chan struct{}, 1)}, true, nil
}

// Source is the name of the library.
func (*driver) Source() string { return "NVML" }

// Fresh is short: a reading takes milliseconds.
func (*driver) Fresh() time.Duration { return time.Second }

// Read reads all devices.
func (d *driver) Read(ctx context.Context) ([]gpu.Device, error) {
	select {
	case d.busy <- struct{}{}:
	default:
		return nil, fault.New(fault.Capacity, readOp, "NVML", "the last reading has not ended; the driver hangs, so restart the host")
	}
	type answer struct {
		devices []gpu.Device
		err     error
	}
	done := make(chan answer, 1)
	var devices []gpu.Device
	panics.Go(func() (err error) { devices, err = d.read(); return err }, func(err error) {
		<-d.busy // before the caller can ask again
		done <- answer{devices, err}
	})
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case a := <-done:
		return a.devices, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-timer.C:
		return nil, fault.New(fault.Capacity, readOp, "NVML", "it did not answer within "+patience.String()+"; the driver hangs, so restart the host")
	}
}

func (d *driver) read() ([]gpu.Device, error) {
	if !d.open {
		switch code := d.lib.Init(); code {
		case nvml.SUCCESS:
			d.open = true
		case nvml.ERROR_DRIVER_NOT_LOADED:
			return nil, nil // the library is here, as in many images, but no driver
		default:
			return nil, d.fault("initialize", code)
		}
	}
	count, code := d.lib.DeviceGetCount()
	if code != nvml.SUCCESS { // begin again with the next reading
		err := d.fault("count the GPUs", code)
		d.stopListening()
		_ = d.lib.Shutdown() // it may hold nothing any more
		d.open = false
		return nil, err
	}
	var out []gpu.Device
	var handles []nvml.Device
	for i := range count {
		handle, code := d.lib.DeviceGetHandleByIndex(i)
		if code != nvml.SUCCESS {
			out = append(out, gpu.Device{Index: i, UsedBytes: -1, Trouble: d.lib.ErrorString(code)})
			continue
		}
		handles = append(handles, handle)
		out = append(out, d.whole(i, handle)...)
	}
	d.startListening(handles)
	return out, nil
}

func (d *driver) fault(what string, code nvml.Return) error {
	return &fault.Error{
		Class: fault.Capacity, Op: readOp, Subject: "NVML", Err: errors.New(d.lib.ErrorString(code)),
		Reason: "cannot " + what + "; repair the driver, or start the worker with --gpu none",
	}
}

// whole reads a GPU, and the instances of one in MIG mode, which only they can be used of.
func (d *driver) whole(index int, h nvml.Device) []gpu.Device {
	out := gpu.Device{Index: index, UsedBytes: -1}
	trouble := func(code nvml.Return) bool {
		if code != nvml.SUCCESS && out.Trouble == "" {
			out.Trouble = d.lib.ErrorString(code)
		}
		return code == nvml.SUCCESS
	}
	id, code := h.GetUUID()
	if trouble(code) {
		out.UUID = id
	}
	if pci, code := h.GetPciInfo(); code == nvml.SUCCESS {
		out.Bus = bus(pci.BusId[:])
	}
	name, code := h.GetName()
	if trouble(code) {
		out.Name = name
	}
	if out.Trouble != "" {
		return []gpu.Device{out}
	}
	if errors, code := h.GetTotalEccErrors(nvml.MEMORY_ERROR_TYPE_UNCORRECTED, nvml.VOLATILE_ECC); code == nvml.SUCCESS {
		out.Uncorrected = int64(errors) //nolint:gosec // a count
	}
	if _, _, _, failed, code := h.GetRemappedRows(); code == nvml.SUCCESS {
		out.RemapFailed = failed
	}
	if mode, _, code := h.GetMigMode(); code == nvml.SUCCESS && mode == nvml.DEVICE_MIG_ENABLE {
		return d.parts(out, h)
	}
	if code := use(&out, h); code != nvml.SUCCESS && code != nvml.ERROR_NOT_SUPPORTED {
		out.Trouble = d.lib.ErrorString(code)
	}
	return []gpu.Device{out}
}

// parts reads the instances of a GPU.
func (d *driver) parts(whole gpu.Device, h nvml.Device) (out []gpu.Device) {
	most, code := h.GetMaxMigDeviceCount()
	if code != nvml.SUCCESS {
		whole.Trouble = d.lib.ErrorString(code)
		return []gpu.Device{whole}
	}
	for i := range most {
		part, code := h.GetMigDeviceHandleByIndex(i)
		if code != nvml.SUCCESS {
			continue // there is none with this number
		}
		one := whole
		one.Whole = whole.UUID
		id, code := part.GetUUID()
		if code != nvml.SUCCESS {
			continue // it was removed at this moment
		}
		one.UUID = id
		if name, code := part.GetName(); code == nvml.SUCCESS {
			_, one.Profile, _ = strings.Cut(name, " MIG ")
		}
		if one.Profile == "" {
			one.Profile = "instance"
		}
		if code := use(&one, part); code != nvml.SUCCESS && code != nvml.ERROR_NOT_SUPPORTED {
			one.Trouble = d.lib.ErrorString(code)
		}
		out = append(out, one)
	}
	return out
}

// use reads how much memory a device has, and who uses it.
func use(out *gpu.Device, h nvml.Device) nvml.Return {
	v2, code := h.GetMemoryInfo_v2() // without the memory of the driver itself, as nvidia-smi prints it
	total, used := v2.Total, v2.Used
	if code == nvml.ERROR_FUNCTION_NOT_FOUND || code == nvml.ERROR_ARGUMENT_VERSION_MISMATCH {
		var v1 nvml.Memory
		v1, code = h.GetMemoryInfo()
		total, used = v1.Total, v1.Used
	}
	if code != nvml.SUCCESS {
		return code
	}
	out.MemoryBytes, out.UsedBytes = int64(total), int64(used) //nolint:gosec // memory fits
	processes, code := h.GetComputeRunningProcesses()
	if code != nvml.SUCCESS {
		return nvml.SUCCESS // not every container may see them
	}
	for _, p := range processes {
		one := gpu.Process{PID: int(p.Pid)}
		if p.UsedGpuMemory <= total { // otherwise it is not known
			one.Bytes = int64(p.UsedGpuMemory) //nolint:gosec // memory fits
		}
		out.Processes = append(out.Processes, one)
	}
	return nvml.SUCCESS
}

func bus[Char int8 | uint8](text []Char) string {
	var b strings.Builder
	for _, c := range text {
		if c == 0 {
			break
		}
		b.WriteByte(byte(c))
	}
	return strings.ToUpper(b.String())
}
