package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/workflows/train"
)

// confined is a script that workers run instead of Python. It runs the trainer under watch.py,
// with a limit of address space if one is set. The allocator uses only one arena, so that the
// sizes of two runs are comparable.
const confined = `#!/bin/sh
test "$2" = trainer && ! grep -q '"measure":true' "$3" || exec %[1]q "$@"
export MALLOC_ARENA_MAX=1
if test -f %[2]q/limit; then ulimit -v "$(cat %[2]q/limit)"; fi
exec %[1]q %[2]q/watch.py %[2]q/attempts "$3"
`

// watching is watch.py. It runs the unchanged trainer, and records the peak address space after
// each step and at the end.
const watching = `import json, os, runpy, sys

def peak():
    with open("/proc/self/status") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmPeak:"))

from trainer.events import Events, elapsed

log, path = sys.argv[1:]
sys.argv = ["trainer", path]
with open(path) as f:
    job = json.load(f)
steps, write, code = [], Events.write, None

def leave(code):
    raise SystemExit(code)

def told(self, event, **fields):
    write(self, event, **fields)
    if event == "step":
        steps.append({"step": fields["step"], "peak": peak()})

Events.write, end, os._exit = told, os._exit, leave
try:
    runpy.run_module("trainer", run_name="__main__", alter_sys=True)
except SystemExit as e:
    code = e.code
    raise
finally:
    line = {"micro_batch": job["micro_batch"], "accumulation": job["accumulation"], "code": code, "steps": steps, "peak": peak(),
            "seconds": elapsed()}
    with open(log, "a") as f:
        f.write(json.dumps(line) + "\n")
    end(1 if code is None else code)
`

// memoryLimit is a directory with the scripts, the limit and the records of attempts.
type memoryLimit struct {
	t   testing.TB
	dir string
}

// attempt is the record of one trainer process. Sizes are KiB of address space.
type attempt struct {
	MicroBatch   int  `json:"micro_batch"`
	Accumulation int  `json:"accumulation"`
	Code         *int `json:"code"`
	Steps        []struct {
		Step int   `json:"step"`
		Peak int64 `json:"peak"`
	} `json:"steps"`
	Peak    int64   `json:"peak"`
	Seconds float64 `json:"seconds"` // run time by the clock of the trainer
}

// confine makes workers that start later run their trainers with the script confined.
func (s *stack) confine() memoryLimit {
	s.t.Helper()
	python, err := filepath.Abs(trainerPython)
	require.NoError(s.t, err)
	c := memoryLimit{t: s.t, dir: filepath.Join(s.dir, "confined")}
	require.NoError(s.t, os.Mkdir(c.dir, 0o700))
	script := filepath.Join(c.dir, "python")
	require.NoError(s.t, os.WriteFile(script, fmt.Appendf(nil, confined, python, c.dir), 0o700)) //nolint:gosec // a worker executes it
	require.NoError(s.t, os.WriteFile(filepath.Join(c.dir, "watch.py"), []byte(watching), 0o600))
	s.env = append(s.env, "COGFLOW_TRAINING_PYTHON="+script, "COGFLOW_NO_SANDBOX=true", priced) // the script writes outside of the job's folder
	return c
}

// limit sets the limit for trainers that start later.
func (c memoryLimit) limit(kib int64) {
	c.t.Helper()
	require.NoError(c.t, os.WriteFile(filepath.Join(c.dir, "limit"), []byte(strconv.FormatInt(kib, 10)), 0o600))
}

// attempts returns the records of processes that have ended since the last call.
func (c memoryLimit) attempts() (all []attempt) {
	c.t.Helper()
	log, err := os.Open(filepath.Join(c.dir, "attempts"))
	require.NoError(c.t, err)
	defer log.Close()
	for lines := bufio.NewScanner(log); lines.Scan(); {
		var a attempt
		require.NoError(c.t, json.Unmarshal(lines.Bytes(), &a))
		all = append(all, a)
	}
	require.NoError(c.t, os.Remove(log.Name()))
	return all
}

