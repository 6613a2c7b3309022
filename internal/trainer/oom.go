package trainer

import (
	"os"
	"path"
	"strconv"
	"strings"
)

// oomKills returns how many processes the kernel has killed for their memory: in the
// control group of this process, to which the trainer belongs, or on the whole host.
// The parent of a process cannot otherwise distinguish this from a kill from outside, for
// which a smaller micro-batch would not help.
func oomKills() (kills int64, known bool) {
	if text, err := os.ReadFile("/proc/self/cgroup"); err == nil {
		for line := range strings.Lines(string(text)) {
			group, found := strings.CutPrefix(strings.TrimSpace(line), "0::")
			if !found {
				continue
			}
			if events, err := os.ReadFile(path.Join("/sys/fs/cgroup", group, "memory.events")); err == nil {
				return counter(string(events))
			}
		}
	}
	vmstat, err := os.ReadFile("/proc/vmstat")
	if err != nil {
		return 0, false // not Linux
	}
	return counter(string(vmstat))
}

// counter returns the value of a line such as "oom_kill 3".
func counter(text string) (int64, bool) {
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if name != "oom_kill" {
			continue
		}
		n, err := strconv.ParseInt(value, 10, 64)
		return n, err == nil
	}
	return 0, false
}
