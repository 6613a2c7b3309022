// Package supervisor finds out which service manager runs this process, and how long it waits
// before it kills a process that it has asked to stop.
package supervisor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/sandbox"
)

// Manager is what stops this process.
type Manager struct {
	Name  string        // with the unit of systemd; empty = none is known
	Waits time.Duration // between SIGTERM and SIGKILL; 0 = unknown, or for ever
	Asked bool          // the manager was asked, so Waits 0 means for ever
}

// System is what Find looks at.
type System struct {
	Getenv func(string) string
	Root   string // of the file system; empty = /
	// Show returns what systemctl show prints for arguments; nil = runs systemctl.
	Show func(ctx context.Context, args ...string) (string, error)
}

// Find finds the service manager. An error says that there is one that does not answer.
func Find(ctx context.Context, s System) (Manager, error) {
	if s.Show == nil {
		s.Show = show
	}
	if s.Getenv("KUBERNETES_SERVICE_HOST") != "" {
		return Manager{Name: "Kubernetes"}, nil
	}
	for file, name := range map[string]string{".dockerenv": "Docker", "run/.containerenv": "Podman"} {
		if _, err := os.Stat(filepath.Join("/", s.Root, file)); err == nil {
			return Manager{Name: name}, nil
		}
	}
	unit, user, err := s.unit()
	if unit == "" || err != nil {
		return Manager{}, err
	}
	m := Manager{Name: "systemd unit " + unit, Asked: true}
	args := []string{"show", "--property=TimeoutStopUSec", "--property=SendSIGKILL", unit}
	if user {
		args = append([]string{"--user"}, args...)
	}
	out, err := s.Show(ctx, args...)
	if err != nil {
		return m, unread("ask systemd for the stop timeout of", unit, err)
	}
	if m.Waits, err = timeout(out); err != nil {
		return m, unread("read the stop timeout of", unit, err)
	}
	return m, nil
}

// unread is the fault of a stop timeout that cannot be read.
func unread(op, unit string, err error) error {
	return &fault.Error{Class: fault.Capacity, Op: op, Subject: unit, Err: err, Reason: "set COGFLOW_DRAIN_LIMIT_SECONDS to TimeoutStopSec of the unit"}
}

// unit is the service of this process by its control group; empty = none, such as in a terminal.
// systemd sets INVOCATION_ID for the processes of its services only.
func (s System) unit() (name string, user bool, err error) {
	if s.Getenv("INVOCATION_ID") == "" {
		return "", false, nil
	}
	text, err := os.ReadFile(filepath.Join("/", s.Root, "proc/self/cgroup"))
	if errors.Is(err, fs.ErrNotExist) {
		return "", false, nil
	}
	if err != nil {
		return "", false, fault.Disk("read the control group of this process", "/proc/self/cgroup", err)
	}
	for line := range strings.Lines(string(text)) {
		controllers, group, _ := strings.Cut(strings.TrimSpace(line), "::")
		if group == "" { // version 1 has a group for each controller; systemd's own has its name
			_, group, _ = strings.Cut(controllers, ":name=systemd:")
		}
		// A service may have groups of its own below that of the unit.
		for ; group != "" && group != "/" && group != "."; group = path.Dir(group) {
			name := path.Base(group)
			if strings.HasSuffix(name, ".service") && !strings.HasPrefix(name, "user@") {
				return name, strings.Contains(group, "/user@"), nil
			}
		}
	}
	return "", false, nil
}

// timeout reads TimeoutStopUSec of systemctl, such as 1min 30s; 0 = it never kills.
func timeout(shown string) (time.Duration, error) {
	values := map[string]string{}
	for line := range strings.Lines(shown) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		values[key] = value
	}
	text := values["TimeoutStopUSec"]
	if text == "infinity" || values["SendSIGKILL"] == "no" {
		return 0, nil
	}
	total := time.Duration(0)
	for part := range strings.FieldsSeq(text) {
		one, err := span(part)
		if err != nil {
			return 0, err
		}
		total += one
	}
	if total <= 0 {
		return 0, fmt.Errorf("TimeoutStopUSec is %q", text)
	}
	return total, nil
}

// span reads one part of a time span of systemd, which has units that Go has not.
func span(part string) (time.Duration, error) {
	number := strings.TrimRight(part, "abcdefghijklmnopqrstuvwxyz")
	unit := part[len(number):]
	day := 24 * time.Hour
	long := map[string]time.Duration{"d": day, "w": 7 * day, "month": 2629800 * time.Second, "y": 31557600 * time.Second}
	if each, ok := long[unit]; ok {
		n, err := time.ParseDuration(number + "s")
		return time.Duration(n.Seconds() * float64(each)), err
	}
	if unit == "min" {
		unit = "m"
	}
	return time.ParseDuration(number + unit)
}

func show(ctx context.Context, args ...string) (string, error) {
	tool, err := exec.LookPath("systemctl")
	if err != nil {
		return "", err
	}
	out, err := sandbox.Tool(ctx, sandbox.Command{Path: tool, Args: args, Env: os.Environ()})
	return string(out), err
}
