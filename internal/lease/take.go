package lease

import (
	"fmt"
	"strings"
	"syscall"

	"github.com/cogniverse/cogflow/internal/gpu"
	"github.com/cogniverse/cogflow/internal/gpu/procs"
)

// hold is a lease of one device by this process.
type hold struct {
	holder
	release func()
	undo    func() // before any process has used the device
}

const heldBy = "is held by "

// reason says why a device has no room, as what follows its name. It looks at processes, so only who tells a person
// calls it. nil = there is room.
type reason func() string

func because(text string) reason { return func() string { return text } }

// room says whether a device has room for one more holder, besides others; why = why not.
type room func(others []holder) (why reason, err error)

// take makes a process a holder of a device, whole or with a share of its memory. The lock of the
// device is exclusive for the whole of it, and shared for shares. why says who holds it, or what is
// waited for.
func (l Locks) take(at procs.Host, device string, h holder, has room) (held *hold, why reason, err error) {
	how := syscall.LOCK_EX
	if h.Bytes > 0 {
		how = syscall.LOCK_SH
	}
	unlock, ok, err := l.lock(device, ".lock", how)
	if err != nil {
		return nil, nil, err
	}
	if !ok {
		return nil, func() string { return heldBy + l.whoHolds(at, device) }, nil
	}
	defer func() {
		if held == nil {
			unlock()
		}
	}()
	if h.Bytes > 0 { // one process at a time adds up the shares
		free, ok, err := l.Try(device + ".shares")
		if err != nil || !ok {
			return nil, because(heldBy + "another process, which takes a share of it at this moment"), err
		}
		defer free()
	}
	files, err := l.holders(device)
	if err != nil {
		return nil, nil, err
	}
	if left, err := l.clean(at, files); left != "" || err != nil {
		return nil, because("is leased after " + left), err
	}
	var others []holder
	for _, f := range files {
		if f.alive {
			others = append(others, f.holder)
		}
	}
	if why, err := has(others); why != nil || err != nil {
		return nil, why, err
	}
	path, forget, err := l.write(device, h)
	if err != nil {
		return nil, nil, err
	}
	return &hold{
		holder: h,
		release: func() {
			_, _ = l.end(at, path, h.Mark) // what is left is seen by who leases the device next
			forget()
			unlock()
		},
		undo: func() {
			_, _ = l.end(at, path, "") // likewise
			forget()
			unlock()
		},
	}, nil, nil
}

// whoHolds names the holders of a device.
func (l Locks) whoHolds(at procs.Host, device string) string {
	files, err := l.holders(device)
	if err != nil {
		return err.Error()
	}
	var names []string
	for _, f := range files {
		if f.alive {
			names = append(names, f.describe(at))
		}
	}
	if len(names) == 0 {
		return "another worker of this host" // of an earlier build
	}
	return strings.Join(names, ", ")
}

// Part of the memory of a device that is not given away, for the driver and for contexts of CUDA.
const (
	reserveShare = 20      // a twentieth
	reserveLeast = 1 << 29 // but at least this many bytes
	idleShare    = 10      // a device whose memory is used by less than a tenth is free, as with a display
	idleLeast    = 1 << 30 // or by less than this many bytes
)

// reserve is the part of the memory of a device that is not given away.
func reserve(total int64) int64 { return max(reserveLeast, total/reserveShare) }

// admits says whether the driver sees enough free memory for a holder besides others. Memory of
// processes without a lease counts.
func admits(at procs.Host, s gpu.State, h holder, others []holder) (why reason, err error) {
	total := s.MemoryBytes
	if h.Bytes == 0 {
		if s.UsedBytes <= max(idleLeast, total/idleShare) || total == 0 {
			return nil, nil
		}
		return func() string {
			return fmt.Sprintf("is held by %s: %s of its %s are used", users(at, s, nil), gpu.Bytes(s.UsedBytes), gpu.Bytes(total))
		}, nil
	}
	if total == 0 {
		return because("is leased only as a whole, because the driver does not say how much memory it has"), nil
	}
	given := h.Bytes
	for _, o := range others {
		given += o.Bytes
	}
	foreign, ours, err := foreignUse(at, s, others)
	if err != nil {
		return nil, err
	}
	if given+foreign <= total-reserve(total) && (s.UsedBytes < 0 || s.UsedBytes+h.Bytes <= total) {
		return nil, nil
	}
	return func() string {
		var names []string
		for _, o := range others {
			names = append(names, o.describe(at))
		}
		if foreign > 0 {
			names = append(names, fmt.Sprintf("%s with %s", users(at, s, ours), gpu.Bytes(foreign)))
		}
		if len(names) == 0 {
			return fmt.Sprintf("has no room for a share of %s in its %s", gpu.Bytes(h.Bytes), gpu.Bytes(total))
		}
		return heldBy + strings.Join(names, ", ")
	}, nil
}

// foreignUse is the memory that processes without a lease use. ours are the processes of others.
func foreignUse(at procs.Host, s gpu.State, others []holder) (bytes int64, ours map[int]bool, err error) {
	left := max(0, s.UsedBytes) // that no holder is known to use
	ours = map[int]bool{}
	var unseen int64 // of holders whose processes are not known: of another user, or in another container
	for _, o := range others {
		found, err := at.Marked(o.Mark)
		if err != nil {
			return 0, nil, err
		}
		known := false
		for _, p := range found {
			ours[p.PID] = true
			for _, used := range s.Processes {
				if used.PID == p.PID && used.Bytes > 0 {
					left, known = left-used.Bytes, true
				}
			}
		}
		if !known {
			unseen += o.Bytes
		}
	}
	return max(0, left-unseen), ours, nil
}

// users names the processes that use a device, besides those of leases.
func users(at procs.Host, s gpu.State, ours map[int]bool) string {
	var names []string
	name := func(pid int) {
		if p, ok := at.Describe(pid); ok && !ours[pid] {
			names = append(names, p.String())
		} else if !ours[pid] {
			names = append(names, fmt.Sprintf("process %d of the host or of another container", pid))
		}
	}
	for _, p := range s.Processes {
		name(p.PID)
	}
	if len(s.Processes) == 0 {
		open, err := at.Holding(s.Bus)
		if err != nil {
			return err.Error()
		}
		for _, p := range open {
			name(p.PID)
		}
	}
	const most = 3
	if len(names) > most {
		names = append(names[:most], fmt.Sprintf("%d more", len(names)-most))
	}
	if len(names) == 0 {
		return "processes that this worker cannot see"
	}
	return strings.Join(names, ", ")
}
