package main

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"go.temporal.io/sdk/client"

	"github.com/cogniverse/cogflow/workflows"
)

// bars shows a job as bars on a terminal: one for the library, the sweep or the optimization, one
// for each video or training run at work.
type bars struct {
	progress *mpb.Progress
	meters   meters
	library  *bar
	videos   map[string]*bar // by uri
	trains   map[string]*bar // by workflow id
	failed   int             // failures printed
}

// bar is one line; its texts change while the renderer reads them.
type bar struct {
	*mpb.Bar
	mu         sync.Mutex
	name, text string
}

const nameWidth = 28 // cells

func newBars(out io.Writer) *bars {
	return &bars{
		progress: mpb.New(mpb.WithOutput(out), mpb.WithWidth(30), mpb.WithRefreshRate(150*time.Millisecond)),
		videos:   map[string]*bar{},
		meters:   newMeters(),
	}
}

func (b *bars) sampler(ctx context.Context, c client.Client, id string, to chan<- sample) {
	poll(ctx, c, id, to)
}

func (b *bars) lastSample(ctx context.Context, c client.Client, id string) (sample, bool) {
	return takeLast(ctx, c, id)
}

func (b *bars) add(name string, priority int) *bar {
	line := &bar{name: clean(name)}
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
	l.text = clean(text)
	l.mu.Unlock()
	l.SetTotal(int64(max(total, 1)), false)
	// A full bar would end; it ends when the job says so.
	l.SetCurrent(int64(min(current, max(total, 1))))
}

func (b *bars) note(text string) {
	// What goes through the container appears above the bars.
	fmt.Fprintln(b.progress, clean(text))
}

func (b *bars) show(s sample) {
	b.meters.add(s)
	if p := s.library; p != nil {
		if b.library == nil {
			b.library = b.add(baseName(p.Source), 0)
		}
		b.library.set(p.Done, p.Videos, b.meters.libraryText(p))
		for _, f := range p.Failures[min(b.failed, len(p.Failures)):] {
			b.note(failureText(f))
		}
		b.failed = max(b.failed, len(p.Failures))
	}
	b.showVideos(s.videos)
	b.showTraining(s)
	b.showOptimize(s)
}

func (b *bars) showVideos(videos []workflows.VideoProgress) {
	old := b.videos
	b.videos = make(map[string]*bar, len(videos))
	for _, v := range videos {
		line := old[v.URI]
		if line == nil {
			line = b.add(title(v), 1)
		}
		delete(old, v.URI)
		b.videos[v.URI] = line
		line.set(v.Described, expected(v), b.meters.videoText(v))
	}
	for _, line := range old {
		line.Abort(true)
	}
}

// end removes the bars; the result takes their place.
func (b *bars) end() {
	for _, line := range b.videos {
		line.Abort(true)
	}
	for _, line := range b.trains {
		line.Abort(true)
	}
	if b.library != nil {
		b.library.Abort(true)
	}
	b.progress.Wait()
}
