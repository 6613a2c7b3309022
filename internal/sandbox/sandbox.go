// Package sandbox runs a child process that reads untrusted input: a fixed
// argument vector, no environment, no network, nothing to write, resource
// limits, and its whole process group killed when it is no longer wanted or
// when this process dies. It knows nothing of what the child does.
package sandbox

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/fault"
)

// Config chooses the protection. The zero value uses bubblewrap if it works.
type Config struct {
	Bubblewrap string // path or name of bwrap; default "bwrap"
	Require    bool   // New fails if bubblewrap does not work
	Off        bool   // process limits only; for tests and for hosts that are a sandbox already
}

// Protection says what stands between a child and this machine.
type Protection struct {
	Bubblewrap bool
	Reason     string // why not bubblewrap
}

// String is for people: "bubblewrap" or "process limits only: <reason>".
func (p Protection) String() string {
	if p.Bubblewrap {
		return "bubblewrap"
	}
	return "process limits only: " + p.Reason
}

// Sandbox starts children. It is safe for concurrent use.
type Sandbox struct {
	bwrap      string // empty = not used
	prlimit    string // empty = limits are set just after the start
	protection Protection
}

// New finds out by running a command which protection works here. It fails only
// if bubblewrap is required and does not work.
func New(ctx context.Context, c Config) (*Sandbox, error) {
	s := &Sandbox{}
	if path, err := exec.LookPath("prlimit"); err == nil && runtime.GOOS == "linux" {
		s.prlimit = path
	}
	if err := s.findBubblewrap(ctx, c); err != nil {
		s.bwrap = ""
		s.protection = Protection{Reason: err.Error()}
	} else {
		s.protection = Protection{Bubblewrap: true}
	}
	if c.Require && !s.protection.Bubblewrap {
		return nil, fault.New(fault.Input, "start sandbox", "bwrap",
			"a sandbox is required but there are "+s.protection.String()+
				"; install bubblewrap and allow user namespaces, or do not require it")
	}
	return s, ctx.Err()
}

// Protection says which protection is active.
func (s *Sandbox) Protection() Protection { return s.protection }

// findBubblewrap tests what the children rely on: that the sandbox starts, and
// that an inherited descriptor of a file outside of it can be opened by path.
func (s *Sandbox) findBubblewrap(ctx context.Context, c Config) error {
	if c.Off {
		return errors.New("bubblewrap is switched off")
	}
	if runtime.GOOS != "linux" {
		return errors.New("bubblewrap needs Linux")
	}
	name := c.Bubblewrap
	if name == "" {
		name = "bwrap"
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return errors.New("bubblewrap is not installed")
	}
	head, err := exec.LookPath("head")
	if err != nil {
		return errors.New("there is no head command for the self-test")
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
		Limits: Limits{Wall: 10 * time.Second, Memory: 1 << 30, Files: 64},
	}, 16)
	switch {
	case err != nil:
		return errors.New("the self-test failed: " + strings.Join(strings.Fields(err.Error()), " "))
	case string(out) != "\x7fELF":
		return errors.New("the self-test read something else than it should")
	}
	return nil
}

// wrap returns the argument vector that runs c under the active protection.
// The limits are set first, so that they hold for the sandbox as well.
func (s *Sandbox) wrap(c Command) []string {
	argv := append([]string{c.Path}, c.Args...)
	if s.bwrap != "" {
		argv = slices.Concat([]string{s.bwrap}, bubble(c), []string{"--"}, argv)
	}
	if s.prlimit != "" {
		argv = slices.Concat([]string{s.prlimit}, c.Limits.flags(), []string{"--"}, argv)
	}
	return argv
}

// bubble lists bubblewrap's flags: new namespaces of every kind, no capability,
// and of the file system only what a program needs to be loaded.
func bubble(c Command) []string {
	flags := []string{
		"--unshare-all", "--die-with-parent", "--new-session", "--clearenv", "--cap-drop", "ALL",
		"--ro-bind", "/usr", "/usr",
	}
	for _, dir := range []string{"/bin", "/sbin", "/lib", "/lib32", "/lib64"} {
		if target, err := os.Readlink(dir); err == nil {
			flags = append(flags, "--symlink", target, dir)
		} else {
			flags = append(flags, "--ro-bind-try", dir, dir)
		}
	}
	for _, path := range []string{"/etc/alternatives", "/etc/ld.so.cache", "/nix/store"} {
		flags = append(flags, "--ro-bind-try", path, path)
	}
	if program, err := filepath.EvalSymlinks(c.Path); err == nil {
		for _, dir := range []string{filepath.Dir(program), filepath.Dir(c.Path)} {
			if !strings.HasPrefix(dir+"/", "/usr/") && !slices.Contains(flags, dir) {
				flags = append(flags, "--ro-bind", dir, dir)
			}
		}
	}
	for _, dir := range c.Read {
		flags = append(flags, "--ro-bind", dir, dir)
	}
	flags = append(flags, "--proc", "/proc", "--dev", "/dev")
	if c.Dir != "" {
		return append(flags, "--bind", c.Dir, "/work", "--chdir", "/work")
	}
	return append(flags, "--chdir", "/")
}
