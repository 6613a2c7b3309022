package ffmpeg

import (
	"context"
	"math"
)

// mainPlan is the pass over the whole video.
func (x *extractor) mainPlan() plan {
	p := mainPlan(x.media, x.chosen, x.sampling, x.whole)
	p.late, p.convert = x.late(), x.convert
	return p
}

// fromStart is a fill without a seek.
func (x *extractor) fromStart(until, offset, step int64) plan {
	p := fillPlan(x.media, x.chosen, x.sampling, 0, until, offset, step)
	p.late, p.convert = x.late(), x.convert
	return p
}

// late finds pictures without a time at the start of the video: they lie one after the other
// before the first that has one.
func (x *extractor) late() late {
	if x.table == nil || x.table.Untimed == 0 || len(x.table.Times) == 0 || x.media.FPS <= 0 {
		return late{}
	}
	took := int64(math.Round(float64(x.table.Untimed) * 1000 / x.media.FPS))
	return late{pictures: x.table.Untimed, byMS: x.table.Times[0] - took}
}

// maxHeld is how many pictures of a fill are held until it is known to be right.
const maxHeld = 128

// fill decodes a part of the video that the main pass left without a frame: one picture each
// step milliseconds, the first after offset. It goes there by a seek, and checks what the
// seek found: all pictures from there on, and none of them damaged. Otherwise it decodes the
// video from its start.
func (x *extractor) fill(ctx context.Context, from, until, offset, step int64, sink func(sample) error) error {
	table, err := x.times(ctx)
	if err != nil {
		return err
	}
	if few := until > 0 && (until-from)/step < maxHeld; few && table.Doubt == "" && from > 0 {
		var held []sample
		p := &pass{plan: fillPlan(x.media, x.chosen, x.sampling, from, until, offset, step), tick: x.tick, every: true}
		p.convert = x.convert
		p.sink = func(s sample) error { held = append(held, s); return nil }
		refused := x.refused
		err := x.once(ctx, p, nil)
		sound := p.said.pictures() == 0 && x.refused == refused //nolint:errorlint // the same failure, not one of its kind
		x.refused = refused
		if err != nil && !isDamaged(err) {
			return err
		}
		if err == nil && sound && table.Complete(p.seen, from, until) {
			for _, s := range held {
				if err := sink(s); err != nil {
					return err
				}
			}
			return nil
		}
	}
	return x.decode(ctx, &pass{plan: x.fromStart(until, from+offset, step), tick: x.tick, sink: sink}, nil)
}

// fillGap looks for frames between the last sample and until if they lie too
// far apart, at even distances. An edited video may begin between key frames:
// then its first picture is looked for too.
func (x *extractor) fillGap(ctx context.Context, until int64) error {
	const late = 500 // milliseconds without a first picture
	headless := x.sampled < 0 && until > late
	from := max(x.sampled, 0)
	gap := until - from
	if gap <= x.sampling.MaxGapMS && !headless {
		return nil
	}
	parts := (gap + x.sampling.MaxGapMS - 1) / x.sampling.MaxGapMS
	step := (gap + parts - 1) / parts
	offset := step
	if headless {
		offset = 0
	}
	return x.fill(ctx, from, until, offset, step, x.between(until))
}

// between takes what lies after the last sample and before until; 0 = the end.
func (x *extractor) between(until int64) func(sample) error {
	return func(s sample) error {
		if s.ptsMS <= x.sampled || (until > 0 && s.ptsMS >= until) {
			return nil
		}
		s.start = 0
		return x.keeper.add(s)
	}
}

// lastGap looks behind the last key frame. The main pass decoded nothing there,
// so that the end is known by the packets, if the stream is sound.
func (x *extractor) lastGap(ctx context.Context) error {
	if x.main.line.count == 0 {
		return nil
	}
	times := x.table.Times
	if n := len(times); x.main.said.total() == 0 && x.refused == nil && n > 1 && times[n-1] >= x.sampled {
		line := timeline{last: times[n-1], step: times[n-1] - times[n-2], count: n}
		x.endMS = max(line.end(x.media), x.sampled+1)
		return x.fillGap(ctx, x.endMS)
	}
	gap := x.sampling.MaxGapMS
	rest := &pass{
		plan: x.fromStart(0, max(x.sampled, 0)+gap, gap), tick: x.tick, sink: x.between(0),
	}
	err := x.decode(ctx, rest, nil)
	x.endMS = max(rest.line.end(x.media), x.sampled+1)
	return err
}
