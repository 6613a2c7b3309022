// Package sandbox runs a child process that reads untrusted input. The child has a
// fixed argument vector, no environment, no network, no writable files and only the
// system calls of ordinary programs, with limits for each process and for all of them
// together. Its whole process group is killed when it is cancelled or when this process
// dies. The package does not know what the child does.
package sandbox

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/fault"
)

// Config chooses the protection. The zero value requires bubblewrap.
type Config struct {
	Bubblewrap string // path or name of bwrap; default "bwrap"
	Off        bool   // process limits only; must be set explicitly
	// Private lists paths that no child may see, such as the home directory, stores and
	// databases. The root of the file system is always private.
	Private []string
	// NoGroups disables control groups, as on a host that does not permit them.
	NoGroups bool
}

// Protection says how this machine is protected from a child.
type Protection struct {
	Bubblewrap bool   // includes the system call filter
	Processes  string // what limits a child's number of processes: "control group", "user limit"; "" = nothing
	Memory     string // what limits a child's memory: "control group" = of all its processes, "address space" = of each process
}

// String is for people: "bubblewrap, system call filter; …".
func (p Protection) String() string {
	first := "process limits only, as configured"
	if p.Bubblewrap {
		first = "bubblewrap, system call filter"
	}
	processes := "limited by " + p.Processes
	if p.Processes == "" {
		processes = "not limited (run the worker as an ordinary user, or let it make control groups)"
	}
	return first + "; number of processes " + processes + ", memory limited by " + p.Memory
}

// Sandbox starts children. It is safe for concurrent use.
type Sandbox struct {
	bwrap      string    // empty = switched off
	prlimit    string    // empty = limits are set just after the start
	groups     *groups   // nil = control groups cannot be made here
	filters    [2][]byte // system call filters: for children that may write, and for read-only children
	protection Protection
	private    []string
}

// New makes a sandbox and checks that it works by running a command. Otherwise New
// returns an error that says how to fix the host, unless c.Off.
func New(ctx context.Context, c Config) (*Sandbox, error) {
	keepDescriptors()
	s := &Sandbox{private: c.Private}
	if !c.NoGroups {
		s.groups = findGroups()
	}
	if path, err := exec.LookPath("prlimit"); err == nil && runtime.GOOS == "linux" {
		s.prlimit = path
	}
	if !c.Off {
		if err := s.findBubblewrap(ctx, c); err != nil {
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			return nil, &fault.Error{
				Class: fault.Input, Op: "start the sandbox", Subject: "bwrap",
				Reason: "untrusted media would be decoded without protection: " + err.Error() + "; " + advice(err),
			}
		}
	}
	s.protection = s.describe()
	return s, nil
}

func (s *Sandbox) describe() Protection {
	p := Protection{Bubblewrap: s.bwrap != "", Memory: "address space"}
	switch {
	case s.groups != nil:
		p.Processes, p.Memory = "control group", "control group"
	case s.userLimit():
		p.Processes = "user limit"
	}
	return p
}

// userLimit reports whether RLIMIT_NPROC can limit the number of processes: the kernel
// counts them separately in each sandbox, but ignores the limit for root.
func (s *Sandbox) userLimit() bool {
	return s.bwrap != "" && strings.HasPrefix(s.prlimit, "/usr/") && os.Geteuid() != 0 && countsByNamespace()
}

var (
	errNotInstalled = errors.New("bubblewrap is not installed")
	errNotLinux     = errors.New("bubblewrap requires Linux")
)

// advice says how to fix a host on which the sandbox does not work.
func advice(err error) string {
	const without = "or, on a machine that decodes only trusted media, start with --no-sandbox or COGFLOW_NO_SANDBOX=true"
	switch {
	case errors.Is(err, errNotInstalled):
		return "install it (apt-get install bubblewrap), " + without
	case errors.Is(err, errNotLinux):
		return "use a Linux host or the containers of docker-compose.yml, " + without
	}
	return "allow unprivileged user namespaces (sysctl kernel.unprivileged_userns_clone=1 or user.max_user_namespaces; on Ubuntu " +
		"kernel.apparmor_restrict_unprivileged_userns=0 or an AppArmor profile for bwrap; in a container the security_opt that " +
		"docker-compose.yml shows), " + without
}

