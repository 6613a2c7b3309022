package ingest

import (
	"cmp"
	"fmt"
	"time"

	"github.com/cogniverse/cogflow/internal/cli/format"
	"github.com/cogniverse/cogflow/internal/cli/pace"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows/ingest"
)

// Time windows of the rates: long enough to be stable, short enough to follow a change.
// Videos finish less often than frames.
const (
	frameWindow = 20 * time.Second
	videoWindow = 5 * time.Minute
)

// speedText formats the remaining time and the rate; empty while both are unknown.
func speedText(left time.Duration, rate float64) string {
	text := ""
	if left > 0 {
		text = ", ETA " + format.Span(left.Round(time.Second))
	}
	if rate > 0 {
		text += fmt.Sprintf(", %.1f frames/s", rate)
	}
	return text
}

// meters hold the rates of a job and its videos.
type meters struct {
	videos pace.Meter             // finished videos and fractions of active videos
	eta    pace.ETA               // of the library
	all    pace.Meter             // frames of finished videos and described frames of active videos
	each   map[string]*videoMeter // by uri
}

// videoMeter measures one video.
type videoMeter struct {
	frames pace.Meter // described, or embedded where the profile does not describe
	eta    pace.ETA
	share  float64 // finished fraction; it never decreases, although the estimated number of frames can grow
}

func newMeters() meters {
	return meters{videos: pace.Meter{Window: videoWindow}, all: pace.Meter{Window: frameWindow}}
}

func (m *meters) add(p *progress) {
	old := m.each
	m.each = make(map[string]*videoMeter, len(p.videos))
	shares, frames := 0.0, 0
	for _, v := range p.videos {
		one := old[v.URI]
		if one == nil {
			one = &videoMeter{frames: pace.Meter{Window: frameWindow}}
		}
		m.each[v.URI] = one
		one.add(p.at, v)
		shares += one.share
		frames += v.Described
	}
	l := p.library
	if l == nil {
		return
	}
	m.videos.Add(p.at, float64(l.Done)+shares)
	m.all.Add(p.at, float64(l.Frames+frames))
	m.eta = m.eta.Next(p.at, m.left(l, shares))
}

// left estimates the rest of a library; 0 = unknown. Frames are extracted much faster than
// they are described, so nothing is estimated from extraction alone. A library does not end
// before its active videos.
func (m *meters) left(l *ingest.LibraryProgress, shares float64) time.Duration {
	left := m.videos.Left(float64(l.Videos-l.Done) - shares)
	if l.Paused || left <= 0 || l.Done == 0 && m.all.Rate() <= 0 {
		return 0
	}
	for _, one := range m.each {
		left = max(left, one.eta.Left())
	}
	return left
}

func (m *videoMeter) add(at time.Time, v row) {
	done := max(v.Described, v.Embedded)
	m.frames.Add(at, float64(done))
	m.share = max(m.share, v.share())
	left := m.frames.Left(float64(expected(v.VideoProgress) - done))
	if v.Paused || v.Waiting != "" {
		left = 0
	}
	m.eta = m.eta.Next(at, left)
}

// share is the finished fraction of a video.
func (m *meters) share(v row) float64 {
	if one := m.each[v.URI]; one != nil {
		return one.share
	}
	return v.share()
}

// libraryText describes a library in one line, without its videos.
func (m *meters) libraryText(p *ingest.LibraryProgress) string {
	if p.Videos == 0 && p.Done == 0 {
		return format.Stage(p.Stage, p.Paused, "")
	}
	text := fmt.Sprintf("%d/%d videos", p.Done, max(p.Videos, p.Done)) // a dry run finishes videos before it has counted all of them
	if p.Failed > 0 {
		text += fmt.Sprintf(", %d failed", p.Failed)
	}
	if p.Unchanged > 0 {
		text += fmt.Sprintf(", %d unchanged", p.Unchanged)
	}
	text += speedText(m.eta.Left(), m.all.Rate())
	if p.CostUSD > 0 {
		text += ", " + format.Dollars(p.CostUSD)
	}
	if p.Paused {
		text += ", paused"
	}
	return text
}

// videoText describes a video in one line, without its name.
func (m *meters) videoText(v row) string {
	text := format.Stage(v.Stage, v.Paused, cmp.Or(v.BlockedBy, v.cold.Waits(v.Waiting)))
	done := max(v.Described, v.Embedded)
	if v.Extracted == 0 && done == 0 {
		return text
	}
	counted := done
	if v.Stage == "extract" {
		counted = v.Extracted // some of them may be described already
	}
	rate, left := 0.0, time.Duration(0)
	if one := m.each[v.URI]; one != nil {
		rate, left = one.frames.Rate(), one.eta.Left()
	}
	return fmt.Sprintf("%s %d/%d frames", text, counted, expected(v.VideoProgress)) + speedText(left, rate)
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
