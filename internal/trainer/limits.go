package trainer

import (
	"errors"
	"fmt"
	"os"
	"path"
	"runtime"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/sandbox"
	"github.com/cogniverse/cogflow/training"
)

// The memory that DefaultLimits reserves for everything else: a part of the machine's memory, and at least reserveBytes.
const (
	reserveBytes = 1 << 30
	reservePart  = 16
)

// DefaultLimits returns the limits of a trainer if none are configured. memory is the memory
// of this machine, or of the control group of this process if that is less, minus a reserve
// for everything else; 0 = unknown, so no limit. Data loaders, compilers and the threads of
// numeric libraries need many processes; a fork bomb needs far more.
func DefaultLimits() (memory, processes uint64) {
	const least, perCore = 4096, 256
	total := machineMemory()
	if reserve := max(reserveBytes, total/reservePart); total > 2*reserve {
		memory = total - reserve
	} else {
		memory = total / 2
	}
	return memory, max(least, perCore*uint64(runtime.NumCPU())) //nolint:gosec // not negative
}

// machineMemory is the maximum memory that this process can use, in bytes; 0 = unknown.
func machineMemory() (total uint64) {
	if text, err := os.ReadFile("/proc/meminfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if kib, found := strings.CutPrefix(line, "MemTotal:"); found {
				n, _ := strconv.ParseUint(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(kib), "kB")), 10, 64)
				total = n << 10
			}
		}
	}
	for _, file := range memoryLimits() {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		if n, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64); err == nil && n > 0 { // otherwise "max"
			total = min(total, n)
		}
	}
	return total
}

// memoryLimits lists the files with the memory limits of the control groups of this
// process, for both versions of control groups.
func memoryLimits() (files []string) {
	text, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) != 3 {
			continue
		}
		root, name := "/sys/fs/cgroup", "memory.max"
		if fields[1] == "memory" {
			root, name = "/sys/fs/cgroup/memory", "memory.limit_in_bytes"
		} else if fields[1] != "" {
			continue
		}
		for dir := path.Join("/", fields[2]); ; dir = path.Dir(dir) {
			files = append(files, path.Join(root, dir, name))
			if dir == "/" {
				break
			}
		}
	}
	return files
}

// exceeded returns the fault of a process that exceeded a limit; nil = it did not. For
// memory it is training.ErrOutOfMemory, because a smaller micro-batch may help.
func (r *Runner) exceeded(job training.Job, p *process) error {
	switch {
	case errors.Is(p.beyond, sandbox.ErrMemory):
		return &fault.Error{
			Class: fault.Capacity, Op: op, Subject: job.Job, Err: training.ErrOutOfMemory,
			Reason: "the trainer needed more than " + humanize.IBytes(r.options.Memory) + " of the machine's memory, the limit of this worker; " +
				"use a smaller batch or shorter rows, or raise cogflow.training.memory_gib",
		}
	case errors.Is(p.beyond, sandbox.ErrProcesses):
		return &fault.Error{
			Class: fault.Input, Op: op, Subject: job.Job,
			Reason: withTail(fmt.Sprintf("the trainer needed more than %d processes and threads, the limit of this worker; "+
				"use fewer data loader workers, or raise cogflow.training.max_processes", r.options.Processes), p.stderr.String()),
		}
	}
	return nil
}
