package trainer

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/sandbox"
	"github.com/cogniverse/cogflow/training"
)

func ignore(training.Event) error { return nil }

func TestRun(t *testing.T) {
	t.Parallel()
	j := job(t, "whole")
	j.Config.LearningRate = 1e-4
	var kinds []string
	var last training.Event
	require.NoError(t, runner(t, Options{}).Run(t.Context(), j, "", nil, nil, func(e training.Event) error {
		kinds = append(kinds, e.Event)
		last = e
		return nil
	}))
	require.Equal(t, "phase device data step step step checkpoint done", strings.Join(kinds, " "))
	require.Equal(t, training.Event{
		Event: "done", Step: 3, BestStep: 2, Path: "output", Metrics: map[string]float64{"loss": 0.5},
	}, last)
	text, err := os.ReadFile(filepath.Join(j.WorkDir, "job.json"))
	require.NoError(t, err)
	var got training.Job
	require.NoError(t, json.Unmarshal(text, &got))
	require.Equal(t, j, got)
}

// TestEnds: the error for each way in which the process ends.
func TestEnds(t *testing.T) {
	t.Parallel()
	for mode, want := range map[string]struct {
		class    fault.Class
		sentinel error
		says     []string
	}{
		"stopped-itself":   {fault.Preempted, training.ErrStopped, nil},
		"memory":           {fault.Capacity, training.ErrOutOfMemory, []string{"a message for out_of_memory"}},
		"silent-71":        {fault.Capacity, training.ErrOutOfMemory, nil},
		"input":            {fault.Input, nil, []string{"a message for input"}},
		"silent-64":        {fault.Input, nil, []string{"refused the job"}},
		"diverged":         {fault.Input, nil, []string{"a message for diverged", "learning_rate"}},
		"internal":         {"", nil, []string{"a message for internal"}},
		"noise":            {"", nil, []string{"it broke", "the last words"}},
		"exit-3":           {"", nil, []string{"exit code 3"}},
		"exits-early":      {"", nil, []string{"before the job was done"}},
		"no-torch":         {fault.Input, nil, []string{"make trainer", "torch_that_is_absent"}},
		"sigsegv":          {"", nil, []string{"segmentation fault"}},
		"sigterm":          {fault.Preempted, nil, []string{"stopped from outside before it started"}},
		"cut":              {"", nil, []string{"line 1", `{\"event\": \"done\", \"pa`}},
		"closes":           {"", nil, []string{"before the job was done"}},
		"fails-after-done": {"", nil, []string{"exit code 70"}},
	} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			err := runner(t, Options{}).Run(t.Context(), job(t, mode), "", nil, nil, ignore)
			require.Error(t, err)
			require.Equal(t, want.class, fault.ClassOf(err), "%v", err)
			if want.sentinel != nil {
				require.ErrorIs(t, err, want.sentinel)
			} else {
				require.NotErrorIs(t, err, training.ErrStopped)
				require.NotErrorIs(t, err, training.ErrOutOfMemory)
			}
			for _, s := range want.says {
				require.ErrorContains(t, err, s)
			}
			require.Less(t, len(err.Error()), 8<<10, "the length of a message is limited")
		})
	}
}

// TestKilled: a kill by the kernel for memory is distinguished from a kill from outside.
func TestKilled(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		before, after int64
		known         bool
		class         fault.Class
		oom           bool
	}{
		"by the kernel for memory": {3, 4, true, fault.Capacity, true},
		"from outside":             {3, 3, true, fault.Transport, false},
		"unknown":                  {0, 0, false, fault.Capacity, true},
	} {
		for _, mode := range []string{"sigkill", "cut-killed"} {
			t.Run(name+"/"+mode, func(t *testing.T) {
				t.Parallel()
				r := runner(t, Options{})
				kills := []int64{c.before, c.after}
				r.oomKills = func() (n int64, known bool) {
					n, kills = kills[0], kills[1:]
					return n, c.known
				}
				if !c.known {
					r.oomKills = func() (int64, bool) { return 0, false }
				}
				err := r.Run(t.Context(), job(t, mode), "", nil, nil, ignore)
				require.Equal(t, c.class, fault.ClassOf(err), "%v", err)
				require.Equal(t, c.oom, errors.Is(err, training.ErrOutOfMemory))
			})
		}
	}
	for text, want := range map[string]int64{"low 0\noom 2\noom_kill 7\noom_group_kill 9\n": 7, "oom_kill 0": 0} {
		n, known := counter(text)
		require.True(t, known)
		require.Equal(t, want, n)
	}
	_, known := counter("oom_kill_ 1\n")
	require.False(t, known)
}