// Protection says which protection is active.
func (s *Sandbox) Protection() Protection { return s.protection }

// findBubblewrap tests that the sandbox starts, and that a child can open by path an
// inherited descriptor of a file outside the sandbox.
func (s *Sandbox) findBubblewrap(ctx context.Context, c Config) error {
	if runtime.GOOS != "linux" {
		return errNotLinux
	}
	name := c.Bubblewrap
	if name == "" {
		name = "bwrap"
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return errNotInstalled
	}
	head, err := exec.LookPath("head")
	if err != nil {
		return errors.New("the self-test requires the command head")
	}
	for i, readOnly := range []bool{false, true} {
		if s.filters[i], err = filter(readOnly); err != nil {
			return err
		}
	}
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		return err
	}
	defer self.Close()
	s.bwrap = path
	out, err := s.Run(ctx, Command{
		Path:   head,
		Args:   []string{"-c", "4", "/dev/fd/3"},
		Files:  []*os.File{self},
		Limits: Limits{Wall: 10 * time.Second, Memory: 1 << 30, Files: 64, Processes: 16, Total: 1 << 30}, ReadOnly: true,
	}, 16)
	switch {
	case err != nil:
		return errors.New("the self-test failed: " + strings.Join(strings.Fields(err.Error()), " "))
	case string(out) != "\x7fELF":
		return errors.New("the self-test read wrong data from an inherited descriptor")
	}
	return nil
}

// wrap returns the argument vector that runs c under the active protection. The
// limits are set first, so that they apply to bubblewrap as well; the limit of the number of
// processes is set last, because it counts bubblewrap's processes. filter is the
// descriptor of the system call filter.
func (s *Sandbox) wrap(c Command, visible []string, filter int) []string {
	argv := append([]string{c.Path}, c.Args...)
	if s.bwrap != "" {
		if c.Limits.Processes > 0 && s.groups == nil && s.userLimit() {
			argv = append([]string{s.prlimit, fmt.Sprintf("--nproc=%d:%d", c.Limits.Processes, c.Limits.Processes), "--"}, argv...)
		}
		argv = slices.Concat([]string{s.bwrap}, bubble(c, visible), []string{"--seccomp", strconv.Itoa(filter)}, c.bwrap, []string{"--"}, argv)
	}
	if s.prlimit != "" {
		argv = slices.Concat([]string{s.prlimit}, c.Limits.flags(), []string{"--"}, argv)
	}
	return argv
}

// bubble returns bubblewrap's flags: new namespaces of every kind, no capabilities,
// and only the parts of the file system that are needed to load a program.
func bubble(c Command, visible []string) []string {
	flags := []string{
		"--unshare-all", "--die-with-parent", "--cap-drop", "ALL", "--ro-bind", "/usr", "/usr",
	}
	if c.Env == nil {
		flags = append(flags, "--clearenv")
	}
	for _, dir := range []string{"/bin", "/sbin", "/lib", "/lib32", "/lib64"} {
		if target, err := os.Readlink(dir); err == nil {
			flags = append(flags, "--symlink", target, dir)
		} else {
			flags = append(flags, "--ro-bind-try", dir, dir)
		}
	}
	if len(c.Write) > 0 {
		flags = append(flags, "--tmpfs", "/tmp")
	}
	for _, path := range []string{"/etc/alternatives", "/etc/ld.so.cache", "/nix/store"} {
		flags = append(flags, "--ro-bind-try", path, path)
	}
	for _, path := range visible {
		flags = append(flags, "--ro-bind", path, path)
	}
	flags = append(flags, "--proc", "/proc", "--dev", "/dev")
	for _, device := range c.Devices {
		flags = append(flags, "--dev-bind-try", device, device)
	}
	for _, dir := range c.Write {
		flags = append(flags, "--bind", dir, dir)
	}
	if len(c.Write) > 0 && c.Dir == c.Write[0] {
		return append(flags, "--chdir", c.Dir)
	}
	if c.Dir != "" {
		return append(flags, "--bind", c.Dir, "/work", "--chdir", "/work")
	}
	return append(flags, "--chdir", "/")
}