// writeUnevenDataset writes 35 short rows and then 5 rows of about 1,800 tokens. unevenSeed
// puts one of the long rows into the first two steps, and the other four into one micro-batch
// of the third step. Therefore memory runs out in the middle of a run.
func writeUnevenDataset(t *testing.T, dir string) string {
	t.Helper()
	var lines strings.Builder
	for i := range 40 {
		lamps := 1
		if i >= 35 {
			lamps = 200
		}
		writeRow(&lines, i, lamps)
	}
	path := filepath.Join(dir, "uneven.jsonl")
	require.NoError(t, os.WriteFile(path, []byte(lines.String()), 0o600))
	return path
}

const unevenSeed = 102692

func writeRow(to *strings.Builder, hall, lamps int) {
	var said strings.Builder
	for lamp := range lamps {
		fmt.Fprintf(&said, " Lamp %d is lit.", hall*lamp%97)
	}
	fmt.Fprintf(to, "{\"prompt\":\"Which lamps of hall %d are lit?\",\"completion\":\"I look.%s\"}\n", hall, said.String())
}

func unevenJob(t *testing.T, tenant, dataset, settings string) train.Input {
	t.Helper()
	seed := int64(unevenSeed)
	in := train.Input{
		Name: "support", BaseModel: "tiny/llama", Dataset: activities.Dataset{URI: dataset}, Seed: &seed, SFT: &training.Settings{},
	}
	in.Tenant = tenant
	require.NoError(t, json.Unmarshal([]byte(settings), in.SFT))
	return in
}

// TestTrainOutOfMemory: torch's allocator fails in the middle of a run. The run continues
// from its last checkpoint, and halves the micro-batch at each failure. If even one row does
// not fit, the run moves to the next class.
func TestTrainOutOfMemory(t *testing.T) {
	t.Parallel()
	s, _ := newTrainStack(t)
	c := s.confine()
	s.worker(nil)
	// Without dropout: its masks depend on the micro-batches, so losses of different
	// micro-batches could not be compared.
	const settings = `{"epochs":1,"batch_size":4,"gradient_accumulation_steps":2,"save_steps":1,"lora_dropout":0,
		"max_seq_length":4096,"min_rows":10,"validation_split":0,"early_stopping_patience":0}`
	dataset := writeUnevenDataset(t, s.dir)

	// A run without a limit measures the peaks. A micro-batch has at most one long row in the
	// first two steps, and four in the third step.
	unlimited, err := execute[train.Result](s, "roomy", "TrainSFT", unevenJob(t, "roomy", dataset, settings))
	require.NoError(t, err)
	want := s.versionOf("roomy", unlimited)
	require.Len(t, want.losses, 5)
	all := c.attempts()
	require.Len(t, all, 1)
	one, four := all[0].Steps[1].Peak, all[0].Peak
	require.Greater(t, four-one, int64(300<<10), "four long rows must take much more memory than one: does the seed still put them together?")

	// This limit is too low for two long rows.
	c.limit(one + (four-one)/6)
	limited, err := execute[train.Result](s, "narrow", "TrainSFT", unevenJob(t, "narrow", dataset, settings))
	require.NoError(t, err)
	require.Equal(t, "trained", limited.Status)
	require.Equal(t, unlimited.Job, limited.Job)
	all = c.attempts()
	require.Len(t, all, 3)
	own := 0.0
	for i, at := range [][2]int{{4, 2}, {2, 4}, {1, 8}} {
		own += all[i].Seconds
		require.Equal(t, at, [2]int{all[i].MicroBatch, all[i].Accumulation}, "the effective batch is the same")
		require.NotNil(t, all[i].Code)
	}
	require.Equal(t, []int{training.ExitOutOfMemory, training.ExitOutOfMemory, training.ExitDone}, []int{*all[0].Code, *all[1].Code, *all[2].Code})
	require.Len(t, all[0].Steps, 2, "the first two steps fit")
	require.Empty(t, all[1].Steps, "it continues with the third step, which does not fit")
	require.Len(t, all[2].Steps, 3)
	require.Zero(t, limited.Redone)
	requireBooked(t, own, limited.Seconds, 0)
	require.InDelta(t, limited.Seconds*gpuPrice/3600, limited.CostUSD, 1e-4, "failed attempts are paid for as well")
	require.Equal(t, []string{"train-cpu"}, s.queues("narrow"), "one activity handles all attempts")

	// The losses are not equal bit for bit: other micro-batches round sums differently, and
	// rounding errors accumulate over steps.
	got := s.versionOf("narrow", limited)
	require.InDeltaSlice(t, want.losses, got.losses, 1e-4)
	require.Equal(t, 4, want.manifest.Outcome.MicroBatch)
	require.Equal(t, 1, got.manifest.Outcome.MicroBatch)
	require.Equal(t, 3, got.manifest.Outcome.Attempts)
	require.Equal(t, want.manifest.Outcome.Tokens, got.manifest.Outcome.Tokens)

	// The same limit is too low for one row that is as long as four long rows.
	var lines strings.Builder
	for i := range 4 {
		writeRow(&lines, i, 800)
	}
	long := filepath.Join(s.dir, "long.jsonl")
	require.NoError(t, os.WriteFile(long, []byte(lines.String()), 0o600))
	in := unevenJob(t, "nowhere", long, strings.NewReplacer(`"batch_size":4`, `"batch_size":1`, `"min_rows":10`, `"min_rows":2`).Replace(settings))
	_, err = execute[train.Result](s, "nowhere", "TrainSFT", in)
	class, _ := failedWith(t, err)
	require.Equal(t, string(fault.Input), class)
	require.ErrorContains(t, err, "not even one row at a time fits the memory of cpu, and no larger class is listed in gpu")
	require.Len(t, c.attempts(), 1)

	in.GPU = []string{"cpu", "t4"}
	next, err := s.client.ExecuteWorkflow(t.Context(), startOptions("next"), "TrainSFT", in)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return len(s.queues("next")) == 2 }, soon, 200*time.Millisecond)
	require.Equal(t, []string{"train-cpu", "train-t4"}, s.queues("next"))
	require.Len(t, c.attempts(), 1)
	require.Contains(t, s.temporalCLI("workflow", "query", "--workflow-id", "next", "--type", "progress", "--output", "json"), "a worker of queue train-t4")
	require.NoError(t, s.client.CancelWorkflow(t.Context(), "next", ""))
	require.Error(t, next.Get(t.Context(), nil))
	require.Empty(t, s.matchingFiles("store/*/training/*/claim.json"))
	require.Empty(t, s.matchingFiles("store/nowhere/adapters"))
}

