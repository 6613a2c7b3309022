package supervisor

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestFind finds the manager from the files and variables that each of them gives to a process.
func TestFind(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		env   []string
		files map[string]string
		shown string
		want  Manager
		asked string // arguments of systemctl
	}{
		"a terminal": {},
		"a terminal on systemd": {
			files: map[string]string{"proc/self/cgroup": "0::/user.slice/user-1000.slice/session-3.scope\n"},
		},
		"a service": {
			env:   []string{"INVOCATION_ID=4a"},
			files: map[string]string{"proc/self/cgroup": "0::/system.slice/cogflow-worker.service\n"},
			shown: "TimeoutStopUSec=1min 30s\nSendSIGKILL=yes\n",
			want:  Manager{Name: "systemd unit cogflow-worker.service", Waits: 90 * time.Second, Asked: true},
			asked: "show --property=TimeoutStopUSec --property=SendSIGKILL cogflow-worker.service",
		},
		"an instance in a slice, with a group of its own": {
			env:   []string{"INVOCATION_ID=4a"},
			files: map[string]string{"proc/self/cgroup": "0::/gpus.slice/cogflow@train.service/payload\n"},
			shown: "TimeoutStopUSec=2h 1ms\n",
			want:  Manager{Name: "systemd unit cogflow@train.service", Waits: 2*time.Hour + time.Millisecond, Asked: true},
			asked: "show --property=TimeoutStopUSec --property=SendSIGKILL cogflow@train.service",
		},
		"a user's service": {
			env:   []string{"INVOCATION_ID=4a"},
			files: map[string]string{"proc/self/cgroup": "0::/user.slice/user-1000.slice/user@1000.service/app.slice/worker.service\n"},
			shown: "TimeoutStopUSec=1d 2.5min\n",
			want:  Manager{Name: "systemd unit worker.service", Waits: 24*time.Hour + 150*time.Second, Asked: true},
			asked: "--user show --property=TimeoutStopUSec --property=SendSIGKILL worker.service",
		},
		"control groups of version 1": {
			env:   []string{"INVOCATION_ID=4a"},
			files: map[string]string{"proc/self/cgroup": "4:memory:/system.slice\n1:name=systemd:/system.slice/worker.service\n"},
			shown: "TimeoutStopUSec=45s\n",
			want:  Manager{Name: "systemd unit worker.service", Waits: 45 * time.Second, Asked: true},
			asked: "show --property=TimeoutStopUSec --property=SendSIGKILL worker.service",
		},
		"a user's session without a service": {
			env:   []string{"INVOCATION_ID=4a"},
			files: map[string]string{"proc/self/cgroup": "0::/user.slice/user-1000.slice/user@1000.service/app.slice/app-terminal.scope\n"},
		},
		"a service that is never killed": {
			env:   []string{"INVOCATION_ID=4a"},
			files: map[string]string{"proc/self/cgroup": "0::/system.slice/worker.service\n"},
			shown: "TimeoutStopUSec=infinity\nSendSIGKILL=yes\n",
			want:  Manager{Name: "systemd unit worker.service", Asked: true},
			asked: "show --property=TimeoutStopUSec --property=SendSIGKILL worker.service",
		},
		"a service that is only asked": {
			env:   []string{"INVOCATION_ID=4a"},
			files: map[string]string{"proc/self/cgroup": "0::/system.slice/worker.service\n"},
			shown: "TimeoutStopUSec=1s\nSendSIGKILL=no\n",
			want:  Manager{Name: "systemd unit worker.service", Asked: true},
			asked: "show --property=TimeoutStopUSec --property=SendSIGKILL worker.service",
		},
		"Docker":     {files: map[string]string{".dockerenv": ""}, want: Manager{Name: "Docker"}},
		"Podman":     {files: map[string]string{"run/.containerenv": ""}, want: Manager{Name: "Podman"}},
		"Kubernetes": {env: []string{"KUBERNETES_SERVICE_HOST=10.0.0.1"}, files: map[string]string{".dockerenv": ""}, want: Manager{Name: "Kubernetes"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			root := t.TempDir()
			for file, text := range c.files {
				require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(root, file)), 0o700))
				require.NoError(t, os.WriteFile(filepath.Join(root, file), []byte(text), 0o600))
			}
			asked := ""
			m, err := Find(t.Context(), System{Getenv: env(c.env), Root: root, Show: func(_ context.Context, args ...string) (string, error) {
				asked = strings.Join(args, " ")
				return c.shown, nil
			}})
			require.NoError(t, err)
			require.Equal(t, c.want, m)
			require.Equal(t, c.asked, asked)
		})
	}
}

// TestFindFails: a service manager that does not answer is an error that names the unit.
func TestFindFails(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(root, "proc/self"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(root, "proc/self/cgroup"), []byte("0::/system.slice/worker.service\n"), 0o600))
	for shown, failure := range map[string]error{
		"": errors.New("no bus"), "TimeoutStopUSec=\n": nil, "TimeoutStopUSec=soon\n": nil, "TimeoutStopUSec=5 parsecs\n": nil, "Other=1s\n": nil,
	} {
		_, err := Find(t.Context(), System{Getenv: env([]string{"INVOCATION_ID=4a"}), Root: root, Show: func(context.Context, ...string) (string, error) {
			return shown, failure
		}})
		require.ErrorContains(t, err, "worker.service", shown)
	}
}

func env(all []string) func(string) string {
	return func(name string) string {
		for _, one := range all {
			if key, value, _ := strings.Cut(one, "="); key == name {
				return value
			}
		}
		return ""
	}
}
