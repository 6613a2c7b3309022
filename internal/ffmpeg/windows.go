package ffmpeg

import "context"

// window takes the middle picture of the next time window. A window is passed
// on when the video goes on behind it, so that its end is known to be right.
func (x *extractor) window(s sample) error {
	s.endMS = s.start + x.sampling.WindowMS
	x.windows = append(x.windows, s)
	return x.passOn(x.main.line.last)
}

// still adds a picture to the windows that its instant lies in. A window's
// picture is the middle one of its stills.
func (x *extractor) still(s sample) error {
	for ; x.opened <= s.atMS; x.opened += x.sampling.WindowMS - x.sampling.OverlapMS {
		x.windows = append(x.windows, sample{start: x.opened, endMS: x.opened + x.sampling.WindowMS})
	}
	for i := range x.windows {
		w := &x.windows[i]
		held := len(w.stills) > 0 && w.stills[len(w.stills)-1].ptsMS == s.ptsMS
		if s.atMS < w.endMS && !held {
			w.stills = append(w.stills, s)
			middle := w.stills[len(w.stills)/2]
			w.ptsMS, w.atMS, w.jpeg, w.small = middle.ptsMS, middle.atMS, middle.jpeg, middle.small
		}
	}
	return x.passOn(s.atMS)
}

// passOn passes windows on that end before an instant and behind which the
// video goes on.
func (x *extractor) passOn(atMS int64) error {
	for len(x.windows) > 0 && atMS >= x.windows[0].endMS && x.main.line.last > x.windows[0].endMS+x.tolerance() {
		s := x.windows[0]
		x.windows = x.windows[1:]
		if err := x.keeper.add(x.distinct(s)); err != nil {
			return err
		}
	}
	return nil
}

// distinct gives a segment the time of its own instant when its middle picture
// is the one of the segment before, held on the screen: documents are told apart
// by their times.
func (x *extractor) distinct(s sample) sample {
	if len(s.stills) > 0 && x.keeper.frames > 0 && s.ptsMS <= x.keeper.keptMS {
		s.ptsMS = s.atMS
	}
	return s
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
		if s.jpeg == nil {
			continue // it begins behind the last picture
		}
		if covered > 0 && end-covered <= x.tolerance() {
			break
		}
		if end-s.endMS <= x.tolerance() {
			s.endMS = end
		}
		if err := x.keeper.add(x.distinct(s)); err != nil {
			return err
		}
		next, covered = s.start+step, s.endMS
	}
	if covered > 0 && end-covered <= x.tolerance() {
		return nil
	}
	middle := (end - next) / 2
	found := false
	return x.fill(ctx, next, end, middle, x.sampling.WindowMS, func(s sample) error {
		if found || s.ptsMS < next {
			return nil
		}
		found = true
		s.start, s.endMS = next, end
		return x.keeper.add(s)
	})
}