// TestBrokenEvents: an invalid event is an error that shows the line, and the process
// is stopped.
func TestBrokenEvents(t *testing.T) {
	t.Parallel()
	for mode, says := range map[string]string{
		"garbage": `line 1 of its events is invalid: "not an event"`, "nan": "NaN", "list": "[]", "kindless": "no kind",
		"typed": "three", "pathless": "no path", "dataless": "no data", "outside": "out of the work_dir", "empty-line": "line 1",
		"endless": "longer than 1048576 bytes",
	} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			told := 0
			err := runner(t, Options{}).Run(t.Context(), job(t, mode), "", nil, nil, func(training.Event) error {
				told++
				return nil
			})
			require.ErrorContains(t, err, says)
			require.Empty(t, fault.ClassOf(err))
			require.Zero(t, told, "no event is reported after an invalid line")
		})
	}
}

// TestOddEvents: long events, events of a newer trainer, and null numbers are valid.
func TestOddEvents(t *testing.T) {
	t.Parallel()
	events := func(mode string) (all []training.Event) {
		require.NoError(t, runner(t, Options{}).Run(t.Context(), job(t, mode), "", nil, nil, func(e training.Event) error {
			all = append(all, e)
			return nil
		}))
		return all
	}
	require.Len(t, events("long")[0].Phase, 900_000)
	newer := events("newer")
	require.Equal(t, "train", newer[0].Phase)
	require.Equal(t, "song", newer[1].Event, "unknown kinds are passed on")
	nulls := events("nulls")[0]
	require.Nil(t, nulls.Loss)
	require.Equal(t, map[string]float64{"margin": 0}, nulls.Metrics, "null must not become 0")
}

// TestStop: on request the process writes a checkpoint, reports it and exits.
func TestStop(t *testing.T) {
	t.Parallel()
	stop := make(chan struct{})
	var last training.Event
	err := runner(t, Options{}).Run(t.Context(), job(t, "stop"), "", nil, stop, func(e training.Event) error {
		if e.Event == training.EventPhase {
			close(stop)
		}
		last = e
		return nil
	})
	require.ErrorIs(t, err, training.ErrStopped)
	require.Equal(t, "checkpoints/00000007", last.Path)
}

// TestStopBeforeItBegan: until the trainer installs its handler, SIGTERM kills Python.
func TestStopBeforeItBegan(t *testing.T) {
	t.Parallel()
	stop := make(chan struct{})
	err := runner(t, Options{}).Run(t.Context(), job(t, "unready"), "", nil, stop, func(training.Event) error {
		close(stop)
		return nil
	})
	require.ErrorIs(t, err, training.ErrStopped)
	require.Equal(t, fault.Preempted, fault.ClassOf(err))
	require.ErrorContains(t, err, "not started")

	err = runner(t, Options{}).Run(t.Context(), job(t, "unready"), "", nil, stop, ignore)
	require.ErrorIs(t, err, training.ErrStopped, "already closed")
}

// TestIgnoredSIGTERM: a process that ignores SIGTERM is killed after the grace period, with its children.
func TestIgnoredSIGTERM(t *testing.T) {
	t.Parallel()
	stop := make(chan struct{})
	var child string
	err := runner(t, Options{Grace: 50 * time.Millisecond}).Run(t.Context(), job(t, "ignores-sigterm"), "", nil, stop, func(e training.Event) error {
		if e.Event == training.EventDevice {
			child = e.Versions["child"]
			require.NotEmpty(t, marked(t, child))
		} else {
			close(stop)
		}
		return nil
	})
	require.ErrorIs(t, err, training.ErrStopped)
	require.ErrorContains(t, err, "did not write a checkpoint in time")
	require.NotEmpty(t, child)
	end(t, child)
}

// TestCancel: when the context ends, the process is killed at once.
func TestCancel(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("the job was cancelled")
	var child string
	err := runner(t, Options{Grace: time.Hour}).Run(ctx, job(t, "ignores-sigterm"), "", nil, nil, func(e training.Event) error {
		if e.Event == training.EventDevice {
			child = e.Versions["child"]
		} else {
			cancel(why)
		}
		return nil
	})
	require.Equal(t, why, err)
	end(t, child)

	j := job(t, "whole")
	require.Equal(t, why, runner(t, Options{}).Run(ctx, j, "", nil, nil, ignore), "it is not even started")
	require.NoFileExists(t, filepath.Join(j.WorkDir, "job.json"))
}

// TestCancelDuringGrace: a cancellation during the grace period kills the process at once.
func TestCancelDuringGrace(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	stop := make(chan struct{})
	err := runner(t, Options{Grace: time.Hour}).Run(ctx, job(t, "ignores-sigterm"), "", nil, stop, func(e training.Event) error {
		if e.Event == training.EventDevice {
			close(stop)
		} else {
			cancel()
		}
		return nil
	})
	require.ErrorIs(t, err, context.Canceled)
}

// TestListenerFails: an error of the callback stops the process and is returned.
func TestListenerFails(t *testing.T) {
	t.Parallel()
	full := fault.New(fault.Capacity, "store checkpoint", "", "the disk is full")
	told := 0
	err := runner(t, Options{}).Run(t.Context(), job(t, "stop"), "", nil, nil, func(training.Event) error {
		told++
		return full
	})
	require.Equal(t, error(full), err)
	require.Equal(t, 1, told)
}

