package sandbox

import (
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// groupPrefix starts the names of cogflow's control groups; the id of the process that made the group follows.
const groupPrefix = "cogflow-step-"

// groups is the place where this process makes control groups, which limit all processes of a child together.
type groups struct {
	parents []string // one directory; two where memory and pids are separate hierarchies
	unified bool     // cgroup v2
}

// findGroups finds a place where this process may make control groups with both
// controllers; nil = there is none. It removes groups that dead workers left over.
func findGroups() *groups {
	memberships, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		return nil
	}
	for _, g := range append(legacyGroups(string(memberships)), unifiedGroups(string(memberships))...) {
		one, err := g.make(Limits{Processes: 16, Total: 64 << 20})
		if err == nil {
			one.remove()
			g.sweep()
			return g
		}
	}
	return nil
}

// legacyGroups is for cgroup v1, where each controller has its own hierarchy.
func legacyGroups(memberships string) []*groups {
	g := &groups{}
	for _, controller := range []string{"memory", "pids"} {
		for line := range strings.Lines(memberships) {
			fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
			if len(fields) == 3 && fields[1] == controller {
				g.parents = append(g.parents, filepath.Join("/sys/fs/cgroup", controller, fields[2]))
			}
		}
	}
	if len(g.parents) != 2 {
		return nil
	}
	return []*groups{g}
}

// unifiedGroups lists the group of this process and the one above it: a group with
// processes in it cannot have children with controllers.
func unifiedGroups(memberships string) (out []*groups) {
	for line := range strings.Lines(memberships) {
		path, found := strings.CutPrefix(strings.TrimSpace(line), "0::")
		if !found {
			continue
		}
		own := filepath.Join("/sys/fs/cgroup", path)
		for _, dir := range []string{own, filepath.Dir(own)} {
			enabled, err := os.ReadFile(filepath.Join(dir, "cgroup.subtree_control"))
			if err == nil && strings.Contains(string(enabled), "memory") && strings.Contains(string(enabled), "pids") {
				out = append(out, &groups{parents: []string{dir}, unified: true})
			}
		}
	}
	return out
}

// group is the control group of one child.
type group struct {
	dirs    []string
	unified bool
}

// make makes a group with the limits of a child.
func (g *groups) make(l Limits) (*group, error) {
	name := groupPrefix + strconv.Itoa(os.Getpid()) + "-" + rand.Text()[:12]
	out := &group{unified: g.unified}
	for _, parent := range g.parents {
		dir := filepath.Join(parent, name)
		if err := os.Mkdir(dir, 0o700); err != nil {
			out.remove()
			return nil, err
		}
		out.dirs = append(out.dirs, dir)
	}
	if err := out.limit(l); err != nil {
		out.remove()
		return nil, err
	}
	return out, nil
}

func (g *group) limit(l Limits) error {
	set := func(value uint64, dir int, name string) error {
		if value == 0 {
			return nil
		}
		return os.WriteFile(filepath.Join(g.dirs[dir], name), []byte(strconv.FormatUint(value, 10)), 0)
	}
	if !g.unified {
		err := errors.Join(set(l.Total, 0, "memory.limit_in_bytes"), set(l.Processes, 1, "pids.max"))
		_ = set(l.Total, 0, "memory.memsw.limit_in_bytes") // only where the kernel accounts for swap
		return err
	}
	if l.Total > 0 {
		_ = os.WriteFile(filepath.Join(g.dirs[0], "memory.swap.max"), []byte("0"), 0)  // only where there is swap
		_ = os.WriteFile(filepath.Join(g.dirs[0], "memory.oom.group"), []byte("1"), 0) // since 4.19
	}
	return errors.Join(set(l.Total, 0, "memory.max"), set(l.Processes, 0, "pids.max"))
}

// members are the files by which a process enters the group.
func (g *group) members() (out []string) {
	if g == nil {
		return nil
	}
	for _, dir := range g.dirs {
		out = append(out, filepath.Join(dir, "cgroup.procs"))
	}
	return out
}

// exhausted reports whether the kernel killed a process of the group for its memory.
func (g *group) exhausted() bool {
	if g == nil || len(g.dirs) == 0 {
		return false
	}
	name := "memory.oom_control"
	if g.unified {
		name = "memory.events"
	}
	return happened(filepath.Join(g.dirs[0], name), "oom_kill ")
}

// processLimitHit reports whether the kernel refused to create a process in the group.
func (g *group) processLimitHit() bool {
	return g != nil && len(g.dirs) > 0 && happened(filepath.Join(g.dirs[len(g.dirs)-1], "pids.events"), "max ")
}

// happened reports whether an events file counts at least one event.
func happened(path, event string) bool {
	text, err := os.ReadFile(path)
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(text)) {
		if count, found := strings.CutPrefix(strings.TrimSpace(line), event); found {
			return count != "0"
		}
	}
	return false
}

// removeWithin is how long the last processes of a killed child may take to exit.
const removeWithin = 2 * time.Second

// remove kills the processes that are left in the group and removes it. If that fails,
// the next worker removes the group.
func (g *group) remove() {
	if g == nil {
		return
	}
	deadline := time.Now().Add(removeWithin)
	for _, dir := range g.dirs {
		if g.unified {
			_ = os.WriteFile(filepath.Join(dir, "cgroup.kill"), []byte("1"), 0) // since 5.14
		}
		for errors.Is(unix.Rmdir(dir), unix.EBUSY) && time.Now().Before(deadline) {
			<-time.After(time.Millisecond)
		}
	}
}

// sweep removes the groups of workers that are dead.
func (g *groups) sweep() {
	for _, parent := range g.parents {
		left, _ := filepath.Glob(filepath.Join(parent, groupPrefix+"*")) // the pattern is valid
		for _, dir := range left {
			owner, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), groupPrefix), "-")
			if pid, err := strconv.Atoi(owner); err == nil && errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
				_ = unix.Rmdir(dir) // in use by processes that outlived their worker: the next worker removes it
			}
		}
	}
}

// countsByNamespace reports whether the kernel counts a user's processes separately in each
// user namespace (since 5.14). Before, a limit would count all processes of the user.
func countsByNamespace() bool {
	var name unix.Utsname
	if unix.Uname(&name) != nil {
		return false
	}
	parts := strings.SplitN(unix.ByteSliceToString(name.Release[:]), ".", 3)
	if len(parts) < 2 {
		return false
	}
	major, err := strconv.Atoi(parts[0])
	if err != nil {
		return false
	}
	minor, err := strconv.Atoi(strings.TrimRightFunc(parts[1], func(r rune) bool { return r < '0' || r > '9' }))
	return err == nil && (major > 5 || major == 5 && minor >= 14)
}
