package ffmpeg

import (
	"context"
	"errors"
	"io"
	"os"
	"sync"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/ffmpeg/matroska"
	"github.com/cogniverse/cogflow/internal/ffmpeg/stills"
	"github.com/cogniverse/cogflow/internal/sandbox"
	"github.com/cogniverse/cogflow/panics"
)

// pass is one run of ffmpeg: it puts together what the tracks say about each
// sample, in order of time.
type pass struct {
	plan
	line   timeline
	smalls []matroska.Packet // not yet paired
	jpegs  []matroska.Packet
	ready  []sample // paired, its picture not yet known: on the grid
	thumb  []byte   // the candidate with the most detail
	sink   func(sample) error
	tick   func(ms int64)

	said      *complaints // of the last run
	every     bool        // remember the times of all pictures
	seen      []int64     // these times
	deliver   func(sample) error
	delivered int // samples that went to sink
	again     int // samples that a former run delivered
}

// rewind prepares for another run, which passes over what was delivered.
func (p *pass) rewind() {
	*p = pass{plan: p.plan, sink: p.sink, tick: p.tick, every: p.every, again: p.delivered, delivered: p.delivered}
}

// packet takes the next packet of the stream.
func (p *pass) packet(in matroska.Packet) error {
	switch in.Track {
	case trackTime:
		p.line.add(p.fromMS+in.PTSMS, p.grid != nil)
		if p.every {
			p.seen = append(p.seen, p.fromMS+in.PTSMS)
		}
		p.tick(p.line.last)
		return p.resolve(false)
	case trackSmall:
		if len(in.Data) == stills.SmallBytes {
			p.smalls = append(p.smalls, in)
		}
	case trackJPEG:
		p.jpegs = append(p.jpegs, in)
	case trackThumb:
		if len(in.Data) > len(p.thumb) {
			p.thumb = in.Data
		}
	}
	return p.pair()
}

// pair matches pictures and small pictures by time; what lost its other half to
// an error of an encoder is dropped.
func (p *pass) pair() error {
	for len(p.smalls) > 0 && len(p.jpegs) > 0 {
		g, j := p.smalls[0], p.jpegs[0]
		if g.PTSMS <= j.PTSMS {
			p.smalls = p.smalls[1:]
		}
		if j.PTSMS <= g.PTSMS {
			p.jpegs = p.jpegs[1:]
		}
		if g.PTSMS != j.PTSMS {
			continue
		}
		p.ready = append(p.ready, sample{ptsMS: j.PTSMS, jpeg: j.Data, small: g.Data})
	}
	return p.resolve(false)
}

// resolve hands on the samples whose time is known: on a grid, that of the
// picture shown at the instant, once a later picture or the end has come.
func (p *pass) resolve(ended bool) error {
	for len(p.ready) > 0 {
		s := p.ready[0]
		if p.grid == nil {
			s.ptsMS += p.fromMS
		} else {
			k := p.grid.index(s.ptsMS)
			at := p.fromMS + p.grid.target(k)
			if !ended && p.line.last <= at {
				return nil
			}
			if ended && at >= p.line.end(p.media) {
				return nil // the filter rounded the end up
			}
			s.ptsMS, s.atMS = p.line.shown(at), at
			s.start = p.grid.period * k // the window, if the strategy has windows
		}
		p.ready = p.ready[1:]
		if err := p.deliver(s); err != nil {
			return err
		}
	}
	return nil
}

// errDamaged stops a pass before the first sample that may be damaged.
var errDamaged = errors.New("a decoder complained")

func isDamaged(err error) bool { return errors.Is(err, errDamaged) }

// decode runs a pass. Damage that leaves usable frames is counted in said and is not an
// error; pictures that it may have hit are left out. The sound goes to its files if the plan
// has any.
func (x *extractor) decode(ctx context.Context, p *pass, sound *soundWriter) error {
	err := x.once(ctx, p, sound)
	if !isDamaged(err) {
		return err
	}
	if err := x.audit(ctx); err != nil {
		return err
	}
	p.rewind()
	if sound != nil {
		*sound = soundWriter{dir: sound.dir} // it writes the same again
	}
	return x.once(ctx, p, sound)
}

