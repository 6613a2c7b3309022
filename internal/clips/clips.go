// Package clips makes small videos with ffmpeg: the three videos of `make demo`, with
// enough content to search, and thousands of tiny ones for load tests. It does not know
// workflows.
package clips

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/sandbox"
)

// limit is far above the time that any clip takes.
const limit = 2 * time.Minute

// encode calls ffmpeg in dir with inputs and filters, and moves the output to path in
// one step, so that a clip is complete or absent. It encodes to Matroska first, because
// every version of ffmpeg keeps the timestamps of the frames there. For MP4, some versions
// pad to a constant rate, and the option that prevents this differs between versions.
func encode(ctx context.Context, ffmpeg, dir, path string, args ...string) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	work, err := os.MkdirTemp(filepath.Dir(path), ".clip-")
	if err != nil {
		return fault.Disk("make clip", path, err)
	}
	defer os.RemoveAll(work)
	timed, whole := filepath.Join(work, "clip.mkv"), filepath.Join(work, "clip.mp4")
	args = append(args, "-c:v", "libx264", "-pix_fmt", "yuv420p", timed)
	if err := run(ctx, ffmpeg, dir, args); err != nil {
		return err
	}
	remux := []string{"-i", timed, "-c", "copy", "-fflags", "+bitexact", whole}
	if err := run(ctx, ffmpeg, dir, remux); err != nil {
		return err
	}
	return fault.Disk("make clip", path, os.Rename(whole, path))
}

func run(ctx context.Context, ffmpeg, dir string, args []string) error {
	args = append([]string{"-nostdin", "-hide_banner", "-loglevel", "error", "-y"}, args...)
	_, err := sandbox.Tool(ctx, sandbox.Command{Path: ffmpeg, Args: args, Env: os.Environ(), Dir: dir, Limits: sandbox.Limits{Wall: limit}})
	if err != nil {
		var stderr string
		if exit, ok := errors.AsType[*sandbox.ExitError](err); ok {
			stderr = exit.Stderr
		}
		return &fault.Error{
			Class: fault.Input, Op: "make clip with", Subject: ffmpeg, Reason: explain(stderr),
			Err: errors.Join(err, ctx.Err()),
		}
	}
	return nil
}

// explain says what to do if ffmpeg lacks a component.
func explain(stderr string) string {
	text := strings.TrimSpace(stderr)
	for _, part := range []string{"drawtext", "gradients", "libx264"} {
		if strings.Contains(text, part) && (strings.Contains(text, "No such filter") || strings.Contains(text, "Unknown encoder")) {
			return fmt.Sprintf("this ffmpeg has no %s: install a full build of ffmpeg 4.4 or newer (run make tools)", part)
		}
	}
	return text
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// prepare makes dir and returns its absolute path.
func prepare(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	return dir, fault.Disk("make clips", dir, err)
}
