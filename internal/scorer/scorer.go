// Package scorer runs the commands that score a program's outputs. They are named in
// the worker's configuration, each as a fixed argument vector; an input gives only the
// name. A command gets {"example": …, "outputs": …} on its standard input, and says a
// number from 0 to 1. What it reads was written by models, so it runs in a sandbox: no
// network, no environment, nothing to write, an end. It knows no optimization.
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
	"github.com/cogniverse/cogflow/safetext"
)

const (
	op        = "score by command"
	maxOutput = 4 << 10 // bytes: a number, and room for spaces
)

// Options of a Scorer.
type Options struct {
	Sandbox  *sandbox.Sandbox
	Commands map[string][]string // by name: the program, absolute or on the PATH, and its arguments
	Timeout  time.Duration       // of one score; 0 = 1 min
}

// Scorer runs the commands. Make one with New.
type Scorer struct {
	options  Options
	commands map[string]command
	slots    chan struct{} // a process is about one busy core
}

// command is one that was found, or why it was not.
type command struct {
	sandbox.Command
	err error
}

// New looks for every command. One that is not there is told when it is asked
// for: other workers may have it.
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
		return bad(errors.New("it has no program"))
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

// readable lists what a command reads of the file system: the folders of the
// files that its arguments name and, of a program in a bin folder, what lies
// beside that, which is where a Python environment has its modules.
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

// Known says why a command cannot be used anywhere: it is not configured. Whether its
// program is there only the workers that run it can tell.
func (s *Scorer) Known(name string) error {
	if _, ok := s.commands[name]; ok {
		return nil
	}
	known := "none is"
	if names := slices.Sorted(maps.Keys(s.commands)); len(names) > 0 {
		known = "known are " + strings.Join(names, ", ")
	}
	return fault.New(fault.Input, op, name, "no such command is in this worker's configuration (cogflow.optimize.metrics); "+known)
}

// Check says why a command cannot be run here; nil = it can.
func (s *Scorer) Check(name string) error {
	if err := s.Known(name); err != nil {
		return err
	}
	return s.commands[name].err
}

// Score runs a command on an example and what a program made of it.
func (s *Scorer) Score(ctx context.Context, name string, example, outputs *prompt.Object) (float64, error) {
	if err := s.Check(name); err != nil {
		return 0, err
	}
	question, err := json.Marshal(map[string]*prompt.Object{"example": example, "outputs": outputs})
	if err != nil {
		return 0, fault.Wrap(fault.Input, op, name, err)
	}
	select {
	case s.slots <- struct{}{}:
	case <-ctx.Done():
		return 0, context.Cause(ctx)
	}
	defer func() { <-s.slots }()
	c := s.commands[name].Command
	c.Stdin = bytes.NewReader(append(question, '\n'))
	out, err := s.options.Sandbox.Run(ctx, c, maxOutput)
	if err != nil {
		return 0, s.explain(ctx, name, err)
	}
	return read(name, out)
}

// explain classifies the end of a command: what it does to this example it does
// again, but a slow machine may be faster the next time.
func (s *Scorer) explain(ctx context.Context, name string, err error) error {
	f := fault.New(fault.Input, op, name, "")
	exit, exited := errors.AsType[*sandbox.ExitError](err)
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, sandbox.ErrWall):
		f.Class, f.Reason = fault.Transport, "no score within "+s.options.Timeout.String()
	case errors.Is(err, sandbox.ErrMemory):
		f.Reason = "it needs more than 4 GiB of memory"
	case errors.Is(err, sandbox.ErrOutput):
		f.Reason = "it writes more than a number"
	case exited:
		f.Reason = exit.Status
		if exit.Stderr != "" {
			f.Reason += "; it says " + strconv.Quote(safetext.Clean(safetext.Tail(exit.Stderr, longest)))
		}
	default:
		return fault.Wrap(fault.Transport, op, name, err)
	}
	return f
}

// read takes a JSON number from 0 to 1 and nothing else.
func read(name string, out []byte) (float64, error) {
	var score *float64
	if err := json.Unmarshal(out, &score); err != nil || score == nil {
		return 0, fault.New(fault.Input, op, name, "it wrote "+excerpt(string(out))+" and not a number from 0 to 1")
	}
	if *score < 0 || *score > 1 {
		return 0, fault.New(fault.Input, op, name, "its score "+strconv.FormatFloat(*score, 'g', -1, 64)+" is not from 0 to 1")
	}
	return *score, nil
}

const longest = 300 // characters that are shown of what a command says

// excerpt is the beginning of a text, on one line.
func excerpt(text string) string {
	return strconv.Quote(safetext.Line(text, longest))
}
