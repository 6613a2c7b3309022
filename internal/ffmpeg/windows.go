package ffmpeg

import "context"

// window takes the middle picture of the next time window. A window is passed
// on when the video goes on behind it, so that its end is known to be right.
func (x *extractor) window(s sample) error {
	s.endMS = s.start + x.sampling.WindowMS
	x.windows = append(x.windows, s)
	for len(x.windows) > 0 && x.main.line.last > x.windows[0].endMS+x.tolerance() {
		s := x.windows[0]
		x.windows = x.windows[1:]
		if err := x.keeper.add(s); err != nil {
			return err
		}
	}
	return nil
}

// tolerance is how much of the end of a video goes to the window before instead
// of making a window of its own.
func (x *extractor) tolerance() int64 { return x.sampling.WindowMS / 20 }

// lastWindows passes on the windows at the end of the video: cut where it ends,
// without those that show nothing new, and with the last one, of which the main
// pass did not reach the middle.
func (x *extractor) lastWindows(ctx context.Context, end int64) error {
	step := x.sampling.WindowMS - x.sampling.OverlapMS
	next := int64(0) // start of the window after those that are passed on
	covered := int64(0)
	if x.keeper.frames > 0 {
		next, covered = x.keeper.frame.EndMS-x.sampling.OverlapMS, x.keeper.frame.EndMS
	}
	for _, s := range x.windows {
		if covered > 0 && end-covered <= x.tolerance() {
			break
		}
		if end-s.endMS <= x.tolerance() {
			s.endMS = end
		}
		if err := x.keeper.add(s); err != nil {
			return err
		}
		next, covered = s.start+step, s.endMS
	}
	if covered > 0 && end-covered <= x.tolerance() {
		return nil
	}
	middle := (end - next) / 2
	fill := &pass{plan: fillPlan(x.media, x.sampling, next, end, middle, x.sampling.WindowMS), tick: x.tick}
	found := false
	fill.sink = func(s sample) error {
		if found || s.ptsMS < next {
			return nil
		}
		found = true
		s.start, s.endMS = next, end
		return x.keeper.add(s)
	}
	return x.decode(ctx, fill, nil)
}
