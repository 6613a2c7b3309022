package cli

import (
	"fmt"
	"io"
	"time"

	"github.com/cogniverse/cogflow/safetext"
)

// lines shows a job as plain lines, for logs and pipes: one line for each change, at most one per
// second, and without a change one every few seconds.
type lines struct {
	out io.Writer
	now func() time.Time

	last    Progress
	at      time.Time // of the last line
	change  string    // Change of the last line
	said    string    // text of the last line
	failed  int       // number of failures printed
	started bool
}

const (
	lineAfter = time.Second
	lineEvery = 5 * time.Second
)

// NewLines makes a view that writes lines with the time that now returns.
func NewLines(out io.Writer, now func() time.Time) View { return &lines{out: out, now: now} }

func (l *lines) Note(text string) {
	fmt.Fprintln(l.out, l.now().Format(time.TimeOnly), safetext.Clean(text))
}

func (l *lines) Show(p Progress, final bool) {
	after(l.last, p)
	l.last = p
	failures := p.Failures()
	for _, text := range failures[min(l.failed, len(failures)):] {
		l.Note(text)
	}
	l.failed = max(l.failed, len(failures))
	change, since := p.Change(), l.now().Sub(l.at)
	if l.started && !final && (since < lineAfter || (change == l.change && since < lineEvery)) {
		return
	}
	text := p.Line()
	if final && text == l.said {
		return
	}
	l.started, l.change, l.said, l.at = true, change, text, l.now()
	l.Note(text)
}

func (l *lines) End() {}