// TestSlowListener: all events are reported, even if the callback is slow and the process has ended.
func TestSlowListener(t *testing.T) {
	t.Parallel()
	j := job(t, "busy")
	steps := 0
	err := runner(t, Options{}).Run(t.Context(), j, "", nil, nil, func(training.Event) error {
		if steps++; steps == 2 {
			wait := time.NewTimer(linger + linger/2)
			defer wait.Stop()
			<-wait.C
		}
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, 501, steps)
}

// TestClosedEvents: a process that closes its event stream and does not exit is killed.
func TestClosedEvents(t *testing.T) {
	t.Parallel()
	err := runner(t, Options{Grace: 50 * time.Millisecond}).Run(t.Context(), job(t, "closes-and-stays"), "", nil, nil, ignore)
	require.ErrorContains(t, err, "closed its event stream but did not exit")
}

// TestEnvironment: the process gets the listed variables, and none of this process's environment.
func TestEnvironment(t *testing.T) {
	t.Parallel()
	off, err := sandbox.New(t.Context(), sandbox.Config{Off: true})
	require.NoError(t, err)
	for _, box := range []*sandbox.Sandbox{nil, off} {
		environmentIn(t, box)
	}
}

func environmentIn(t *testing.T, box *sandbox.Sandbox) {
	t.Helper()
	r := runner(t, Options{Sandbox: box, Env: []string{"LD_LIBRARY_PATH=/opt/cuda/lib", "HOME=/elsewhere"}})
	j := job(t, "environment")
	var got map[string]string
	require.NoError(t, r.Run(t.Context(), j, "GPU-1,GPU-2", nil, nil, func(e training.Event) error {
		if e.Event == training.EventDevice {
			got = e.Versions
		}
		return nil
	}))
	leads := map[bool]string{true: "False", false: "True"} // in a sandbox, another process is the group leader
	want := map[string]string{
		"cwd": j.WorkDir, "argv": filepath.Join(j.WorkDir, "job.json"), "group": leads[box == nil], "fd3": "True",
		"HOME": j.WorkDir, "CUDA_VISIBLE_DEVICES": "GPU-1,GPU-2", "LD_LIBRARY_PATH": "/opt/cuda/lib",
		"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_HUB_DISABLE_TELEMETRY": "1", "PYTHONUNBUFFERED": "1", "PYTHONSAFEPATH": "1",
	}
	for name, value := range want {
		require.Equal(t, value, got[name], name)
	}
	allowed := map[string]bool{"LC_CTYPE": true, "PWD": true} // Python's own, and bubblewrap's
	for _, v := range r.environment(j.WorkDir, "") {
		name, _, _ := strings.Cut(v, "=")
		allowed[name] = true
	}
	for name := range got {
		require.True(t, allowed[name] || want[name] != "", "%s is a variable of this process", name)
	}
}

func TestNotInstalled(t *testing.T) {
	t.Parallel()
	absent := New(Options{Dir: t.TempDir()})
	err := absent.Run(t.Context(), job(t, "whole"), "", nil, nil, ignore)
	require.Equal(t, fault.Input, fault.ClassOf(err), "%v", err)
	require.ErrorContains(t, err, "make trainer")
	_, err = absent.Check(t.Context())
	require.ErrorContains(t, err, "make trainer")
	_, err = New(Options{Python: filepath.Join(t.TempDir(), "none")}).Check(t.Context())
	require.ErrorContains(t, err, "it is not installed; run `make trainer`")

	empty := New(Options{Python: python(t), Dir: t.TempDir()})
	err = empty.Run(t.Context(), job(t, "whole"), "", nil, nil, ignore)
	require.Equal(t, fault.Input, fault.ClassOf(err), "%v", err)
	require.ErrorContains(t, err, "make trainer")
	require.ErrorContains(t, err, "No module named trainer")
}

func TestBadJob(t *testing.T) {
	t.Parallel()
	j := job(t, "whole")
	j.WorkDir = "relative"
	require.Equal(t, fault.Input, fault.ClassOf(runner(t, Options{}).Run(t.Context(), j, "", nil, nil, ignore)))
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	j.WorkDir = filepath.Join(file, "below")
	require.Equal(t, fault.Input, fault.ClassOf(runner(t, Options{}).Run(t.Context(), j, "", nil, nil, ignore)), "a wrong path is an input error")
}

func TestTail(t *testing.T) {
	t.Parallel()
	var said tail
	var log strings.Builder
	all := strings.Repeat("x", 3*tailBytes) + "\n 1%\r99%\n\xff\nend\r\n"
	said.read(strings.NewReader(all), &log)
	require.Equal(t, all, log.String(), "the log gets all output")
	require.Len(t, said.text, tailBytes)
	require.True(t, strings.HasSuffix(said.String(), "x\n99%\n·\nend"), said.String()[tailBytes-40:])
}
