//go:build cgo && linux

package nvml

import (
	"time"

	"github.com/NVIDIA/go-nvml/pkg/nvml"

	"github.com/cogniverse/cogflow/internal/gpu"
	"github.com/cogniverse/cogflow/panics"
)

// listener waits for errors that the driver reports.
type listener struct {
	ended chan struct{}
	loop  panics.Group
}

func (l *listener) hasEnded() bool {
	select {
	case <-l.ended:
		return true
	default:
		return false
	}
}

func (l *listener) pause() {
	timer := time.NewTimer(listenFor)
	defer timer.Stop()
	select {
	case <-l.ended:
	case <-timer.C:
	}
}

// startListening listens for errors of these GPUs, unless it does so already.
func (d *driver) startListening(handles []nvml.Device) {
	if d.listen != nil || len(handles) == 0 {
		return
	}
	set, code := d.lib.EventSetCreate()
	if code != nvml.SUCCESS {
		return // this driver reports none; the state of the GPUs is still read
	}
	for _, h := range handles {
		_ = h.RegisterEvents(nvml.EventTypeXidCriticalError, set) // a GPU that is too old reports none
	}
	l := &listener{ended: make(chan struct{})}
	l.loop.Go(func() error {
		defer func() { _ = set.Free() }() // with the library
		for !l.hasEnded() {
			event, code := set.Wait(uint32(listenFor.Milliseconds()))
			switch {
			case code == nvml.ERROR_TIMEOUT:
			case code != nvml.SUCCESS:
				l.pause() // the reading says what is wrong
			case event.EventType == nvml.EventTypeXidCriticalError:
				d.heard(event)
			}
		}
		return nil
	})
	d.listen = l
}

func (d *driver) heard(event nvml.EventData) {
	x := gpu.Xid{Code: event.EventData}
	if id, code := event.Device.GetUUID(); code == nvml.SUCCESS {
		x.UUID = id
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.xids = append(d.xids, x)
}

func (d *driver) stopListening() {
	if d.listen == nil {
		return
	}
	close(d.listen.ended)
	_ = d.listen.loop.Wait() // it returns no error
	d.listen = nil
}

// Xids returns the errors since the last call.
func (d *driver) Xids() []gpu.Xid {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := d.xids
	d.xids = nil
	return out
}

// Close unloads the library. One that hangs is left to the end of the process.
func (d *driver) Close() error {
	select {
	case d.busy <- struct{}{}:
	default:
		return nil
	}
	d.stopListening()
	if d.open {
		_ = d.lib.Shutdown() // nothing more is asked
		d.open = false
	}
	return nil
}
