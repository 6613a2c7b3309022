// Package shots divides a video into its shots and picks the best stills of each. It knows
// pictures and their times, and neither files nor ffmpeg.
package shots

import (
	"github.com/cogniverse/cogflow/internal/ffmpeg/stills"
)

const (
	slowChange   = 0.012 // change from one picture to the next during a gradual transition, at least
	longestBlend = 4_000 // milliseconds of a gradual transition, at most
	tail         = 5     // a rest of a shot that is shorter than this part of a window is not split off
)

// Picture is a picture at a time of the video.
type Picture struct {
	PTSMS int64
	JPEG  []byte
	Small stills.Small
}

// Shot is a shot, or a part of a long one.
type Shot struct {
	Number         int // from 1; the parts of a shot have the same
	StartMS, EndMS int64
	Best           Picture
	Stills         []Picture // in order of time, Best among them; nil = one still was asked for, or none shows anything
}

// Detector splits a video at its cuts and gradual transitions, by pictures at a fixed rate. Hard
// cuts are found between neighbours; transitions by twin comparison (Zhang, Kankanhalli and
// Smoliar, 1993): many small changes that add up to a cut, and whose pictures are blends of
// the two shots, because those of a moving camera are not.
type Detector struct {
	WindowMS int64            // longest part of a shot
	Stills   int              // of a shot or part, at most; 0 = 1
	Repeats  bool             // stills may show the same as the one before
	Emit     func(Shot) error // takes each shot, or part of a long one

	before  *Picture
	blend   []Picture // a transition in progress; the first is the last picture before it
	number  int       // of the shot, from 1
	part    part
	held    *part // complete, and may be extended
	blank   int
	nothing *Picture // the first picture that shows nothing
}

// part is a shot, or a part of a long one, that is being collected.
type part struct {
	Shot
	all candidates // for its stills, if several are asked for
}

// Blank counts the shots and parts without a picture that is worth a caption. They are left out.
func (d *Detector) Blank() int { return d.blank }

// Add takes the next picture in order of time.
func (d *Detector) Add(one Picture) error {
	if d.before == nil {
		d.before = &one
		d.begin(0)
		d.number = 1
		d.take(one)
		return nil
	}
	if one.PTSMS == d.before.PTSMS {
		return nil // a still that is held
	}
	before := *d.before
	d.before = &one
	full := one.PTSMS-d.part.StartMS >= d.WindowMS
	slow := one.Small.Change(before.Small) >= slowChange || one.Small.Recolour(before.Small) >= 2*slowChange
	switch {
	case one.Small.Cut(before.Small):
		d.settle()
		return d.cutAt(one.PTSMS, one)
	case slow && !full:
		if len(d.blend) == 0 {
			d.blend = []Picture{before}
		}
		d.blend = append(d.blend, one)
		if one.PTSMS-d.blend[0].PTSMS > longestBlend {
			d.take(d.blend[1])
			d.blend = d.blend[1:]
		}
		return nil
	case !slow && d.dissolved():
		middle := d.blend[len(d.blend)/2].PTSMS
		d.blend = nil
		return d.cutAt(middle, one)
	}
	d.settle()
	if full {
		if err := d.end(one.PTSMS); err != nil {
			return err
		}
	}
	d.take(one)
	return nil
}

// dissolved reports that the changes in blend are a transition: somewhere in it, pictures
// are blends of what was before and what came after.
func (d *Detector) dissolved() bool {
	if len(d.blend) < 3 {
		return false
	}
	last := d.blend[len(d.blend)-1].Small
	for i, first := range d.blend[:len(d.blend)-2] {
		between := d.blend[i+1 : len(d.blend)-1]
		if !last.Cut(first.Small) {
			continue
		}
		blends := 0
		for _, b := range between {
			if stills.Blend(b.Small, first.Small, last) {
				blends++
			}
		}
		if 3*blends >= 2*len(between) {
			for _, b := range d.blend[:i+1] {
				d.take(b)
			}
			d.blend = d.blend[i:]
			return true
		}
	}
	return false
}

// settle takes the pictures of what was not a transition.
func (d *Detector) settle() {
	for _, b := range d.blend {
		d.take(b)
	}
	d.blend = nil
}

// take considers a picture for the stills of the part. The best is the one with the most detail.
func (d *Detector) take(one Picture) {
	if plain := stills.Plain(one.Small.Luma()) || stills.Bars(one.Small.Luma(), stills.SmallWidth); plain {
		if d.nothing == nil {
			d.nothing = &one
		}
		return
	}
	if len(one.JPEG) > len(d.part.Best.JPEG) {
		d.part.Best = one
	}
	d.part.all.add(one)
}

// begin begins a part.
func (d *Detector) begin(ms int64) {
	d.part = part{Shot: Shot{StartMS: ms}, all: newCandidates(d.Stills)}
}

// cutAt ends a shot and begins the next one with a picture.
func (d *Detector) cutAt(ms int64, first Picture) error {
	if err := d.end(ms); err != nil {
		return err
	}
	if err := d.flush(); err != nil {
		return err
	}
	d.number++
	d.take(first)
	return nil
}

// end completes a part. A short rest of a shot is added to the part before.
func (d *Detector) end(ms int64) error {
	if ms <= d.part.StartMS {
		return nil
	}
	if rest := d.held != nil && d.held.Number == d.number && ms-d.part.StartMS < d.WindowMS/tail; rest {
		d.held.EndMS = ms
		d.held.all.join(d.part.all)
		d.begin(ms)
		return nil
	}
	if err := d.flush(); err != nil {
		return err
	}
	done := d.part
	done.EndMS, done.Number = ms, d.number
	d.begin(ms)
	if done.Best.JPEG == nil || stills.Blurred(done.Best.JPEG) {
		d.blank++
		if done.Best.JPEG != nil && d.nothing == nil {
			d.nothing = &done.Best
		}
		return nil
	}
	d.held = &done
	return nil
}

// flush passes on the part that was held.
func (d *Detector) flush() error {
	if d.held == nil {
		return nil
	}
	one := d.held
	d.held = nil
	if d.Stills > 1 {
		one.choose(d.Stills, d.Repeats)
	}
	return d.Emit(one.Shot)
}

// Finish ends the last shot where the video ends; kept = frames so far. A video of which
// nothing is worth a caption gives one still all the same.
func (d *Detector) Finish(endMS int64, kept int) error {
	d.settle()
	if err := d.end(endMS); err != nil {
		return err
	}
	empty := kept == 0 && d.held == nil
	if err := d.flush(); err != nil || !empty || d.nothing == nil {
		return err
	}
	return d.Emit(Shot{Number: 1, EndMS: endMS, Best: *d.nothing})
}
