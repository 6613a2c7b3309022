package sandbox

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// task is one row of the process table.
type task struct {
	pid, parent, group int
	threads, resident  uint64 // resident in bytes
}

// usageOf adds up the process group of a child and all its descendants.
func usageOf(root int) (usage, error) {
	names, err := os.ReadDir("/proc")
	if err != nil {
		return usage{}, err
	}
	children := map[int][]task{}
	var found []task
	for _, name := range names {
		t, ok := readTask(name.Name())
		switch {
		case !ok:
		case t.pid == root || t.group == root:
			found = append(found, t)
		default:
			children[t.parent] = append(children[t.parent], t)
		}
	}
	var u usage
	for i := 0; i < len(found); i++ { // which grows meanwhile
		u.processes += found[i].threads
		u.memory += found[i].resident
		found = append(found, children[found[i].pid]...)
		delete(children, found[i].pid)
	}
	u.exact = func() (total uint64) {
		for _, t := range found {
			total += proportional(t)
		}
		return total
	}
	return u, nil
}

// readTask reads /proc/PID/stat; false = the process has ended, or name is not a process id.
func readTask(name string) (t task, ok bool) {
	pid, err := strconv.Atoi(name)
	if err != nil {
		return t, false
	}
	text, err := os.ReadFile(filepath.Join("/proc", name, "stat"))
	if err != nil {
		return t, false
	}
	// The fields after the name, which may contain anything: proc_pid_stat(5), from field 3 on.
	const parent, group, threads, resident, enough = 1, 2, 17, 21, 22
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < enough {
		return t, false
	}
	t.pid = pid
	t.parent, _ = strconv.Atoi(fields[parent]) // the kernel writes numbers
	t.group, _ = strconv.Atoi(fields[group])
	t.threads, _ = strconv.ParseUint(fields[threads], 10, 64)
	pages, _ := strconv.ParseUint(fields[resident], 10, 64)
	t.resident = pages * uint64(os.Getpagesize()) //nolint:gosec // not negative
	return t, true
}

// proportional returns the proportional set size of a process: shared memory is divided
// among the processes that share it. If the kernel does not report it, the resident size counts.
func proportional(t task) uint64 {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(t.pid), "smaps_rollup"))
	if err != nil {
		return t.resident
	}
	for line := range strings.Lines(string(text)) {
		if kib, found := strings.CutPrefix(line, "Pss:"); found {
			n, err := strconv.ParseUint(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(kib), "kB")), 10, 64)
			if err == nil {
				return n << 10
			}
		}
	}
	return t.resident
}
