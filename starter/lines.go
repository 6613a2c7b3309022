package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"go.temporal.io/sdk/client"
)

// lines shows a job as plain lines, for logs and pipes: one on a change, at
// most one a second, and one every few seconds while something is at work.
type lines struct {
	out io.Writer
	now func() time.Time

	meters  meters
	last    time.Time
	state   string // what the last line was about
	said    string // the last line
	failed  int    // failures printed
	started bool
}

const (
	lineAfter = time.Second
	lineEvery = 5 * time.Second
)

func (l *lines) sampler(ctx context.Context, c client.Client, id string, to chan<- sample) {
	poll(ctx, c, id, to)
}

func (l *lines) lastSample(ctx context.Context, c client.Client, id string) (sample, bool) {
	return takeLast(ctx, c, id)
}

func (l *lines) note(text string) {
	fmt.Fprintln(l.out, l.now().Format(time.TimeOnly), clean(text))
}

func (l *lines) show(s sample) {
	l.meters.add(s)
	if s.library != nil {
		for _, f := range s.library.Failures[min(l.failed, len(s.library.Failures)):] {
			l.note(failureText(f))
		}
		l.failed = max(l.failed, len(s.library.Failures))
	}
	state, since := stateOf(s), l.now().Sub(l.last)
	if l.started && !s.final && (since < lineAfter || (state == l.state && since < lineEvery)) {
		return
	}
	text := l.text(s)
	if s.final && text == l.said {
		return
	}
	l.started, l.state, l.said, l.last = true, state, text, l.now()
	l.note(text)
}

func (l *lines) end() {}

func (l *lines) text(s sample) string {
	text := trainingText(s) + optimizeText(s)
	if s.library != nil {
		text = l.meters.libraryText(s.library)
	}
	for i, v := range s.videos {
		if i == 3 {
			return text + fmt.Sprintf("; and %d more", len(s.videos)-i)
		}
		if text != "" {
			text += "; "
		}
		text += title(v) + ": " + l.meters.videoText(v)
	}
	return text
}

// stateOf is what counts as a change: a video done, another stage, a pause.
func stateOf(s sample) string {
	state := ""
	if p := s.library; p != nil {
		state = fmt.Sprint(p.Stage, p.Done, p.Failed, p.Paused, p.Videos)
	}
	for _, v := range s.videos {
		state += fmt.Sprint("|", v.URI, v.Stage, v.Paused, v.Waiting)
	}
	if s.sweep != nil {
		state += fmt.Sprint(sweepDone(s.sweep), s.sweep.Paused, s.sweep.Status)
	}
	for _, t := range s.trains {
		state += t.state()
	}
	if s.optimize != nil {
		state += s.optimize.state()
	}
	return state
}
