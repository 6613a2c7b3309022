package sandbox

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/cogniverse/cogflow/panics"
)

// Wrapped is a child that its caller starts, signals and waits for, so that it can closeAll down
// cleanly. Limits.Wall does not apply to it.
type Wrapped struct {
	Cmd *exec.Cmd // not started yet; its arguments, environment and files are set

	confined bool
	release  func()
	info     *os.File     // bubblewrap's --info-fd; nil without bubblewrap
	first    atomic.Int64 // the first process of the sandbox; 0 = not known yet

	limits  Limits
	group   *group        // nil = no control group: watch enforces the limits
	ended   chan struct{} // closed by Ended
	watched chan struct{} // closed when watch has returned; nil = watch does not run
	beyond  error         // the limit that the child exceeded; valid when watched is closed
}

// Wrap prepares a child under the active protection. Its Files are descriptors 3, 4, …. Call
// Started after the start of Cmd, also if it failed, and Ended after its end.
func (s *Sandbox) Wrap(c Command) (*Wrapped, error) {
	c.Limits.Wall = 0
	w := &Wrapped{confined: s.bwrap != "", limits: c.Limits, ended: make(chan struct{})}
	var infoChild *os.File
	if w.confined {
		var err error
		if w.info, infoChild, err = os.Pipe(); err != nil {
			return nil, err
		}
		const firstFile = 3
		c.bwrap = []string{"--info-fd", strconv.Itoa(firstFile + len(c.Files) + 2)} // after the filter
	}
	cmd, in, release, err := s.command(c)
	if err != nil {
		closeAll(w.info, infoChild) // closing nil does nothing
		return nil, err
	}
	w.Cmd, w.release, w.group = cmd, release, in
	if in == nil && c.Limits.Total+c.Limits.Processes > 0 {
		w.watched = make(chan struct{})
	}
	if w.confined {
		cmd.ExtraFiles = append(cmd.ExtraFiles, infoChild)
		w.release = func() { release(); closeAll(infoChild) }
	}
	return w, nil
}

// Started closes the files that only the child needs. kill must kill a running child at
// once: it is called when the child exceeds Limits.Total or Limits.Processes on a host
// without control groups.
func (w *Wrapped) Started(kill func()) {
	w.release()
	switch {
	case w.Cmd.Process == nil:
		w.group.remove()
	case w.watched != nil:
		panics.Go(func() error { return w.watch(w.Cmd.Process.Pid) }, func(err error) {
			if w.beyond = err; err != nil {
				kill()
			}
			close(w.watched)
		})
	}
	if w.info == nil {
		return
	}
	panics.Go(func() error {
		defer closeAll(w.info)
		var info struct {
			Child int64 `json:"child-pid"`
		}
		if json.NewDecoder(w.info).Decode(&info) == nil { // an error means that bubblewrap failed before
			w.first.Store(info.Child)
		}
		return nil
	}, func(error) {}) // without the id, a signal ends the whole sandbox
}

// Ended returns the limit that an ended child has exceeded: ErrMemory, ErrProcesses, or nil.
// Call it once, when all processes of the child have ended; Started may still be running.
func (w *Wrapped) Ended() error {
	close(w.ended)
	if w.watched != nil {
		<-w.watched
		return w.beyond
	}
	defer w.group.remove()
	switch {
	case w.group.exhausted():
		return ErrMemory
	case w.group.processLimitHit():
		return ErrProcesses
	}
	return nil
}

// PID is the process id of the child itself, to which signals must be sent: bubblewrap does
// not forward them. 0 means that the child has not started or has ended; a signal to Cmd's
// process then ends the sandbox.
func (w *Wrapped) PID() int {
	if !w.confined {
		return w.Cmd.Process.Pid
	}
	first := strconv.FormatInt(w.first.Load(), 10)
	children, err := os.ReadFile(filepath.Join("/proc", first, "task", first, "children"))
	if err != nil {
		return 0
	}
	for pid := range strings.FieldsSeq(string(children)) {
		status, err := os.ReadFile(filepath.Join("/proc", pid, "status"))
		if err != nil {
			continue
		}
		// The program is the second process of the sandbox; orphaned processes
		// may be children of the first process as well.
		if _, ids, found := strings.Cut(string(status), "\nNSpid:"); found {
			line, _, _ := strings.Cut(ids, "\n")
			if fields := strings.Fields(line); fields[len(fields)-1] == "2" {
				n, _ := strconv.Atoi(pid) // a name in /proc
				return n
			}
		}
	}
	return 0
}

// Signal returns the signal that killed the child, or 0 if it exited. code is the exit code of
// Cmd: bubblewrap exits with 128 plus the signal.
func (w *Wrapped) Signal(code int) int {
	const signalled, last = 128, 64
	if w.confined && code > signalled && code <= signalled+last {
		return code - signalled
	}
	return 0
}