// trainedVersion is a published version with the losses of its job.
type trainedVersion struct {
	manifest training.Adapter
	losses   []float64
}

func (s *stack) versionOf(tenant string, r train.Result) (l trainedVersion) {
	s.t.Helper()
	s.readJSON(filepath.Join(s.dir, "store", tenant, "adapters", r.Adapter, strconv.Itoa(r.Version), "manifest.json"), &l.manifest)
	l.losses = s.losses(filepath.Join(tenant, "training", r.Job))
	return l
}

// losses returns the losses of all steps of a job; each step must be recorded once.
func (s *stack) losses(job string) (out []float64) {
	s.t.Helper()
	events := s.matchingFiles(filepath.Join("store", job, "output", "*", "events.jsonl"))
	require.Len(s.t, events, 1)
	text, err := os.ReadFile(events[0])
	require.NoError(s.t, err)
	for line := range strings.Lines(string(text)) {
		var e training.Event
		require.NoError(s.t, json.Unmarshal([]byte(line), &e))
		if e.Event == training.EventStep {
			require.Equal(s.t, len(out)+1, e.Step)
			require.NotNil(s.t, e.Loss)
			out = append(out, *e.Loss)
		}
	}
	return out
}

// queues returns the GPU queues that a run has used, in order.
func (s *stack) queues(id string) (queues []string) {
	s.t.Helper()
	for _, event := range s.history(id, "") {
		a := event.GetActivityTaskScheduledEventAttributes()
		if a.GetActivityType().GetName() == "RunTraining" {
			queues = append(queues, a.GetTaskQueue().GetName())
		}
	}
	return queues
}
