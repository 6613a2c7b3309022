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

// bars shows a job as bars on a terminal: one for the job and one for each active part.
type bars struct {
	progress *mpb.Progress
	lines    map[string]*bar // by key
	tasks    []*bar
	last     Progress
	failed   int // number of failures printed
}

// bar is one line. Its texts change while the renderer reads them, so they need a lock.
type bar struct {
	*mpb.Bar
	mu         sync.Mutex
	name, text string
	total      int // width of the terminal in cells, from the last rendering
}

// NewBars makes a view that draws bars on a terminal.
func NewBars(out io.Writer) View {
	return newBars(mpb.WithOutput(out), mpb.WithRefreshRate(150*time.Millisecond))
}

func newBars(options ...mpb.ContainerOption) *bars {
	return &bars{progress: mpb.New(options...), lines: map[string]*bar{}}
}

func (b *bars) add(name string, priority int) *bar {
	line := &bar{name: safetext.Clean(name)}
	line.Bar = b.progress.New(0, filling{},
		mpb.BarPriority(priority),
		mpb.BarRemoveOnComplete(),
		mpb.PrependDecorators(decor.Any(line.before)),
		mpb.AppendDecorators(decor.Any(line.behind)))
	return line
}

// filling draws a bar in the cells beside the texts, at most maxBar wide.
type filling struct{}

// Build implements mpb.BarFillerBuilder; it is called once for each bar.
func (filling) Build() mpb.BarFiller {
	style := mpb.BarStyle().Build()
	return mpb.BarFillerFunc(func(w io.Writer, s decor.Statistics) error {
		s.RequestedWidth = min(maxBar, s.AvailableWidth)
		return style.Fill(w, s)
	})
}

// before returns the name. The renderer calls it first, with the width of the terminal.
func (l *bar) before(s decor.Statistics) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.total = s.AvailableWidth
	return fit(l.name, share(l.total).name) + " "
}

// behind returns the text, cut to leave cells for the bar.
func (l *bar) behind(decor.Statistics) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return " " + shorten(l.text, share(l.total).text)
}

func (l *bar) set(current, total int, text string) {
	l.mu.Lock()
	l.text = safetext.Clean(text)
	l.mu.Unlock()
	l.SetTotal(int64(max(total, 1)), false)
	// A full bar does not complete here: only the end of the job completes it.
	l.SetCurrent(int64(min(current, max(total, 1))))
}

func (b *bars) Note(text string) {
	// The container prints its writes above the bars.
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

// End removes the bars before the result is printed.
func (b *bars) End() {
	for _, line := range slices.AppendSeq(b.tasks, maps.Values(b.lines)) {
		line.Abort(true)
	}
	b.progress.Wait()
}
