package ingest

import (
	"fmt"
	"time"

	"github.com/cogniverse/cogflow/internal/cli/format"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows/ingest"
)

// How far back rates look: long enough to be calm, short enough to follow a
// change. Videos end less often than frames.
const (
	frameWindow = 20 * time.Second
	videoWindow = 5 * time.Minute
)

// meter measures the rate of one growing count.
type meter struct {
	window time.Duration
	points []point
}

type point struct {
	at time.Time
	n  int
}

func (m *meter) add(at time.Time, n int) {
	// What is in flight leaves one count a moment before it enters the next.
	if last := len(m.points) - 1; last >= 0 {
		n = max(n, m.points[last].n)
	}
	m.points = append(m.points, point{at, n})
	for len(m.points) > 2 && at.Sub(m.points[0].at) > m.window {
		m.points = m.points[1:]
	}
}

// rate returns the count per second; 0 = unknown or standing still.
func (m *meter) rate() float64 {
	if len(m.points) < 2 {
		return 0
	}
	first, last := m.points[0], m.points[len(m.points)-1]
	seconds := last.at.Sub(first.at).Seconds()
	if seconds <= 0 {
		return 0
	}
	return float64(last.n-first.n) / seconds
}

func rateText(rate float64) string {
	if rate <= 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f", rate)
}

// eta returns how long the rest takes at a rate.
func eta(rest int, rate float64) string {
	if rate <= 0 || rest <= 0 {
		return "-"
	}
	return format.Span(time.Duration(float64(rest) / rate * float64(time.Second)).Round(time.Second))
}

// meters hold the rates of a job and its videos.
type meters struct {
	videos meter             // finished videos
	all    meter             // frames of finished videos and described frames of the others
	frames map[string]*meter // described frames, by uri
}

func newMeters() meters {
	return meters{videos: meter{window: videoWindow}, all: meter{window: frameWindow}}
}

func (m *meters) add(p *progress) {
	if l := p.library; l != nil {
		m.videos.add(p.at, l.Done)
		all := l.Frames
		for _, v := range p.videos {
			all += v.Described
		}
		m.all.add(p.at, all)
	}
	old := m.frames
	m.frames = make(map[string]*meter, len(p.videos))
	for _, v := range p.videos {
		if m.frames[v.URI] = old[v.URI]; m.frames[v.URI] == nil {
			m.frames[v.URI] = &meter{window: frameWindow}
		}
		m.frames[v.URI].add(p.at, v.Described)
	}
}

// libraryText describes a library in one line, without its videos.
func (m *meters) libraryText(p *ingest.LibraryProgress) string {
	if p.Videos == 0 && p.Done == 0 {
		return format.Stage(p.Stage, p.Paused, "")
	}
	text := fmt.Sprintf("%d/%d videos", p.Done, p.Videos)
	if p.Failed > 0 {
		text += fmt.Sprintf(", %d failed", p.Failed)
	}
	if p.Unchanged > 0 {
		text += fmt.Sprintf(", %d unchanged", p.Unchanged)
	}
	text += fmt.Sprintf(", %s frames/s, ETA %s", rateText(m.all.rate()), eta(p.Videos-p.Done, m.videos.rate()))
	if p.CostUSD > 0 {
		text += ", " + format.Dollars(p.CostUSD)
	}
	if p.Paused {
		text += ", paused"
	}
	return text
}

// videoText describes a video in one line, without its name.
func (m *meters) videoText(v ingest.VideoProgress) string {
	text := format.Stage(v.Stage, v.Paused, v.Waiting)
	if v.Extracted == 0 && v.Described == 0 {
		return text
	}
	rate := 0.0
	if f := m.frames[v.URI]; f != nil {
		rate = f.rate()
	}
	return fmt.Sprintf("%s %d/%d frames, %s frames/s, ETA %s", text, v.Described, expected(v), rateText(rate), eta(expected(v)-v.Described, rate))
}

func expected(v ingest.VideoProgress) int { return max(v.Expected, v.Extracted) }

func title(v ingest.VideoProgress) string {
	if v.Name != "" {
		return format.BaseName(v.Name)
	}
	return format.BaseName(v.URI)
}

func failureText(f video.Failure) string {
	return fmt.Sprintf("failed: %s at %s: %s error: %s", format.BaseName(f.URI), f.Stage, f.Class, f.Reason)
}
