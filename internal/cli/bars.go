package cli

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/cogniverse/cogflow/safetext"
)

// bars shows a job as bars on a terminal: one for the job itself, one for each part of it at work.
type bars struct {
	progress *mpb.Progress
	lines    map[string]*bar // by key
	tasks    []*bar
	last     Progress
	failed   int // failures printed
}

// bar is one line; its texts change while the renderer reads them.
type bar struct {
	*mpb.Bar
	mu         sync.Mutex
	name, text string
}

const nameWidth = 28 // cells

// NewBars makes a view that draws bars on a terminal.
func NewBars(out io.Writer) View {
	return &bars{
		progress: mpb.New(mpb.WithOutput(out), mpb.WithWidth(30), mpb.WithRefreshRate(150*time.Millisecond)),
		lines:    map[string]*bar{},
	}
}

func (b *bars) add(name string, priority int) *bar {
	line := &bar{name: safetext.Clean(name)}
	line.Bar = b.progress.AddBar(0,
		mpb.BarPriority(priority),
		mpb.BarRemoveOnComplete(),
		mpb.PrependDecorators(decor.Any(func(decor.Statistics) string { return fit(line.name, nameWidth) + " " })),
		mpb.AppendDecorators(decor.Any(func(decor.Statistics) string {
			line.mu.Lock()
			defer line.mu.Unlock()
			return " " + line.text
		})))
	return line
}

func (l *bar) set(current, total int, text string) {
	l.mu.Lock()
	l.text = safetext.Clean(text)
	l.mu.Unlock()
	l.SetTotal(int64(max(total, 1)), false)
	// A full bar would end; it ends when the job says so.
	l.SetCurrent(int64(min(current, max(total, 1))))
}

func (b *bars) Note(text string) {
	// What goes through the container appears above the bars.
	fmt.Fprintln(b.progress, safetext.Clean(text))
}

func (b *bars) Show(p Progress, _ bool) {
	after(b.last, p)
	b.last = p
	old := b.lines
	b.lines = map[string]*bar{}
	for _, want := range p.Bars() {
		line := old[want.Key]
		if line == nil {
			line = b.add(want.Name, min(len(want.Key), 1))
		}
		delete(old, want.Key)
		b.lines[want.Key] = line
		line.set(want.Done, want.Total, want.Text)
	}
	for _, line := range old {
		line.Abort(true)
	}
	failures := p.Failures()
	for _, text := range failures[min(b.failed, len(failures)):] {
		b.Note(text)
	}
	b.failed = max(b.failed, len(failures))
}

// End removes the bars; the result takes their place.
func (b *bars) End() {
	for _, line := range slices.AppendSeq(b.tasks, maps.Values(b.lines)) {
		line.Abort(true)
	}
	b.progress.Wait()
}
