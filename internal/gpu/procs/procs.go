// Package procs says which processes of this host hold a GPU: by their open device files, and
// by a mark in their environment, which their children inherit. It knows no driver and no leases.
package procs

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/panics"
	"github.com/cogniverse/cogflow/safetext"
)

// Variable is the name of the mark in the environment of processes that use a leased GPU.
const Variable = "COGFLOW_GPU_LEASE"

// Host is where processes and devices are looked up. The zero value is this host.
type Host struct {
	Proc string // "/proc"
	Dev  string // "/dev"
}

// Process is a process of this host.
type Process struct {
	PID       int
	Started   uint64 // in ticks since the boot: numbers are used again
	Command   string
	User      string
	Container string // the start of its id; empty = none
}

// String describes a process for people.
func (p Process) String() string {
	out := fmt.Sprintf("process %d", p.PID)
	var facts []string
	if p.Command != "" {
		facts = append(facts, p.Command)
	}
	if p.User != "" {
		facts = append(facts, "user "+p.User)
	}
	if p.Container != "" {
		facts = append(facts, "container "+p.Container)
	}
	if len(facts) > 0 {
		out += " (" + strings.Join(facts, ", ") + ")"
	}
	return out
}

const lookOp = "look for processes"

// patience bounds a look at all processes: reading of one that hangs in a driver can hang.
const patience = 5 * time.Second

// Marked returns the processes of this user with a mark in their environment.
func (h Host) Marked(mark string) ([]Process, error) {
	want := []byte(Variable + "=" + mark)
	return h.all(func(pid int) bool {
		env, err := os.ReadFile(h.file(pid, "environ"))
		return err == nil && slices.ContainsFunc(bytes.Split(env, []byte{0}), func(v []byte) bool { return bytes.Equal(v, want) })
	})
}

// Holding returns the processes that have the device file of the GPU at an address of the bus
// open, as far as this user may see them. Programs that only watch GPUs are among them.
func (h Host) Holding(bus string) ([]Process, error) {
	file, ok := h.device(bus)
	if !ok {
		return nil, nil
	}
	return h.all(func(pid int) bool {
		dir := h.file(pid, "fd")
		open, err := os.ReadDir(dir)
		return err == nil && slices.ContainsFunc(open, func(e fs.DirEntry) bool {
			target, err := os.Readlink(filepath.Join(dir, e.Name()))
			return err == nil && target == file
		})
	})
}

// minor is the line of the driver's file that names the device file.
var minor = regexp.MustCompile(`(?m)^Device Minor:\s*(\d+)\s*$`)

// device is the device file of a GPU, "/dev/nvidia0".
func (h Host) device(bus string) (string, bool) {
	domain, rest, ok := strings.Cut(strings.ToLower(bus), ":")
	if !ok || len(domain) < 4 || strings.Contains(rest, "/") {
		return "", false
	}
	text, err := os.ReadFile(filepath.Join(h.proc(), "driver/nvidia/gpus", domain[len(domain)-4:]+":"+rest, "information"))
	m := minor.FindSubmatch(text)
	if err != nil || m == nil {
		return "", false // not NVIDIA's driver for Linux, such as that of WSL
	}
	return filepath.Join(cmp.Or(h.Dev, "/dev"), "nvidia"+string(m[1])), true
}

// Describe says what a process is. ok is false if this host has none with this number.
func (h Host) Describe(pid int) (p Process, ok bool) {
	stat, err := os.ReadFile(h.file(pid, "stat"))
	if err != nil {
		return p, false
	}
	// The name may contain blanks and parentheses.
	after := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	const state, started = 0, 19
	if len(after) <= started || after[state] == "Z" {
		return p, false // it has ended
	}
	p.PID = pid
	p.Started, err = strconv.ParseUint(after[started], 10, 64)
	if err != nil {
		return p, false
	}
	p.Command = h.command(pid)
	var info syscall.Stat_t
	if syscall.Stat(h.file(pid, ""), &info) == nil {
		p.User = strconv.FormatUint(uint64(info.Uid), 10)
		if u, err := user.LookupId(p.User); err == nil {
			p.User = u.Username
		}
	}
	if text, err := os.ReadFile(h.file(pid, "cgroup")); err == nil {
		p.Container = container(string(text))
	}
	return p, true
}

// command is what the process was started as. Arguments may hold secrets, so only the program and the
// script or module that an interpreter runs are named.
func (h Host) command(pid int) string {
	const longest = 80
	text, _ := os.ReadFile(h.file(pid, "cmdline")) // its name is known anyway
	args := strings.Split(strings.TrimRight(string(text), "\x00"), "\x00")
	if args[0] == "" {
		name, _ := os.ReadFile(h.file(pid, "comm"))
		return safetext.Line(strings.TrimSpace(string(name)), longest)
	}
	out := filepath.Base(args[0])
	switch {
	case len(args) > 2 && args[1] == "-m":
		out += " -m " + args[2]
	case len(args) > 1 && strings.HasSuffix(args[1], ".py"):
		out += " " + filepath.Base(args[1])
	}
	return safetext.Line(out, longest)
}

// inContainer finds the id of a container in the path of a control group.
var inContainer = regexp.MustCompile(`[0-9a-f]{64}`)

func container(cgroup string) string {
	const enough = 12
	if id := inContainer.FindString(cgroup); id != "" {
		return id[:enough]
	}
	return ""
}

// Kill ends a process, unless its number is that of another one meanwhile.
func (h Host) Kill(p Process) error {
	if now, ok := h.Describe(p.PID); !ok || now.Started != p.Started {
		return nil
	}
	err := syscall.Kill(p.PID, syscall.SIGKILL)
	if err == nil || errors.Is(err, syscall.ESRCH) {
		return nil
	}
	return &fault.Error{
		Class: fault.Capacity, Op: "end a process of a GPU lease that has ended", Subject: p.String(), Err: err,
		Reason: "it still holds its GPU; end it, or run the worker as its user",
	}
}

// all returns the processes that one reports.
func (h Host) all(one func(pid int) bool) ([]Process, error) {
	entries, err := os.ReadDir(h.proc())
	if errors.Is(err, fs.ErrNotExist) && h.Proc == "" {
		return nil, nil // not Linux
	} else if err != nil {
		return nil, fault.Disk(lookOp, h.proc(), err)
	}
	type answer struct {
		found []Process
		err   error
	}
	done := make(chan answer, 1)
	var found []Process
	panics.Go(func() error {
		for _, e := range entries {
			pid, err := strconv.Atoi(e.Name())
			if err != nil || !one(pid) {
				continue
			}
			if p, ok := h.Describe(pid); ok {
				found = append(found, p)
			}
		}
		return nil
	}, func(err error) { done <- answer{found, err} })
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case a := <-done:
		return a.found, a.err
	case <-timer.C:
		return nil, fault.New(fault.Capacity, lookOp, h.proc(), fmt.Sprintf("it did not answer within %s; a process may hang in the driver of a GPU", patience))
	}
}

func (h Host) proc() string { return cmp.Or(h.Proc, "/proc") }

func (h Host) file(pid int, name string) string {
	return filepath.Join(h.proc(), strconv.Itoa(pid), name)
}
