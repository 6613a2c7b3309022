package gpu

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// State is a device and whether work may use it.
type State struct {
	Device
	Aside string // why it is set aside, and what to do; empty = it may be used
}

// Host keeps the last reading of the devices of this host, and sets ill ones aside. It is safe for
// concurrent use.
type Host struct {
	devices Devices
	now     func() time.Time

	reading sync.Mutex // one reading at a time
	mu      sync.Mutex
	at      time.Time // of the last reading; zero = none
	last    []State
	err     error
	ward    ward
}

// NewHost makes a host. Close also closes the devices.
func NewHost(d Devices, now func() time.Time) *Host {
	if now == nil {
		now = time.Now
	}
	return &Host{devices: d, now: now, ward: ward{patients: map[string]*patient{}}}
}

// Source is where the devices are read.
func (h *Host) Source() string { return h.devices.Source() }

// Close ends the reading.
func (h *Host) Close() error { return h.devices.Close() }

// Look returns all devices that were ever seen, from a reading that is fresh. A driver that
// does not answer is a fault; after some such readings, all its devices are set aside.
func (h *Host) Look(ctx context.Context) ([]State, error) {
	h.reading.Lock()
	defer h.reading.Unlock()
	if states, err, fresh := h.fresh(); fresh {
		return states, err
	}
	found, err := h.devices.Read(ctx)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	xids := h.devices.Xids()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.at, h.err = h.now(), err
	h.last = h.ward.round(h.at, found, xids, err)
	return h.last, err
}

// Last returns the last reading without asking the driver.
func (h *Host) Last() ([]State, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.last, h.err
}

func (h *Host) fresh() (states []State, err error, fresh bool) { //nolint:revive // the error belongs to the states
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.last, h.err, !h.at.IsZero() && h.now().Sub(h.at) < h.devices.Fresh()
}

// Bytes formats an amount of memory.
func Bytes(n int64) string { return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30)) }
