package ffmpeg

import (
	"context"
	"math"
)

// mainPlan is the pass over the whole video.
func (x *extractor) mainPlan() plan {
	p := mainPlan(x.media, x.chosen, x.sampling, x.whole)
	p.late, p.colours = x.late(), x.colours
	return p
}

// fromStart is a fill without a seek.
func (x *extractor) fromStart(until, offset, step int64) plan {
	p := fillPlan(x.media, x.chosen, x.sampling, 0, until, offset, step)
	p.late, p.colours = x.late(), x.colours
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
		p.colours = x.colours
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
