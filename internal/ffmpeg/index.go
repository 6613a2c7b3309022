package ffmpeg

import (
	"context"
	"io"
	"os"
	"strconv"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/ffmpeg/packets"
	"github.com/cogniverse/cogflow/internal/ffmpeg/tracks"
	"github.com/cogniverse/cogflow/internal/sandbox"
	"github.com/cogniverse/cogflow/panics"
	"github.com/cogniverse/cogflow/video"
)

// ask runs ffprobe on a stream and lets read take its output. What ffprobe says about damage
// is not an error: read judges by what came.
func (t *Tool) ask(ctx context.Context, file *os.File, p plan, args []string, read func(io.Reader) error) error {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return fault.Disk(opExtract, file.Name(), err)
	}
	args = append([]string{"-hide_banner", "-v", "level+fatal", "-select_streams", strconv.Itoa(p.chosen.Video.Index)}, args...)
	process, err := t.config.Sandbox.Start(ctx, sandbox.Command{
		Path: t.config.FFprobe, Args: append(args, input()...), Files: []*os.File{file}, ReadOnly: true,
		Limits: t.limits(t.wall(file, p)),
	})
	if err != nil {
		return err
	}
	err = read(process.Stdout)
	if err != nil {
		process.Kill()
	}
	status := process.Wait()
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return fault.Wrap(fault.Transport, opExtract, file.Name(), err)
	case status != nil:
		if refused := refusal(opExtract, file, status, &complaints{}); fault.ClassOf(refused) != fault.Input {
			return refused
		}
	}
	return nil
}

// index reads the times of all packets of the picture's stream.
func (t *Tool) index(ctx context.Context, file *os.File, m video.Media, c tracks.Chosen) (table packets.Table, err error) {
	args := []string{"-show_entries", packets.Entries, "-of", "csv=p=0"}
	err = t.ask(ctx, file, plan{media: m, chosen: c}, args, func(r io.Reader) (err error) {
		table, err = packets.Read(r, m.StartMS, c.Video.Delay > 0)
		return err
	})
	return table, err
}

// listing is a list of packets in the making.
type listing struct {
	table packets.Table
	err   error
	done  chan struct{} // closed when the list is there
	stop  context.CancelFunc
}

// startListing lists the packets beside what else is done.
func (x *extractor) startListing(ctx context.Context) {
	ctx, stop := context.WithCancel(ctx)
	l := &listing{done: make(chan struct{}), stop: stop}
	x.list = l
	panics.Go(func() (err error) {
		l.table, err = x.tool.index(ctx, x.file, x.media, x.chosen)
		return err
	}, func(err error) {
		l.err = err
		close(l.done)
	})
}

func (x *extractor) stopListing() {
	if x.list != nil {
		x.list.stop()
		<-x.list.done
	}
}

// times waits for what the packets say; it asks once.
func (x *extractor) times(ctx context.Context) (packets.Table, error) {
	if x.list == nil {
		x.startListing(ctx)
	}
	<-x.list.done
	if x.list.err != nil {
		return packets.Table{}, x.list.err
	}
	x.table = &x.list.table
	return *x.table, nil
}

// audit finds the damaged pictures. It decodes the whole video with one thread, and is done
// only if a decoder complained.
func (x *extractor) audit(ctx context.Context) error {
	args := []string{
		"-threads", "1", "-max_pixels", strconv.Itoa(maxPixels), "-show_frames", "-show_log", "16",
		"-show_entries", packets.AuditEntries, "-of", "default",
	}
	x.audited = true
	return x.tool.ask(ctx, x.file, x.main.plan, args, func(r io.Reader) (err error) {
		x.damage, x.damaged, err = packets.Audit(r, x.media.StartMS, x.chosen.Video.Delay)
		return err
	})
}
