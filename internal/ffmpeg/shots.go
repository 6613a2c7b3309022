package ffmpeg

import (
	"github.com/cogniverse/cogflow/internal/ffmpeg/stills"
)

const (
	slowChange   = 0.012 // change from one sample to the next during a gradual transition, at least
	longestBlend = 4_000 // milliseconds of a gradual transition, at most
	tail         = 5     // a rest of a shot that is shorter than this part of a window is not split off
)

// shots splits a video at its cuts and gradual transitions, by the samples of a grid. Hard
// cuts are found between neighbours; transitions by twin comparison (Zhang, Kankanhalli and
// Smoliar, 1993): many small changes that add up to a cut, and whose pictures are blends of
// the two shots, because those of a moving camera are not.
type shots struct {
	windowMS int64
	emit     func(sample) error // takes one still for each shot, or part of a long one

	before  *sample
	blend   []sample // a transition in progress; the first is the last picture before it
	number  int      // of the shot, from 1
	part    sample   // the best still so far; jpeg nil = none
	begun   int64    // of the part
	held    *sample  // a complete part, which may be extended
	blank   int      // shots and parts without a picture that is worth a caption
	nothing *sample  // the first of them
}

// add takes the next sample in order of time.
func (s *shots) add(one sample) error {
	if s.before == nil {
		s.before, s.number = &one, 1
		s.take(one)
		return nil
	}
	if one.ptsMS == s.before.ptsMS {
		return nil // a still that is held
	}
	before := *s.before
	s.before = &one
	switch {
	case one.small.Cut(before.small):
		s.settle()
		return s.cutAt(one.ptsMS, one)
	case one.small.Change(before.small) >= slowChange || one.small.Recolour(before.small) >= 2*slowChange:
		if len(s.blend) == 0 {
			s.blend = []sample{before}
		}
		s.blend = append(s.blend, one)
		if one.ptsMS-s.blend[0].ptsMS > longestBlend {
			s.take(s.blend[1])
			s.blend = s.blend[1:]
		}
	default:
		if s.dissolved() {
			middle := s.blend[len(s.blend)/2].ptsMS
			s.blend = nil
			return s.cutAt(middle, one)
		}
		s.settle()
		s.take(one)
	}
	return s.split(one.ptsMS)
}

// dissolved reports that the changes in blend are a transition: somewhere in it, pictures
// are blends of what was before and what came after.
func (s *shots) dissolved() bool {
	if len(s.blend) < 3 {
		return false
	}
	last := s.blend[len(s.blend)-1].small
	for i, first := range s.blend[:len(s.blend)-2] {
		between := s.blend[i+1 : len(s.blend)-1]
		if !last.Cut(first.small) {
			continue
		}
		blends := 0
		for _, b := range between {
			if stills.Blend(b.small, first.small, last) {
				blends++
			}
		}
		if 3*blends >= 2*len(between) {
			for _, b := range s.blend[:i+1] {
				s.take(b)
			}
			s.blend = s.blend[i:]
			return true
		}
	}
	return false
}

// settle takes the pictures of what was not a transition.
func (s *shots) settle() {
	for _, b := range s.blend {
		s.take(b)
	}
	s.blend = nil
}

// take considers a picture for the still of the part: the one with the most detail.
func (s *shots) take(one sample) {
	if plain := stills.Plain(one.small.Luma()) || stills.Bars(one.small.Luma(), stills.SmallWidth); plain {
		if s.nothing == nil {
			s.nothing = &one
		}
		return
	}
	if len(one.jpeg) > len(s.part.jpeg) {
		s.part = one
	}
}

// cutAt ends a shot and begins the next one with a picture.
func (s *shots) cutAt(ms int64, first sample) error {
	if err := s.end(ms); err != nil {
		return err
	}
	if err := s.flush(); err != nil {
		return err
	}
	s.number++
	s.take(first)
	return nil
}

// split ends a part of a long shot.
func (s *shots) split(ms int64) error {
	if ms-s.begun < s.windowMS {
		return nil
	}
	s.settle()
	return s.end(ms)
}

// end completes a part. A short rest of a shot is added to the part before.
func (s *shots) end(ms int64) error {
	if ms <= s.begun {
		return nil
	}
	if rest := s.held != nil && s.held.shot == s.number && ms-s.begun < s.windowMS/tail; rest {
		s.held.endMS, s.begun, s.part = ms, ms, sample{}
		return nil
	}
	if err := s.flush(); err != nil {
		return err
	}
	best := s.part
	s.part, best.start, best.endMS, best.shot, s.begun = sample{}, s.begun, ms, s.number, ms
	if best.jpeg == nil || stills.Blurred(best.jpeg) {
		s.blank++
		if best.jpeg != nil && s.nothing == nil {
			s.nothing = &best
		}
		return nil
	}
	s.held = &best
	return nil
}

// flush passes on the part that was held.
func (s *shots) flush() error {
	if s.held == nil {
		return nil
	}
	one := *s.held
	s.held = nil
	return s.emit(one)
}

// finish ends the last shot where the video ends. A video of which nothing is worth a
// caption gives one still all the same.
func (s *shots) finish(endMS int64, kept int) error {
	s.settle()
	if err := s.end(endMS); err != nil {
		return err
	}
	empty := kept == 0 && s.held == nil
	if err := s.flush(); err != nil || !empty || s.nothing == nil {
		return err
	}
	one := *s.nothing
	one.start, one.endMS, one.shot = 0, endMS, 1
	return s.emit(one)
}

// shot takes the still of a shot, unless it shows the same as the one before, which then
// stands for both.
func (x *extractor) shot(s sample) error {
	k := x.keeper
	d := x.sampling.DedupDistance
	same := func() bool { return s.small.Change(k.kept) < 0.01 && s.small.Recolour(k.kept) < 0.01 } // hashes of plain areas are noise
	if k.frame != nil && d >= 0 && (same() || stills.Alike(s.small, k.kept, s.small.Hash(), k.hash, d)) {
		k.duplicates++
		k.frame.EndMS = s.endMS
		return nil
	}
	return k.add(s)
}
