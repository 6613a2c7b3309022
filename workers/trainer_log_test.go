package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/cogniverse/cogflow/internal/ledger"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/workflows/train"
)

// gpuPrice is the price in USD of an hour of class cpu in these tests.
const gpuPrice = 36

// priced is the environment variable that sets this price.
var priced = fmt.Sprintf(`COGFLOW_TRAINING_PRICES={"cpu":%d}`, gpuPrice)

// trainerLog is a directory with the events of each trainer process. A file is named by the
// start, in seconds since 1970, and the process id; one beside it, with the suffix .end, has the
// time of the end.
type trainerLog struct {
	t   testing.TB
	dir string
}

// recorded is a script that workers run instead of Python. It copies the events of a trainer,
// and notes the end before the worker can see it: when the first process of its group ends, a
// worker kills the others. A signal reaches only the script, which passes it on.
const recorded = `#!/bin/bash
log=%[2]q/$EPOCHREALTIME.$$
test "$2" = trainer && ! grep -q '"measure":true' "$3" || exec %[1]q "$@"
exec 4> >(exec tee -- "$log" >&3)
copy=$!
%[1]q "$@" 3>&4 4>&- <&0 &
trainer=$!
exec 4>&-
trap 'kill -TERM $trainer' TERM
wait $trainer
code=$?
if [ $code = 143 ]; then # the signal interrupted wait, or ended the trainer
	wait $trainer
	code=$?
fi
wait $copy
echo $EPOCHREALTIME > "$log.end"
trap - TERM
if [ $code = 143 ]; then kill -TERM $$; fi
exit $code
`

// recordTrainers makes workers that start later record the events of their trainers, and sets
// the price of their class.
func (s *stack) recordTrainers(python string) trainerLog {
	s.t.Helper()
	python, err := filepath.Abs(python)
	require.NoError(s.t, err)
	c := trainerLog{s.t, filepath.Join(s.dir, "trainers")}
	require.NoError(s.t, os.Mkdir(c.dir, 0o700))
	script := filepath.Join(s.dir, "recorded-python")
	require.NoError(s.t, os.WriteFile(script, fmt.Appendf(nil, recorded, python, c.dir), 0o700)) //nolint:gosec // a worker executes it
	s.env = append(s.env, "COGFLOW_TRAINING_PYTHON="+script, "COGFLOW_NO_SANDBOX=true", priced)  // the script writes outside of the job's folder
	return c
}

// trainerRun is one trainer process.
type trainerRun struct {
	events  []training.Event
	seconds float64 // from its start to its end; to its last event if it was killed
}

// processes returns the trainers that have begun, in the order of their start.
func (c trainerLog) processes() (all []trainerRun) {
	c.t.Helper()
	files, err := os.ReadDir(c.dir)
	require.NoError(c.t, err)
	for _, f := range files {
		if strings.HasSuffix(f.Name(), ".end") {
			continue
		}
		path := filepath.Join(c.dir, f.Name())
		text, err := os.ReadFile(path)
		require.NoError(c.t, err)
		var p trainerRun
		for line := range bytes.Lines(text) {
			var e training.Event
			if json.Unmarshal(line, &e) == nil { // otherwise a kill has truncated it
				p.events = append(p.events, e)
			}
		}
		var began, ended float64
		_, err = fmt.Sscan(f.Name()[:strings.LastIndex(f.Name(), ".")], &began)
		require.NoError(c.t, err)
		if end, err := os.ReadFile(path + ".end"); err == nil && len(end) > 0 {
			_, err = fmt.Sscan(string(end), &ended)
			require.NoError(c.t, err)
		} else {
			info, err := f.Info()
			require.NoError(c.t, err)
			ended = float64(info.ModTime().UnixMicro()) / 1e6
		}
		p.seconds = ended - began
		all = append(all, p)
	}
	return all
}

// seconds returns the total run time of the processes, and their number.
func (c trainerLog) seconds() (sum float64, processes int) {
	c.t.Helper()
	all := c.processes()
	for _, p := range all {
		sum += p.seconds
	}
	return sum, len(all)
}

// until waits for an event of the newest process.
func (c trainerLog) until(is func(e training.Event) bool) {
	c.t.Helper()
	require.Eventually(c.t, func() bool {
		all := c.processes()
		return len(all) > 0 && slices.ContainsFunc(all[len(all)-1].events, is)
	}, soon, 20*time.Millisecond)
}

// steps returns the number of steps that all processes executed.
func (c trainerLog) steps() (n int) {
	c.t.Helper()
	for _, p := range c.processes() {
		for _, e := range p.events {
			if e.Event == training.EventStep {
				n++
			}
		}
	}
	return n
}

// lost returns the number of steps of the first process after its last checkpoint.
func (c trainerLog) lost() (steps int) {
	c.t.Helper()
	for _, e := range c.processes()[0].events {
		switch e.Event {
		case training.EventStep:
			steps++
		case training.EventCheckpoint:
			steps = 0
		}
	}
	return steps
}

func atStep(n int) func(training.Event) bool {
	return func(e training.Event) bool { return e.Event == training.EventStep && e.Step >= n }
}

// terminating reports whether the trainer has received SIGTERM.
func terminating(e training.Event) bool { return e.Phase == "save" }

// heartbeat is the maximum time between the last heartbeat on the server and the death of a
// worker: an activity records a heartbeat each second, and the SDK sends every second one.
const heartbeat = 3.0

// bookedAs compares the ledger with the running time of the trainers. dead is
// the number of workers that were killed during training.
func (s *stack) bookedAs(c trainerLog, run client.WorkflowRun, out train.Result, dead int) {
	s.t.Helper()
	l, err := ledger.Open(filepath.Join(s.dir, "ledger.db"))
	require.NoError(s.t, err)
	defer l.Close()
	spend, err := l.Job(s.t.Context(), tenant.Default, run.GetRunID())
	require.NoError(s.t, err)
	require.Zero(s.t, spend.Reserved, "no reservation is left open")
	own, processes := c.seconds()
	booked := float64(spend.CostMicroUSD) / 1e6 / gpuPrice * 3600
	s.t.Logf("%d processes ran %.2f s, the ledger says %.2f s, the result %.2f s", processes, own, booked, out.Seconds)
	requireBooked(s.t, own, booked, dead)
	if out.Job != "" {
		requireBooked(s.t, own, out.Seconds, dead)
		require.InDelta(s.t, booked, out.Seconds, 0.1+heartbeat*float64(dead))
		require.InDelta(s.t, float64(spend.CostMicroUSD)/1e6, out.CostUSD, 1e-9, "the ledger is the source of the cost")
	}
}

// requireBooked compares the booked seconds of trainers with their own clocks. A worker counts
// from before the start of a process to after its end, which takes long on a busy machine. When
// it dies, the time since its last heartbeat is unknown.
func requireBooked(t testing.TB, own, booked float64, dead int) {
	t.Helper()
	const rounding = 0.1
	require.GreaterOrEqual(t, booked, own-max(rounding, heartbeat*float64(dead)), "some time was not booked")
	require.LessOrEqual(t, booked, own+heartbeat*float64(max(1, dead)), "more time was booked than was used")
}
