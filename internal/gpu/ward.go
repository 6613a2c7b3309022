package gpu

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// ward remembers the devices of a host and why they are ill.
type ward struct {
	patients map[string]*patient // by UUID
	failed   int                 // readings in a row without an answer of the driver
}

// patient is a device.
type patient struct {
	last  Device
	xid   uint64    // that set it aside; 0 = none
	until time.Time // it is not used before this
	times int       // how often an Xid has set it aside
}

const (
	// A GPU with an Xid of its hardware rests, and longer each time.
	firstRest = 10 * time.Minute
	longRest  = 24 * time.Hour
	// silent is after how many readings without an answer all devices count as lost.
	silent = 3
)

// ofSoftware are Xids that the work on a GPU causes, such as an access out of bounds. The GPU is
// well. Source: NVIDIA's catalogue of Xids, and what its device plugin for Kubernetes ignores.
var ofSoftware = []uint64{8, 13, 31, 32, 43, 45, 66, 68, 69, 109} //nolint:gochecknoglobals // a constant

// meanings of the Xids that are seen most often.
var meanings = map[uint64]string{ //nolint:gochecknoglobals // a constant
	48: "a memory error that ECC could not correct", 61: "its internal controller halted", 62: "its internal controller halted",
	63: "a row of its memory was replaced", 64: "a row of its memory could not be replaced", 74: "an error of NVLink",
	79: "it has fallen off the bus", 92: "many memory errors that ECC corrected", 94: "a contained memory error", 95: "a memory error that was not contained",
	119: "its system processor does not answer", 120: "an error of its system processor", 140: "a memory error that ECC could not correct",
}

// round takes a reading and says how all known devices are.
func (w *ward) round(now time.Time, found []Device, xids []Xid, err error) []State {
	if err != nil {
		w.failed++
		return w.states(now, nil, err)
	}
	w.failed = 0
	seen := map[string]bool{}
	for _, d := range found {
		if d = w.known(d); d.UUID == "" {
			continue // it was never read, so nobody can lease it
		}
		seen[d.UUID] = true
		if w.patients[d.UUID] == nil {
			w.patients[d.UUID] = &patient{}
		}
		w.patients[d.UUID].last = d
	}
	for _, x := range xids {
		w.hear(now, x)
	}
	return w.states(now, seen, nil)
}

// known completes a device that cannot be read, by what was known of it.
func (w *ward) known(d Device) Device {
	if d.Trouble == "" {
		return d
	}
	for id, p := range w.patients {
		if id == d.UUID || d.UUID == "" && d.Bus != "" && p.last.Bus == d.Bus {
			trouble := d.Trouble
			d = p.last
			d.Trouble, d.UsedBytes, d.Processes = trouble, -1, nil
			return d
		}
	}
	return d
}

// hear sets the devices of an Xid aside.
func (w *ward) hear(now time.Time, x Xid) {
	if slices.Contains(ofSoftware, x.Code) {
		return
	}
	for id, p := range w.patients {
		if x.UUID != "" && x.UUID != id && x.UUID != p.last.Whole {
			continue
		}
		p.xid = x.Code
		p.until = now.Add(min(firstRest<<min(p.times, 10), longRest))
		p.times++
	}
}

// states says how all devices are. seen are those of the last reading.
func (w *ward) states(now time.Time, seen map[string]bool, err error) (out []State) {
	for id, p := range w.patients {
		s := State{Device: p.last}
		switch {
		case err != nil && w.failed >= silent:
			s.Aside = "the driver does not answer: " + err.Error()
		case err != nil: // it may be well
			s.Aside = p.illness(now)
		case !seen[id]:
			s.Trouble, s.UsedBytes, s.Processes = "the driver no longer lists it", -1, nil
			s.Aside = "it is lost: the driver no longer lists it; reset it, or restart the host"
			if p.last.Whole != "" {
				s.Aside = "this MIG instance no longer exists; restart the worker, which then finds the instances that exist"
			}
		default:
			s.Aside = p.illness(now)
		}
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b State) int { return cmp.Or(cmp.Compare(a.Index, b.Index), cmp.Compare(a.UUID, b.UUID)) })
	return out
}

// illness says why a device is set aside, and what a person can do.
func (p *patient) illness(now time.Time) string {
	reset := fmt.Sprintf("end the workers of this host, then run nvidia-smi --gpu-reset -i %d, or restart the host", max(0, p.last.Index))
	switch d := p.last; {
	case d.Trouble != "":
		return "the driver cannot read it (" + d.Trouble + "); " + reset
	case d.RemapFailed:
		return "a broken row of its memory could not be replaced; have the GPU replaced"
	case d.Uncorrected > 0:
		return fmt.Sprintf("%d memory errors that ECC could not correct since the last reset; %s", d.Uncorrected, reset)
	case now.Before(p.until):
		what := fmt.Sprintf("Xid %d", p.xid)
		if meaning := meanings[p.xid]; meaning != "" {
			what += ", " + meaning
		}
		return fmt.Sprintf("the driver reported %s; it is tried again at %s UTC; if it happens again, %s", what, p.until.UTC().Format("15:04"), reset)
	}
	return ""
}