// once runs ffmpeg for a pass. It stops with errDamaged when a decoder complained and the
// damaged pictures are not known yet.
func (x *extractor) once(ctx context.Context, p *pass, sound *soundWriter) error {
	if _, err := x.file.Seek(0, io.SeekStart); err != nil { // where a descriptor's copies share its position
		return fault.Disk(opExtract, x.file.Name(), err)
	}
	limit := x.tool.wall(x.file, p.plan)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := newStopwatch(limit, func() { cancel(sandbox.ErrWall) })
	defer watch.stop()
	p.said = &complaints{sound: p.chosen.Audio, keys: p.keys}
	files := []*os.File{x.file}
	var soundOut, soundIn *os.File
	if p.audio {
		var err error
		if soundOut, soundIn, err = os.Pipe(); err != nil {
			return fault.Disk(opExtract, x.file.Name(), err)
		}
		defer soundOut.Close()
		files = append(files, soundIn)
	}
	limits := x.tool.limits(limit)
	limits.Wall = 0 // the stopwatch knows when we are the ones to wait for
	process, err := x.tool.config.Sandbox.Start(ctx, sandbox.Command{
		Path: x.tool.config.FFmpeg, Args: x.tool.args(p.plan), Files: files, ReadOnly: true,
		Limits: limits, Stderr: p.said.add,
	})
	if soundIn != nil {
		_ = soundIn.Close() // the child has its own
	}
	if err != nil {
		return err
	}
	p.deliver = func(s sample) error {
		if p.again > 0 {
			p.again--
			return nil
		}
		process.Drain() // what it said about this picture
		if !x.audited && p.said.pictures() > 0 {
			return errDamaged
		}
		p.delivered++
		if x.damage.Contains(s.ptsMS) {
			return nil
		}
		watch.pause()
		defer watch.resume()
		return p.sink(s)
	}
	heard := make(chan error, 1)
	panics.Go(func() error {
		if soundOut == nil {
			return nil
		}
		return sound.write(soundOut)
	}, func(err error) {
		if err != nil {
			process.Kill()
		}
		heard <- err
	})

	err = p.read(process.Stdout)
	if err != nil {
		process.Kill()
	}
	status := process.Wait()
	if len(p.thumb) > len(x.thumb) {
		x.thumb = p.thumb
	}
	if soundErr := <-heard; err == nil && soundErr != nil {
		err = fault.Disk("write", sound.dir, soundErr)
	}
	switch {
	case errors.Is(err, matroska.ErrDamaged):
		return fault.Wrap(fault.Transport, opExtract, x.file.Name(), err)
	case err != nil:
		return err
	}
	return x.verdict(p, status)
}

// read takes packets until the stream ends. How it should have ended is known
// from the exit status.
func (p *pass) read(r io.Reader) error {
	d := matroska.New(r)
	for {
		in, err := d.Next()
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return p.resolve(true)
		}
		if err == nil {
			err = p.packet(in)
		}
		if err != nil {
			return err
		}
	}
}

// verdict decides about the exit status: ffmpeg fails on damaged videos of which
// it decoded a part, and that part counts.
func (x *extractor) verdict(p *pass, status error) error {
	if status == nil {
		return nil
	}
	refused := refusal(opExtract, x.file, status, p.said)
	if fault.ClassOf(refused) != fault.Input || errors.Is(status, sandbox.ErrWall) {
		return refused
	}
	x.refused = refused
	return nil
}

// wall is how long a pass may take. Where the container does not say how long
// the video is, its size bounds it: 50 kB a second is a poor picture.
func (t *Tool) wall(file *os.File, p plan) time.Duration {
	length := time.Duration(p.media.DurationMS) * time.Millisecond
	if p.untilMS > 0 {
		length = time.Duration(p.untilMS) * time.Millisecond // a part may be decoded from the start
	}
	if length <= 0 {
		if info, err := file.Stat(); err == nil {
			length = time.Duration(info.Size()/50_000) * time.Second
		}
	}
	return min(t.config.Wall+time.Duration(t.config.WallFactor)*length, 24*time.Hour)
}

// stopwatch fires when the time that runs between resume and pause is used up.
type stopwatch struct {
	mu    sync.Mutex
	left  time.Duration
	since time.Time
	timer *time.Timer
}

func newStopwatch(d time.Duration, fire func()) *stopwatch {
	return &stopwatch{left: d, since: time.Now(), timer: time.AfterFunc(d, fire)}
}

func (w *stopwatch) pause() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer.Stop()
	w.left -= time.Since(w.since)
}

func (w *stopwatch) resume() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.since = time.Now()
	w.timer.Reset(max(w.left, 0))
}

func (w *stopwatch) stop() { w.timer.Stop() }
