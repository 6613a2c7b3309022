package ffmpeg

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/ffmpeg/colour"
	"github.com/cogniverse/cogflow/internal/ffmpeg/packets"
	"github.com/cogniverse/cogflow/internal/ffmpeg/shots"
	"github.com/cogniverse/cogflow/internal/ffmpeg/tracks"
	"github.com/cogniverse/cogflow/video"
)

const opExtract = "extract frames"

// ThumbnailFile is the name of the poster in Extract's directory.
const ThumbnailFile = "thumbnail.jpg"

// extractor is one extraction.
type extractor struct {
	tool     *Tool
	file     *os.File
	media    video.Media
	chosen   tracks.Chosen
	colours  colour.Filters
	sampling video.Sampling
	keeper   *keeper
	refused  error // why ffmpeg gave up, if it did
	main     *pass
	progress func(int64)
	thumb    []byte
	endMS    int64     // where the video ends, as far as is known
	told     time.Time // when progress was called last

	sampled int64          // keyframes: time of the last sample; -1 = none yet
	held    []sample       // keyframes: not yet compared with the list
	list    *listing       // of the packets; nil = not asked for
	table   *packets.Table // the list, once it was waited for
	whole   bool           // keyframes: every picture is decoded
	audited bool           // damage is what an audit found
	damage  packets.Spans
	damaged int // pictures of damage

	shots   shots.Detector
	windows []sample // segments: not yet known to be over
	opened  int64    // segments with stills: start of the next window
	sound   soundWriter
}

// Extract decodes the file once and emits the kept frames in order of time. The
// sampling's zero values take their defaults. Parts that the strategy leaves
// without a frame for longer than it allows, and the last window, are looked
// into by a short second decode. When max_frames cuts the rest off, the sound
// ends there as well. What Extract left in dir is removed if it fails.
func (t *Tool) Extract(ctx context.Context, file *os.File, dir string, s video.Sampling,
	emit func(p video.Picture) error, progress func(ms int64),
) (video.Extraction, error) {
	probe, ok := t.known.get(file)
	if !ok {
		var err error
		if probe, err = t.probe(ctx, file); err != nil {
			return video.Extraction{}, err
		}
	}
	media, chosen, err := probe.media(s)
	if err != nil {
		return video.Extraction{}, fault.New(fault.Input, opExtract, file.Name(), err.Error())
	}
	if media.AudioOnly() {
		return t.extractSound(ctx, file, dir, media, chosen.Audio, progress)
	}
	s = video.Profile{Sampling: s}.Normal().Sampling
	if s.Stills > 1 && s.Strategy == video.Segments {
		s.DedupDistance = -1 // a segment is more than its middle
	}
	x := &extractor{tool: t, file: file, media: media, chosen: chosen, sampling: s, progress: progress, sampled: -1}
	x.sound.dir = dir
	defer x.stopListing()
	if s.Strategy == video.Keyframes {
		x.startListing(ctx)
	}
	if media.StartMS < 0 || x.list != nil && runtime.GOOS != "linux" { // elsewhere, programs share a descriptor's position
		table, err := x.times(ctx)
		if err != nil {
			return video.Extraction{}, err
		}
		x.whole = table.Doubt != ""
	}
	if err := x.convertColours(ctx); err != nil {
		return video.Extraction{}, err
	}
	p := x.mainPlan()
	w, h := p.size()
	x.keeper = &keeper{sampling: s, width: w, height: h, emit: emit}
	x.main = &pass{plan: p, tick: x.tick, sink: x.sink(ctx)}

	out, err := x.run(ctx, dir)
	if err == nil && chosen.Subtitles != nil {
		_, err = t.extractSubtitles(ctx, file, dir, media, chosen.Subtitles)
	}
	if err != nil {
		if gone := os.Remove(filepath.Join(dir, ThumbnailFile)); gone != nil && !errors.Is(gone, fs.ErrNotExist) {
			err = errors.Join(err, gone)
		}
		if gone := x.sound.remove(); gone != nil {
			err = errors.Join(err, gone)
		}
		return video.Extraction{}, err
	}
	return out, nil
}

