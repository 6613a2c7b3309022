package logs

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"github.com/cogniverse/cogflow/internal/logfile"
	"github.com/cogniverse/cogflow/internal/loki"
	"github.com/cogniverse/cogflow/internal/traces"
)

const (
	// varCollected names the files with the collected lines of all hosts.
	varCollected = "COGFLOW_COLLECTED_LOGS"
	// varSelector overrides defaultSelector.
	varSelector = "COGFLOW_LOKI_SELECTOR"
	// defaultSelector finds workers whose container or label is named as in our documentation.
	defaultSelector = `{service_name=~"cogflow.*"}`
	// maxRuns bounds the runs of a job whose traces are looked for.
	maxRuns = 256
	// early is how much earlier than a job's start the clock of a worker may be.
	early = time.Minute
)

// collected returns the reads of the lines that are collected from all hosts: from Loki, or from
// files; nil = they are not collected.
func (a app) collected(ctx context.Context, s *sources, begun time.Time) (reads, error) {
	texts := append([]string{inJSON(s.id)}, s.traces...)
	if o := loki.Environment(a.Getenv); o.URL != "" {
		r, err := loki.New(o, cmp.Or(a.Getenv(varSelector), defaultSelector), texts, begun.Add(-early))
		if err != nil {
			return nil, err
		}
		return func(do func([]byte)) error { return r.Next(ctx, do) }, nil
	}
	pattern := a.Getenv(varCollected)
	if pattern == "" {
		return nil, nil //nolint:nilnil // nil = not collected
	}
	r := &logfile.Reader{Pattern: pattern}
	return func(do func([]byte)) error {
		return r.Next(func(line []byte) {
			for _, text := range texts { // before the line is parsed: there may be millions
				if bytes.Contains(line, []byte(text)) {
					do(line)
					return
				}
			}
		})
	}, nil
}

// inJSON returns a text as it is within a line of JSON.
func inJSON(text string) string {
	quoted, _ := json.Marshal(text) // a string has no error
	return strings.Trim(string(quoted), `"`)
}

// runs is what the runs of a job say of their lines.
type runs struct {
	begun  time.Time // of the first run
	traces []string
}

// runsOf reads the first event of a run and, unless only is set, of the runs before it.
func runsOf(ctx context.Context, c client.Client, namespace, id, run string, only bool) (r runs, err error) {
	for {
		events := c.GetWorkflowHistory(ctx, id, run, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
		if !events.HasNext() {
			return r, nil
		}
		first, err := events.Next()
		if _, gone := errors.AsType[*serviceerror.NotFound](err); gone && r.traces != nil {
			return r, nil // the retention of an earlier run has ended
		}
		if err != nil {
			return r, err
		}
		begun := first.GetWorkflowExecutionStartedEventAttributes()
		r.begun = first.GetEventTime().AsTime()
		r.traces = append(r.traces, traces.Of(namespace, id, run, begun))
		run = begun.GetContinuedExecutionRunId()
		if run == "" || only || len(r.traces) == maxRuns {
			return r, nil
		}
	}
}
