// Package scorer runs the commands that score a program's outputs. They are named in
// the worker's configuration, each as a fixed argument vector; an input gives only the
// name. A command reads {"example": …, "outputs": …} from its standard input and writes a
// number from 0 to 1, or {"score": …, "feedback": "…"}. Its input was written by models, so it runs in a sandbox: no network,
// no environment, no writable files, a time limit. The package does not know optimizations.
package scorer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/sandbox"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/metric"
	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/strictjson"
)

const (
	op        = "score by command"
	maxOutput = 64 << 10 // bytes: a number and feedback
)

// Options of a Scorer.
type Options struct {
	Sandbox  *sandbox.Sandbox
	Commands map[string][]string // by name: the program (an absolute path, or a name on the PATH) and its arguments
	Timeout  time.Duration       // of one score; 0 = 1 min
}

// Scorer runs the commands. Make one with New.
type Scorer struct {
	options  Options
	commands map[string]command
	slots    chan struct{} // each process uses about one core
}

// command is a configured command, or the error why its program cannot be used.
type command struct {
	sandbox.Command
	err error
}

// New finds the program of every command. A missing program is reported only when its
// command is used, because other workers may have it.
func New(o Options) *Scorer {
	if o.Timeout <= 0 {
		o.Timeout = time.Minute
	}
	s := &Scorer{options: o, commands: map[string]command{}, slots: make(chan struct{}, runtime.GOMAXPROCS(0))}
	for name, argv := range o.Commands {
		s.commands[name] = s.find(name, argv)
	}
	return s
}

func (s *Scorer) find(name string, argv []string) command {
	bad := func(err error) command {
		return command{err: &fault.Error{
			Class: fault.Input, Op: op, Subject: name, Reason: "its program was not found; correct cogflow.optimize.metrics", Err: err,
		}}
	}
	if len(argv) == 0 {
		return bad(errors.New("the list of arguments is empty"))
	}
	path, err := exec.LookPath(argv[0])
	if err == nil && !filepath.IsAbs(path) {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return bad(err)
	}
	return command{Command: sandbox.Command{
		Path: path, Args: argv[1:], Read: readable(path, argv[1:]),
		Limits: sandbox.Limits{Wall: s.options.Timeout, CPU: s.options.Timeout, Memory: 4 << 30, Total: 4 << 30, Files: 256, Processes: 512},
	}}
}

// readable lists the directories that a command may read: the directories of the files
// that its arguments name and, for a program of a Python environment, the environment.
func readable(path string, args []string) (dirs []string) {
	add := func(dir string) {
		if dir != "/" && !strings.HasPrefix(dir+"/", "/usr/") && !slices.Contains(dirs, dir) {
			dirs = append(dirs, dir)
		}
	}
	programs := []string{path}
	if target, err := filepath.EvalSymlinks(path); err == nil {
		programs = append(programs, target)
	}
	for _, p := range programs {
		if dir := sandbox.Installation(p); dir != filepath.Dir(p) {
			add(dir)
		}
	}
	for _, a := range args {
		info, err := os.Stat(a)
		switch {
		case !filepath.IsAbs(a) || err != nil:
		case info.IsDir():
			add(filepath.Clean(a))
		default:
			add(filepath.Dir(a))
		}
	}
	return dirs
}

// Known returns an error if a command is not configured. Whether its program is installed,
// only Check on a worker that runs it can say.
func (s *Scorer) Known(name string) error {
	if _, ok := s.commands[name]; ok {
		return nil
	}
	known := "no command is configured"
	if names := slices.Sorted(maps.Keys(s.commands)); len(names) > 0 {
		known = "configured: " + strings.Join(names, ", ")
	}
	return fault.New(fault.Input, op, name, "command not found in this worker's configuration (cogflow.optimize.metrics); "+known)
}

// Check returns an error if a command cannot be run on this worker.
func (s *Scorer) Check(name string) error {
	if err := s.Known(name); err != nil {
		return err
	}
	return s.commands[name].err
}

// Score runs a command on an example and the outputs of a program.
func (s *Scorer) Score(ctx context.Context, name string, example, outputs *prompt.Object) (metric.Mark, error) {
	if err := s.Check(name); err != nil {
		return metric.Mark{}, err
	}
	question, err := json.Marshal(map[string]*prompt.Object{"example": example, "outputs": outputs})
	if err != nil {
		return metric.Mark{}, fault.Wrap(fault.Input, op, name, err)
	}
	select {
	case s.slots <- struct{}{}:
	case <-ctx.Done():
		return metric.Mark{}, context.Cause(ctx)
	}
	defer func() { <-s.slots }()
	c := s.commands[name].Command
	c.Stdin = bytes.NewReader(append(question, '\n'))
	out, err := s.options.Sandbox.Run(ctx, c, maxOutput)
	if err != nil {
		return metric.Mark{}, s.explain(ctx, name, err)
	}
	return read(name, out)
}

// explain classifies the failure of a command. Commands are deterministic, so a failure
// is permanent, except for the time limit: a retry on a less busy machine may succeed.
func (s *Scorer) explain(ctx context.Context, name string, err error) error {
	f := fault.New(fault.Input, op, name, "")
	exit, exited := errors.AsType[*sandbox.ExitError](err)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, sandbox.ErrWall):
		f.Class, f.Reason = fault.Transport, "no score within "+s.options.Timeout.String()
	case errors.Is(err, sandbox.ErrMemory):
		f.Reason = "it exceeded the limit of 4 GiB of memory"
	case errors.Is(err, sandbox.ErrOutput):
		f.Reason = "it wrote more than 64 KiB"
	case exited:
		f.Reason = exit.Status
		if exit.Stderr != "" {
			f.Reason += "; stderr: " + strconv.Quote(safetext.Clean(safetext.Tail(exit.Stderr, longest)))
		}
	default:
		return fault.Wrap(fault.Transport, op, name, err)
	}
	return f
}

// read accepts a JSON number from 0 to 1, or an object with such a score and feedback.
func read(name string, out []byte) (metric.Mark, error) {
	var said struct {
		Score      *float64          `json:"score"`
		Feedback   string            `json:"feedback"`
		Predictors map[string]string `json:"predictors"`
	}
	var err error
	if bytes.HasPrefix(bytes.TrimSpace(out), []byte("{")) {
		err = strictjson.Unmarshal(out, &said)
	} else {
		err = json.Unmarshal(out, &said.Score)
	}
	switch {
	case err != nil || said.Score == nil:
		return metric.Mark{}, fault.New(fault.Input, op, name, "it wrote "+excerpt(string(out))+"; it must write a number from 0 to 1, or an object with score, feedback and predictors")
	case *said.Score < 0 || *said.Score > 1:
		return metric.Mark{}, fault.New(fault.Input, op, name, "its score "+strconv.FormatFloat(*said.Score, 'g', -1, 64)+" must be from 0 to 1")
	}
	return metric.Mark{Score: *said.Score, Feedback: said.Feedback, Predictors: said.Predictors}, nil
}

const longest = 300 // characters of a command's output that are shown

// excerpt is the beginning of a text, on one line.
func excerpt(text string) string {
	return strconv.Quote(safetext.Line(text, longest))
}
