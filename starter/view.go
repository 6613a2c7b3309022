package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"go.temporal.io/sdk/client"
)

// view shows what a job does, on stderr. Its methods are called one at a time.
type view interface {
	// sampler sends what the job says of itself until ctx ends.
	sampler(ctx context.Context, c client.Client, id string, to chan<- sample)
	// lastSample asks a job that has ended, if anything of it is shown: it may have
	// done most of its work since it was asked, a short one all of it.
	lastSample(ctx context.Context, c client.Client, id string) (s sample, ok bool)
	show(s sample)
	note(text string)
	end()
}

// view chooses the way of showing: bars on a terminal, lines elsewhere.
func (a *app) view() view {
	switch {
	case a.quiet:
		return &silent{out: a.err}
	case terminalWidth(a.err) > 0:
		return newBars(a.err)
	default:
		return &lines{out: a.err, now: time.Now, meters: newMeters()}
	}
}

// silent shows notes only.
type silent struct{ out io.Writer }

func (*silent) sampler(context.Context, client.Client, string, chan<- sample) {}
func (*silent) lastSample(context.Context, client.Client, string) (s sample, ok bool) {
	return s, false
}
func (*silent) show(sample)        {}
func (*silent) end()               {}
func (s *silent) note(text string) { fmt.Fprintln(s.out, clean(text)) }
