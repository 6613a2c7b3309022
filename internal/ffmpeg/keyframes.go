package ffmpeg

import (
	"context"
	"errors"
)

// errDoubt stops a pass over the key frames at a picture whose time is not that of one.
var errDoubt = errors.New("a key frame came with another time than its own")

// keyFrame takes the next key frame. It is held until the list of packets is there, which is
// made beside the pass.
func (x *extractor) keyFrame(ctx context.Context, s sample) error {
	x.held = append(x.held, s)
	select {
	case <-x.list.done:
	default:
		if len(x.held) < maxHeld {
			return nil
		}
	}
	return x.compareHeld(ctx)
}

// compareHeld passes on the key frames that are held, if they have the times of key packets.
func (x *extractor) compareHeld(ctx context.Context) error {
	table, err := x.times(ctx)
	if err != nil {
		return err
	}
	if table.Doubt != "" {
		return errDoubt
	}
	for _, s := range x.held {
		if !table.Key(s.ptsMS) {
			return errDoubt
		}
		if err := x.fillGap(ctx, s.ptsMS); err != nil {
			return err
		}
		x.sampled = s.ptsMS
		if err := x.keeper.add(s); err != nil {
			return err
		}
	}
	x.held = nil
	return nil
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

// lastKeyFrames looks behind the last key frame. The main pass decoded nothing there,
// so that the end is known by the packets, if the stream is sound.
func (x *extractor) lastKeyFrames(ctx context.Context) error {
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
