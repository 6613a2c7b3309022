// Package childtest tells tests about processes.
package childtest

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// exiting is PF_EXITING of Linux's sched.h.
const exiting = 0x4

// Ended reports whether a process executes nothing more: it is gone, nothing has waited for it, or it was killed and
// only has to be scheduled to end, which takes long on a busy machine. It reads /proc, so it is of use on Linux only.
func Ended(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return true
	}
	_, after, _ := strings.Cut(string(stat), ") ") // the name can contain any characters
	fields := strings.Fields(after)                // from the third of proc_pid_stat(5), the state
	if len(fields) < 7 || fields[0] == "Z" || fields[0] == "X" {
		return true
	}
	if flags, err := strconv.ParseUint(fields[6], 10, 64); err == nil && flags&exiting != 0 {
		return true
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	return err != nil || killed(string(status))
}

// killed reports whether a SIGKILL waits for the process.
func killed(status string) bool {
	for line := range strings.Lines(status) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ":\t")
		if name != "SigPnd" && name != "ShdPnd" {
			continue
		}
		if set, err := strconv.ParseUint(value, 16, 64); err == nil && set&(1<<(syscall.SIGKILL-1)) != 0 {
			return true
		}
	}
	return false
}
