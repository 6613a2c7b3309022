// Package trainer runs the training process, a Python program of its own
// (trainer/PROTOCOL.md): one process for one attempt of one job, a document in,
// events out. It sees to it that the process ends when it is no longer wanted,
// and says how it ended. It knows nothing of stores, queues and retries.
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
	Dir     string           // the trainer project, absolute; empty = the interpreter has it installed
	Grace   time.Duration    // from the wish that the process stops to the end of patience; 0 = 1 min
	Sandbox *sandbox.Sandbox // in which the process runs; nil = in none
	// Memory bounds the bytes, and Processes the number of processes and threads, of a process
	// with all that it starts. 0 = see DefaultLimits.
	Memory, Processes uint64
	Env               []string // more of the process's environment, "LD_LIBRARY_PATH=…"; nothing else of ours reaches it
}

// Runner runs trainer processes. It is safe for concurrent use. Make one with New.
type Runner struct {
	options  Options
	oomKills func() (kills int64, known bool)
}

// New makes a Runner. Whether the trainer works here is for Check to say.
func New(o Options) *Runner {
	if o.Python == "" {
		o.Python = filepath.Join(o.Dir, ".venv", "bin", "python")
	}
	if path, err := exec.LookPath(o.Python); err == nil { // if not, the start will say so
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

// Run trains: it writes job.json into the job's work_dir, starts the process on
// the devices (CUDA_VISIBLE_DEVICES; empty = no GPU) and tells on each event, in
// order and one at a time, before it returns. on should be quick: the process
// waits when some hundred events are not taken. What the process prints goes to log
// (nil = nowhere), all of it before Run returns.
//
// Closing stop (nil = never) asks the process for a checkpoint and its end; after
// the grace it is killed. The end of ctx kills it at once. An error of on stops
// it like stop and is returned. When Run returns, nothing of the process's group
// is left.
//
// The error is nil after a done event and exit code 0; training.ErrStopped when
// it was asked to stop and went; training.ErrOutOfMemory when the micro-batch is
// too big for the GPU or the host; else a fault by its class.
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
		p.unwatched(err)
		close(watched)
	})
	said := p.listen(job.Job, on, quit, r.options.Grace)
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
	if exceeded := r.exceeded(job, p); exceeded != nil && (p.code() != training.ExitDone || !said.done) && ctx.Err() == nil {
		return exceeded
	}
	return verdict(ctx, job, p, said, killed)
}

// write puts job.json where the process reads it.
func write(job training.Job) (string, error) {
	if !filepath.IsAbs(job.WorkDir) {
		return "", fault.New(fault.Input, op, job.WorkDir, "work_dir is not an absolute path")
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

// command is the interpreter with these arguments and nothing of our environment, in the
// sandbox if there is one. It has events as descriptor 3.
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

// environment keeps the process to its directory and off the network, whatever
// libraries it has. Everything that decides the result is in the job, but for
// the order of Python's hashes, which only the environment can fix.
func (r *Runner) environment(dir, devices string) []string {
	env := append([]string{}, r.options.Env...)
	env = append(env,
		"PATH="+filepath.Dir(r.options.Python)+":/usr/local/bin:/usr/bin:/bin",
		"HOME="+dir, "LOGNAME=cogflow", "TMPDIR="+filepath.Join(dir, "tmp"), "LANG=C.UTF-8",
		"CUDA_VISIBLE_DEVICES="+devices,
		"HF_HUB_OFFLINE=1", "TRANSFORMERS_OFFLINE=1", "HF_DATASETS_OFFLINE=1",
		"HF_HUB_DISABLE_TELEMETRY=1", "DO_NOT_TRACK=1", "WANDB_MODE=disabled", "TOKENIZERS_PARALLELISM=false",
		"TORCHINDUCTOR_CACHE_DIR="+filepath.Join(dir, "tmp", "inductor"),
		"PYTHONUNBUFFERED=1", "PYTHONHASHSEED=0", "PYTHONNOUSERSITE=1", "PYTHONSAFEPATH=1", "PYTHONDONTWRITEBYTECODE=1",
	)
	if r.options.Dir != "" {
		env = append(env, "PYTHONPATH="+filepath.Join(r.options.Dir, "src"))
	}
	return env
}

// startFault says why there is no process.
func (r *Runner) startFault(err error) error {
	if os.IsNotExist(err) || os.IsPermission(err) {
		return &fault.Error{
			Class: fault.Input, Op: "start the trainer", Subject: r.options.Python,
			Reason: "Python not found; " + install, Err: err,
		}
	}
	return sandbox.StartFault("start the trainer", r.options.Python, err)
}

// install is the advice when the trainer is not there.
const install = "run `make trainer` on this worker, or take it out of the pool train"

// missing finds in what Python said that the trainer or a library of it is absent.
func missing(stderr string) bool { return strings.Contains(stderr, "No module named ") }
