// Package trainer runs the training process, a separate Python program
// (trainer/PROTOCOL.md): one process for one attempt of one job, which reads a JSON
// document and writes events. The package ends the process when the attempt is stopped
// or cancelled, and reports how it ended. It does not know stores, queues and retries.
package trainer

import (
	"cmp"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/sandbox"
	"github.com/cogniverse/cogflow/panics"
	"github.com/cogniverse/cogflow/training"
)

const op = "train"

// Options of a Runner.
type Options struct {
	Python  string           // interpreter; empty = Dir/.venv/bin/python
	Dir     string           // absolute path of the trainer project; empty = it is installed in the interpreter
	Grace   time.Duration    // grace period between the request to stop and the kill; 0 = 1 min
	Sandbox *sandbox.Sandbox // in which the process runs; nil = without a sandbox
	// Memory is the maximum in bytes, and Processes the maximum number of processes and
	// threads, of a process with all its descendants. 0 = see DefaultLimits.
	Memory, Processes uint64
	Env               []string // more variables of the process's environment, "LD_LIBRARY_PATH=…"; it inherits no others
	// DeviceEnv returns more variables of a process that uses devices. nil = there are none.
	DeviceEnv func(devices string) []string
}

// Runner runs trainer processes. It is safe for concurrent use. Make one with New.
type Runner struct {
	options  Options
	oomKills func() (kills int64, known bool)
}

// New makes a Runner. Check reports whether the trainer is installed.
func New(o Options) *Runner {
	if o.Python == "" {
		o.Python = filepath.Join(o.Dir, ".venv", "bin", "python")
	}
	if path, err := exec.LookPath(o.Python); err == nil { // if this fails, the start reports it
		o.Python = path
	}
	if path, err := filepath.Abs(o.Python); err == nil {
		o.Python = path // the process starts in another directory
	}
	if o.Grace <= 0 {
		o.Grace = time.Minute
	}
	memory, processes := DefaultLimits()
	o.Memory, o.Processes = cmp.Or(o.Memory, memory), cmp.Or(o.Processes, processes)
	return &Runner{options: o, oomKills: oomKills}
}

// Run trains: it writes job.json into the job's work_dir, starts the process on the
// devices (CUDA_VISIBLE_DEVICES; empty = no GPU) and calls on with each event, in order
// and one at a time, before it returns. on should be quick: the process blocks when some
// hundred events are waiting. All output of the process is written to log (nil =
// discarded) before Run returns.
//
// Closing stop (nil = never) asks the process to write a checkpoint and exit; after the
// grace period it is killed. When ctx ends, it is killed at once. If on returns an
// error, the process is stopped in the same way as by stop, and Run returns the error.
// When Run returns, all processes of the group have ended.
//
// The error is nil after a done event and exit code 0; training.ErrStopped when the process
// stopped on request; training.ErrOutOfMemory when the micro-batch is too big for the GPU
// or the host; otherwise a fault with its class.
func (r *Runner) Run(ctx context.Context, job training.Job, devices string, log io.Writer, stop <-chan struct{}, on func(training.Event) error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	path, err := write(job)
	if err != nil {
		return err
	}
	kills, counted := r.oomKills()
	p, err := r.start(job.WorkDir, devices, log, paths(job), "-m", "trainer", path)
	if err != nil {
		return r.startFault(err)
	}
	quit := make(chan struct{})
	watched := make(chan struct{})
	panics.Go(func() error { p.watch(ctx, r.options.Grace, stop, quit); return nil }, func(err error) {
		p.onPanic(err)
		close(watched)
	})
	got := p.listen(job.Job, on, quit, r.options.Grace)
	<-p.gone
	<-watched
	if err := p.failure(); err != nil {
		return err
	}

	killed := p.signal() == sigKill && !p.killed
	if killed && counted {
		now, known := r.oomKills()
		killed = !known || now > kills
	}
	if exceeded := r.exceeded(job, p); exceeded != nil && (p.code() != training.ExitDone || !got.done) && ctx.Err() == nil {
		return exceeded
	}
	return verdict(ctx, job, p, got, killed)
}

