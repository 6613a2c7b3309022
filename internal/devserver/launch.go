package devserver

import (
	"errors"
	"maps"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/child"
	"github.com/cogniverse/cogflow/panics"
)

// dynamic is the dynamic configuration that cogflow requires, in the spelling of server
// 1.29, beyond what the CLI sets itself. One host serves everything here, so limits that
// separate the tenants of a cluster would only slow down a library of thousands of videos.
var dynamic = map[string]string{ //nolint:gochecknoglobals // a constant table
	"frontend.ListWorkersEnabled":                    "true", // for cogflow pools
	"frontend.WorkerHeartbeatsEnabled":               "true",
	"matching.enableFairness":                        "true",
	"matching.numTaskqueueReadPartitions":            "1", // exact priority and fairness
	"matching.numTaskqueueWritePartitions":           "1",
	"matching.rps":                                   "20000",
	"matching.persistenceMaxQPS":                     "20000",
	"frontend.rps":                                   "20000",
	"frontend.namespaceRPS":                          "20000",
	"frontend.namespaceRPS.visibility":               "1000",
	"frontend.namespaceCount":                        "10000", // long polls and queries in flight
	"frontend.persistenceMaxQPS":                     "20000",
	"history.rps":                                    "20000",
	"history.persistenceMaxQPS":                      "90000",
	"system.forceSearchAttributesCacheRefreshOnRead": "true", // a registered attribute is usable at once
}

// frequent makes deletions of runs visible in a few seconds instead of 30 s or more, so that lookups do
// not stay in the Web UI. Its price is a few more writes, so a cluster keeps its own intervals.
var frequent = map[string]string{ //nolint:gochecknoglobals // a constant table
	"history.transferProcessorUpdateAckInterval":   `"1s"`,
	"history.visibilityProcessorUpdateAckInterval": `"1s"`,
}

func (o *Options) arguments(file string) []string {
	args := []string{
		"server", "start-dev",
		"--ip", loopback, "--port", strconv.Itoa(o.Port),
		"--db-filename", file,
		"--sqlite-pragma", "journal_mode=wal",
		"--sqlite-pragma", "synchronous=normal",
		"--log-level", "warn",
	}
	if o.Headless {
		args = append(args, "--headless")
	} else {
		args = append(args, "--ui-ip", loopback, "--ui-port", strconv.Itoa(o.UIPort))
	}
	values := maps.Clone(dynamic)
	maps.Copy(values, frequent)
	maps.Copy(values, o.Dynamic)
	for _, key := range slices.Sorted(maps.Keys(values)) {
		args = append(args, "--dynamic-config-value", key+"="+values[key])
	}
	return args
}

// launch starts the process. Linux ties its life to the thread that started it,
// not to the process, so one goroutine keeps that thread until the end.
func (s *Server) launch(o Options, file string, lock *os.File) error {
	output, err := openLog(s.log)
	if err != nil {
		return err
	}
	binary, err := exec.LookPath(o.Binary)
	if err != nil {
		return fault.Wrap(fault.Input, "start Temporal server", o.Binary, errors.Join(err, output.Close()))
	}
	s.command = private(binary, o.arguments(file))
	s.command.Env = environment(o.Dir)
	s.command.Stdout, s.command.Stderr = output, output
	s.command.ExtraFiles = []*os.File{lock} // the lock lasts as long as the server
	s.command.SysProcAttr = child.Attributes(syscall.SIGKILL)
	started := make(chan error, 2)
	panics.Go(func() error {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := s.command.Start()
		started <- errors.Join(err, output.Close())
		if err == nil {
			s.watch()
		}
		return nil
	}, func(err error) { started <- err }) // read only if nothing came before
	return fault.Wrap(fault.Input, "start Temporal server", o.Binary, <-started)
}

// environment is the part of our environment that the server gets: to find programs, and
// the locale. A worker's environment holds the keys of model servers and stores, which the
// server must not get. Its home is the state directory, so that the user's configuration
// does not change it.
func environment(dir string) []string {
	env := []string{"HOME=" + dir}
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		if slices.Contains([]string{"PATH", "TMPDIR", "TZ", "LANG", "LC_ALL"}, name) {
			env = append(env, variable)
		}
	}
	return env
}

// private runs a program whose files are private to this user: the server's hold everything
// that workflows were given. A umask belongs to a process, so a shell sets it for the program
// only, and removes what it added to the environment.
func private(binary string, args []string) *exec.Cmd {
	shell := []string{"-c", `umask 077 && unset PWD OLDPWD SHLVL && exec "$@"`, "sh", binary}
	return exec.Command("/bin/sh", append(shell, args...)...) //nolint:noctx // it lives on when the start's context ends
}

func (s *Server) watch() {
	defer close(s.done)
	err := s.command.Wait()
	if s.ending.Load() {
		return
	}
	s.err = &fault.Error{
		Class: fault.Transport, Op: "run Temporal server", Subject: s.address,
		Reason: "it ended by itself; see " + s.log + tail(s.log), Err: err,
	}
}

// DynamicConfig is the dynamic configuration that cogflow requires, for people who set up a
// server.
func DynamicConfig() map[string]string { return maps.Clone(dynamic) }
