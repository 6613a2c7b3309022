package train

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/training"
)

// What the trainer prints is stored beside the checkpoints of its job, so that whoever
// reads the store can read it while the job runs, and on another host.
const (
	maxLogLine  = 4 << 10   // bytes of a line that are kept
	maxUnended  = 64 << 10  // bytes that are taken for a line although none ends there
	maxLogHead  = 64 << 10  // bytes of the beginning that are kept
	maxLogTail  = 448 << 10 // bytes of the end
	keptLogs    = 10        // of a job: those of its last attempts
	storeLogAt  = 10 * time.Second
	lastLogWait = 10 * time.Second // of the end of an attempt, for its log
)

// processLog keeps lines with their times: the beginning, and the end. Its writes never
// fail. Make one with newProcessLog.
type processLog struct {
	redactor *safetext.Redactor
	now      func() time.Time
	began    time.Time

	mu         sync.Mutex
	unended    []byte // of the line that is being written
	head, tail []byte // whole lines
	dropped    int    // lines between head and tail
	changed    bool   // since the last taking
}

func newProcessLog(redactor *safetext.Redactor, now func() time.Time) *processLog {
	return &processLog{redactor: redactor, now: now, began: now()}
}

// Write takes what a process prints.
func (l *processLog) Write(text []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.unended = append(l.unended, text...)
	for {
		at := bytes.IndexByte(l.unended, '\n')
		if at < 0 {
			break
		}
		l.line(l.unended[:at])
		l.unended = l.unended[at+1:]
	}
	if len(l.unended) > maxUnended {
		l.line(l.unended)
		l.unended = nil
	}
	return len(text), nil
}

// line keeps one. Progress bars overwrite their line: what was written last is left.
func (l *processLog) line(text []byte) {
	text = bytes.TrimRight(text, "\r \t")
	text = text[bytes.LastIndexByte(text, '\r')+1:]
	if len(text) == 0 {
		return
	}
	line := l.now().UTC().Format(training.LogTime) + " " + l.redactor.Line(string(text), maxLogLine) + "\n"
	l.changed = true
	if len(l.tail) == 0 && len(l.head)+len(line) <= maxLogHead {
		l.head = append(l.head, line...)
		return
	}
	l.tail = append(l.tail, line...)
	for len(l.tail) > maxLogTail {
		l.tail = l.tail[bytes.IndexByte(l.tail, '\n')+1:]
		l.dropped++
	}
}

// end ends the line that a process has left unended.
func (l *processLog) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.line(l.unended)
	l.unended = nil
}

// say adds a line of ours.
func (l *processLog) say(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.line(fmt.Appendf(nil, "cogflow: "+format, args...))
}

// ended says how the trainer ended.
func (l *processLog) ended(err error) {
	if err == nil {
		l.say("done")
		return
	}
	l.say("ended: %s", safetext.Line(err.Error(), maxTrouble))
}

// take returns all that is kept, or nil if nothing came since the last time.
func (l *processLog) take() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.changed {
		return nil
	}
	l.changed = false
	all := slices.Clone(l.head)
	if l.dropped > 0 {
		all = fmt.Appendf(all, "%s cogflow: %d lines are left out here\n", l.tail[:len(training.LogTime)], l.dropped)
	}
	return append(all, l.tail...)
}

// keepLog stores the log now and then.
func (r *attempt) keepLog(ctx context.Context, done <-chan struct{}) {
	ticker := time.NewTicker(storeLogAt)
	defer ticker.Stop()
	for {
		select {
		case <-done:
			return
		case <-ticker.C:
			r.storeLog(ctx)
		}
	}
}

// storeLog stores the log if there is more of it. A job does not fail for want of its log.
func (r *attempt) storeLog(ctx context.Context) {
	text := r.log.take()
	if text == nil {
		return
	}
	within, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastLogWait)
	defer cancel()
	within = activities.WithTenant(within, r.in.Tenant)
	_, err := r.a.Store.Put(within, training.LogKey(r.in.Tenant, r.in.Job, r.log.began, r.token), bytes.NewReader(text))
	if err == nil && !r.pruned {
		err = r.a.pruneLogs(within, r.in)
		r.pruned = err == nil
	}
	if err != nil {
		activity.GetLogger(ctx).Warn("The trainer's log is not stored", "Job", r.in.Job, "Error", err)
	}
}

// pruneLogs deletes the logs of attempts long gone.
func (a *Activities) pruneLogs(ctx context.Context, in RunInput) error {
	var keys []string
	err := a.Store.List(ctx, training.LogsPrefix(in.Tenant, in.Job), func(o object.Info) error {
		keys = append(keys, o.Key)
		return nil
	})
	if err != nil || len(keys) <= keptLogs {
		return err
	}
	for _, key := range keys[:len(keys)-keptLogs] {
		if err := a.Store.Delete(ctx, key); err != nil {
			return err
		}
	}
	return nil
}