// write writes job.json into the work_dir.
func write(job training.Job) (string, error) {
	if !filepath.IsAbs(job.WorkDir) {
		return "", fault.New(fault.Input, op, job.WorkDir, "work_dir must be an absolute path")
	}
	text, err := json.Marshal(job)
	if err != nil {
		return "", fault.Wrap(fault.Input, op, job.Job, err)
	}
	if err := os.MkdirAll(filepath.Join(job.WorkDir, "tmp"), 0o700); err != nil {
		return "", fault.Disk(op, job.WorkDir, err)
	}
	path := filepath.Join(job.WorkDir, "job.json")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		return "", fault.Disk(op, path, err)
	}
	return path, nil
}

// command returns the interpreter with these arguments and without this process's
// environment, in the sandbox if there is one. Descriptor 3 is events.
func (r *Runner) command(dir, devices string, events *os.File, read []string, args ...string) (*exec.Cmd, *sandbox.Wrapped, error) {
	if r.options.Sandbox != nil {
		w, err := r.confined(dir, devices, events, read, args...)
		if err != nil {
			return nil, nil, err
		}
		return w.Cmd, w, nil
	}
	return &exec.Cmd{
		Path: r.options.Python, Args: append([]string{r.options.Python}, args...),
		Env: r.environment(dir, devices), Dir: dir, ExtraFiles: []*os.File{events},
	}, nil, nil
}

// environment restricts the process to its directory and prevents network access of its
// libraries. Everything that determines the result is in the job, except the seed of
// Python's hashes, which only the environment can set.
func (r *Runner) environment(dir, devices string) []string {
	env := append([]string{}, r.options.Env...)
	env = append(env,
		"PATH="+filepath.Dir(r.options.Python)+":/usr/local/bin:/usr/bin:/bin",
		"HOME="+dir, "LOGNAME=cogflow", "TMPDIR="+filepath.Join(dir, "tmp"), "LANG=C.UTF-8",
		"CUDA_VISIBLE_DEVICES="+devices, "CUDA_DEVICE_ORDER=PCI_BUS_ID", // numbers as nvidia-smi counts
		"HF_HUB_OFFLINE=1", "TRANSFORMERS_OFFLINE=1", "HF_DATASETS_OFFLINE=1",
		"HF_HUB_DISABLE_TELEMETRY=1", "DO_NOT_TRACK=1", "WANDB_MODE=disabled", "TOKENIZERS_PARALLELISM=false",
		"TORCHINDUCTOR_CACHE_DIR="+filepath.Join(dir, "tmp", "inductor"),
		"PYTHONUNBUFFERED=1", "PYTHONHASHSEED=0", "PYTHONNOUSERSITE=1", "PYTHONSAFEPATH=1", "PYTHONDONTWRITEBYTECODE=1",
	)
	if devices != "" && r.options.DeviceEnv != nil {
		env = append(env, r.options.DeviceEnv(devices)...)
	}
	if r.options.Dir != "" {
		env = append(env, "PYTHONPATH="+filepath.Join(r.options.Dir, "src"))
	}
	return env
}

// startFault returns why the process could not be started.
func (r *Runner) startFault(err error) error {
	if os.IsNotExist(err) || os.IsPermission(err) {
		return &fault.Error{
			Class: fault.Input, Op: "start the trainer", Subject: r.options.Python,
			Reason: "Python not found; " + install, Err: err,
		}
	}
	return sandbox.StartFault("start the trainer", r.options.Python, err)
}

// install is the advice when the trainer is not installed.
const install = "run `make trainer` on this worker, or remove it from the pool train"

// missing finds in Python's output that the trainer or one of its libraries is not installed.
func missing(stderr string) bool { return strings.Contains(stderr, "No module named ") }