// convertColours chooses the filters that bring pictures into the colours of JPEG.
func (x *extractor) convertColours(ctx context.Context) (err error) {
	var missing []string
	if needs := colour.Needs(x.chosen.Video); len(needs) > 0 {
		has, err := x.tool.filters(ctx, needs)
		if err != nil {
			return err
		}
		missing = slices.DeleteFunc(needs, func(name string) bool { return slices.Contains(has, name) })
	}
	size := plan{media: x.media, sampling: x.sampling}.scaling()
	if x.colours, err = colour.Choose(x.chosen.Video, size, missing); err != nil {
		return fault.New(fault.Input, opExtract, x.file.Name(), err.Error())
	}
	return nil
}

// run decodes, completes what the main pass could not know, and sums up.
func (x *extractor) run(ctx context.Context, dir string) (video.Extraction, error) {
	err := x.decode(ctx, x.main, &x.sound)
	if err == nil && x.main.keys {
		err = x.compareHeld(ctx)
	}
	if errors.Is(err, errDoubt) {
		x.whole, x.held, x.refused = true, nil, nil
		x.main = &pass{plan: x.mainPlan(), tick: x.tick, sink: x.sink(ctx)}
		x.sound = soundWriter{dir: dir}
		err = x.decode(ctx, x.main, &x.sound)
	}
	x.endMS = x.main.line.end(x.media)
	if err == nil {
		err = x.finish(ctx)
	}
	capped := errors.Is(err, errCapped)
	switch {
	case capped:
		x.endMS = max(x.endMS, x.media.DurationMS)
	case err != nil:
		return video.Extraction{}, err
	}
	if x.keeper.frames == 0 {
		if x.refused != nil {
			return video.Extraction{}, x.refused
		}
		return video.Extraction{}, fault.New(fault.Input, opExtract, x.file.Name(),
			"no picture of it can be decoded"+because(x.main.said.first))
	}
	if len(x.thumb) > 0 {
		name := filepath.Join(dir, ThumbnailFile)
		if err := os.WriteFile(name, x.thumb, 0o600); err != nil {
			return video.Extraction{}, fault.Disk("write", name, err)
		}
	}
	out := video.Extraction{
		Unsandboxed: !x.tool.config.Sandbox.Protection().Bubblewrap,
		Frames:      x.keeper.frames, Duplicates: x.keeper.duplicates, Blank: x.shots.Blank(), FrameBytes: x.keeper.bytes,
		Capped: capped, DecodeErrors: max(x.main.said.total(), x.damaged), DurationMS: x.endMS,
	}
	if x.refused != nil && out.DecodeErrors == 0 {
		out.DecodeErrors = 1
	}
	return out, nil
}

// sink takes samples in the way of the strategy.
func (x *extractor) sink(ctx context.Context) func(sample) error {
	switch {
	case x.sampling.Strategy == video.Keyframes && x.whole:
		return x.between(0)
	case x.sampling.Strategy == video.Keyframes:
		return func(s sample) error { return x.keyFrame(ctx, s) }
	case x.sampling.Strategy == video.Shots:
		x.shots = shots.Detector{WindowMS: x.sampling.WindowMS, Stills: x.sampling.Stills, Repeats: x.sampling.DedupDistance < 0, Emit: x.shot}
		return func(s sample) error {
			return x.shots.Add(shots.Picture{PTSMS: s.ptsMS, JPEG: s.jpeg, Small: s.small})
		}
	case x.sampling.Strategy == video.Segments:
		if x.sampling.Stills > 1 {
			return x.still
		}
		return x.window
	default:
		return func(s sample) error {
			s.start = 0
			return x.keeper.add(s)
		}
	}
}

// finish does what can only be done when the end of the video is known.
func (x *extractor) finish(ctx context.Context) error {
	var err error
	switch {
	case x.sampling.Strategy == video.Keyframes && !x.whole:
		err = x.lastKeyFrames(ctx)
	case x.sampling.Strategy == video.Shots:
		err = x.shots.Finish(x.endMS, x.keeper.frames)
	case x.sampling.Strategy == video.Segments:
		err = x.lastWindows(ctx, x.endMS)
	default: // all is known
	}
	if err != nil {
		return err
	}
	return x.keeper.flush(x.endMS)
}

// tick reports the position, at most ten times a second.
func (x *extractor) tick(ms int64) {
	if now := time.Now(); now.Sub(x.told) >= 100*time.Millisecond {
		x.told = now
		x.progress(ms)
	}
}

func because(first string) string {
	if first == "" {
		return ""
	}
	return ": " + first
}
