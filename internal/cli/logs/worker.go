package logs

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/logfile"
	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/training"
)

// line is one line of a log.
type line struct {
	Time       time.Time      `json:"time"`
	Source     string         `json:"source"` // "worker", "trainer", or "other": a program that only logs the trace
	Level      string         `json:"level"`
	WorkflowID string         `json:"workflow_id"`
	RunID      string         `json:"run_id,omitempty"`
	TraceID    string         `json:"trace_id,omitempty"`
	SpanID     string         `json:"span_id,omitempty"`
	Message    string         `json:"message"`
	Fields     map[string]any `json:"fields,omitempty"`
}

const (
	fromWorker  = "worker"
	fromTrainer = "trainer"
	fromOther   = "other"
)

// workerTime is the time format of a worker's log.
const workerTime = "2006-01-02T15:04:05.000Z0700"

// parseWorker parses a line of a worker's log, or of another program that logs its trace. ok is
// false if the line names neither a workflow nor a trace.
func parseWorker(text []byte) (l line, ok bool) {
	fields := parseFields(trimPrefix(text))
	take := func(names ...string) (value string) {
		for _, name := range names {
			if v, is := fields[name].(string); is && value == "" {
				value = v
				delete(fields, name)
			}
		}
		return value
	}
	l = line{
		Source: fromWorker, Level: take("level"), Message: take("msg", "message"), WorkflowID: take("WorkflowID"), RunID: take("RunID"),
		TraceID: take("trace_id"), SpanID: take("span_id"),
	}
	stamp := take("ts", "time", "timestamp")
	at, err := time.Parse(workerTime, stamp)
	if err != nil {
		at, err = time.Parse(time.RFC3339, stamp)
	}
	if l.Time = at; l.WorkflowID == "" {
		l.Source, l.Level = fromOther, cmp.Or(strings.ToLower(l.Level), "info")
	}
	for _, name := range []string{"Namespace", "TaskQueue", "WorkerID"} { // of the worker, not of the job
		delete(fields, name)
	}
	l.Fields = fields
	return l, err == nil && (l.WorkflowID != "" || l.TraceID != "")
}

// parseFields returns the fields of a line. Collectors wrap lines: those of Docker and Fluent
// Bit have them in log, those of Vector in message.
func parseFields(text []byte) (fields map[string]any) {
	if json.Unmarshal(text, &fields) != nil {
		return nil
	}
	for _, name := range []string{"log", "message"} {
		if inner, _ := fields[name].(string); strings.HasPrefix(inner, "{") {
			var unwrapped map[string]any
			if json.Unmarshal([]byte(inner), &unwrapped) == nil {
				return unwrapped
			}
		}
	}
	return fields
}

// trimPrefix removes the prefix that docker compose and kubectl add to a line.
func trimPrefix(text []byte) []byte {
	at := bytes.IndexByte(text, '{')
	return text[max(at, 0):]
}

// reads calls do for each line that was written since the last call.
type reads func(do func(text []byte)) error

func folder(dir string) reads {
	r := &logfile.Reader{Dir: dir}
	return r.Next
}

func once(from io.Reader) reads {
	return func(do func(text []byte)) error {
		_, err := logfile.Lines(from, do)
		return err
	}
}

func file(path string) reads {
	return func(do func(text []byte)) error {
		f, err := os.Open(path)
		if err != nil {
			return cli.Usage("--worker-log: %v", err)
		}
		defer f.Close()
		return once(f)(do)
	}
}

// sources are the logs from which the lines of a job are read.
type sources struct {
	id, run  string
	level    string
	traces   []string // of the runs
	workers  reads    // nil = not available
	trainers *trainers
}

// next returns the lines since the last call, ordered by time.
func (s *sources) next(ctx context.Context) ([]line, error) {
	all := []line{}
	if s.workers != nil {
		err := s.workers(func(text []byte) {
			if l, ok := parseWorker(text); ok && s.wants(l) {
				all = append(all, l)
			}
		})
		if err != nil {
			return nil, err
		}
	}
	more, err := s.trainers.next(ctx)
	if err != nil {
		return nil, err
	}
	for _, l := range more {
		if s.atLevel(l) {
			all = append(all, l)
		}
	}
	slices.SortStableFunc(all, func(a, b line) int { return a.Time.Compare(b.Time) })
	return all, nil
}

// wants reports whether a line is about the job or its child workflows, whose ids begin with
// its id. A line that names no workflow is about the job if it has its trace.
func (s *sources) wants(l line) bool {
	mine := l.WorkflowID == s.id && (s.run == "" || s.run == l.RunID)
	child := s.run == "" && strings.HasPrefix(l.WorkflowID, s.id+"/")
	traced := l.WorkflowID == "" && slices.Contains(s.traces, l.TraceID)
	return (mine || child || traced) && s.atLevel(l)
}

// atLevel reports whether a line has at least the selected level. Unknown levels, such as
// dpanic, are the highest.
func (s *sources) atLevel(l line) bool {
	at := slices.Index(levels(), l.Level)
	return at < 0 || at >= slices.Index(levels(), s.level)
}

// maxField is the maximum length of the value of a field, in bytes.
const maxField = 1000

// stack is the field with the stack trace.
const stack = "stacktrace"

// text formats the line. It omits the id of the job itself, and stack traces unless wide.
func (l line) text(id string, wide bool) string {
	var b strings.Builder
	level := l.Level
	if l.Source == fromTrainer {
		level = fromTrainer
	}
	fmt.Fprintf(&b, "%s  %-7s  %s", l.Time.UTC().Format(training.LogTime), safetext.Line(level, 20), safetext.Line(l.Message, 8*maxField))
	if l.WorkflowID != id && l.WorkflowID != "" {
		fmt.Fprintf(&b, "  WorkflowID=%s", safetext.Line(l.WorkflowID, maxField))
	}
	if wide && l.TraceID != "" {
		fmt.Fprintf(&b, "  trace_id=%s  span_id=%s", safetext.Line(l.TraceID, maxField), safetext.Line(l.SpanID, maxField))
	}
	for _, name := range slices.Sorted(maps.Keys(l.Fields)) {
		if name == stack && !wide {
			continue
		}
		value, ok := l.Fields[name].(string)
		if !ok {
			value = fmt.Sprint(l.Fields[name])
		}
		fmt.Fprintf(&b, "  %s=%s", safetext.Line(name, maxField), safetext.Line(value, maxField))
	}
	return b.String()
}
