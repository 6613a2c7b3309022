package ffmpeg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/ffmpeg/matroska"
	"github.com/cogniverse/cogflow/internal/ffmpeg/tracks"
	"github.com/cogniverse/cogflow/internal/sandbox"
	"github.com/cogniverse/cogflow/video"
)

const opSound = "extract sound"

// soundArgs are the options that write a track as FLAC packets to a pipe.
func soundArgs(track *tracks.Stream, to string) []string {
	args := []string{
		"-map", fmt.Sprintf("0:%d", track.Index), "-af",
		"aresample=16000:async=1:first_pts=0,aformat=sample_fmts=s16:channel_layouts=mono", "-c:a", "flac", "-frame_size", strconv.Itoa(soundFrame),
	}
	return append(args, output(to)...)
}

// extractSound writes the sound of a file without pictures to dir.
func (t *Tool) extractSound(ctx context.Context, file *os.File, dir string, media video.Media, track *tracks.Stream, progress func(ms int64)) (video.Extraction, error) {
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return video.Extraction{}, fault.Disk(opSound, file.Name(), err)
	}
	args := []string{"-nostdin", "-hide_banner", "-v", "level+error", "-max_error_rate", "1"}
	args = append(append(args, input()...), soundArgs(track, "pipe:1")...)
	said := &complaints{}
	process, err := t.config.Sandbox.Start(ctx, sandbox.Command{
		Path: t.config.FFmpeg, Args: args, Files: []*os.File{file}, ReadOnly: true,
		Limits: t.limits(t.wall(file, plan{media: media})), Stderr: said.add,
	})
	if err != nil {
		return video.Extraction{}, err
	}
	sound := soundWriter{dir: dir, progress: progress}
	wrote := sound.write(process.Stdout)
	if wrote != nil {
		process.Kill()
	}
	status := process.Wait()
	err = soundFailure(file, wrote, status, said, sound.pieces)
	if err != nil {
		return video.Extraction{}, errors.Join(err, sound.remove())
	}
	out := video.Extraction{
		DurationMS: sound.lengthMS(), DecodeErrors: said.total(), Unsandboxed: !t.config.Sandbox.Protection().Bubblewrap,
	}
	if status != nil {
		out.DecodeErrors = max(out.DecodeErrors, 1)
	}
	return out, nil
}

// soundFailure decides what failed. Of a damaged file the sound before the damage counts.
func soundFailure(file *os.File, wrote, status error, said *complaints, pieces int) error {
	switch {
	case errors.Is(wrote, matroska.ErrDamaged):
		return fault.Wrap(fault.Transport, opSound, file.Name(), wrote)
	case wrote != nil:
		return fault.Disk(opSound, file.Name(), wrote)
	case status != nil:
		refused := refusal(opSound, file, status, said)
		if pieces > 0 && fault.ClassOf(refused) == fault.Input && !errors.Is(status, sandbox.ErrWall) {
			return nil
		}
		return refused
	case pieces == 0:
		return fault.New(fault.Input, opSound, file.Name(), "no sound of it can be decoded"+because(said.first))
	}
	return nil
}
