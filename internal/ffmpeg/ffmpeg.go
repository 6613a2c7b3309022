// Package ffmpeg reads untrusted video files with ffprobe and ffmpeg as sandboxed child
// processes. They read the file through an inherited descriptor and answer on pipes; they
// can open no other path and write no file. This package knows containers, frames and time,
// not the purpose of the frames.
package ffmpeg

import (
	"context"
	"os/exec"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/sandbox"
)

// Config names the programs. The zero value of every field but Sandbox works.
type Config struct {
	FFmpeg  string // path or name; default "ffmpeg"
	FFprobe string // path or name; default "ffprobe"
	Sandbox *sandbox.Sandbox
	Threads int // decoding threads; default one a processor, at most 16

	// A decode may take Wall plus WallFactor times the length of the video, not
	// counting the time that the caller takes for the frames. Default 60 s and 20.
	Wall       time.Duration
	WallFactor int
}

// Tool probes and decodes videos. It is safe for concurrent use.
type Tool struct {
	config  Config
	version string
	sync    string // the flag that turns frame duplication off: its name changed in 5.1
	known   memory
}

var versionLine = regexp.MustCompile(`^ffmpeg version (\S+)`)

// New finds the programs and runs ffmpeg once to learn its version.
func New(ctx context.Context, c Config) (*Tool, error) {
	for _, program := range []struct {
		path     *string
		fallback string
	}{{&c.FFmpeg, "ffmpeg"}, {&c.FFprobe, "ffprobe"}} {
		if *program.path == "" {
			*program.path = program.fallback
		}
		found, err := exec.LookPath(*program.path)
		if err != nil {
			return nil, fault.New(fault.Input, "find program", *program.path,
				"not found; install ffmpeg: apt-get install ffmpeg, or brew install ffmpeg")
		}
		*program.path = found
	}
	if c.Threads <= 0 {
		c.Threads = min(runtime.NumCPU(), 16)
	}
	if c.Wall <= 0 {
		c.Wall = time.Minute
	}
	if c.WallFactor <= 0 {
		c.WallFactor = 20
	}
	t := &Tool{config: c}
	out, err := t.says(ctx, "-version")
	if err != nil {
		return nil, err
	}
	match := versionLine.FindSubmatch(out)
	if match == nil {
		return nil, fault.New(fault.Input, "run program", c.FFmpeg, "it does not say that it is ffmpeg")
	}
	t.version = string(match[1])
	t.sync = syncFlag(t.version)
	return t, nil
}

// filters returns the names of those filters that this ffmpeg has, of some.
func (t *Tool) filters(ctx context.Context, some []string) ([]string, error) {
	list, err := t.says(ctx, "-filters")
	return slices.DeleteFunc(slices.Clone(some), func(name string) bool {
		return !strings.Contains(string(list), " "+name+" ")
	}), err
}

// says runs ffmpeg for what it says about itself.
func (t *Tool) says(ctx context.Context, about string) ([]byte, error) {
	out, err := t.config.Sandbox.Run(ctx, sandbox.Command{
		Path: t.config.FFmpeg, Args: []string{"-hide_banner", about}, Limits: t.limits(t.config.Wall), ReadOnly: true,
	}, 256<<10)
	return out, fault.Wrap(fault.Transport, "run program", t.config.FFmpeg, err)
}

// Version is what ffmpeg calls itself: "5.1.9-0+deb12u1".
func (t *Tool) Version() string { return t.version }

// syncFlag takes builds without a release number for new ones.
func syncFlag(version string) string {
	parts := strings.SplitN(strings.TrimPrefix(version, "n"), ".", 3)
	major, err := strconv.Atoi(parts[0])
	if err != nil || major > 5 || len(parts) < 2 {
		return "-fps_mode"
	}
	if minor, err := strconv.Atoi(strings.SplitN(parts[1], "-", 2)[0]); major == 5 && err == nil && minor >= 1 {
		return "-fps_mode"
	}
	return "-vsync"
}

// limits bound a child. Each thread may reserve address space for its stack and
// arena without ever using it, so that the bound grows with them.
func (t *Tool) limits(wall time.Duration) sandbox.Limits {
	threads := t.config.Threads + 4
	return sandbox.Limits{
		Wall:      wall,
		CPU:       wall * time.Duration(threads),
		Memory:    4<<30 + uint64(threads)*(256<<20),
		Total:     4 << 30,
		Files:     64,
		Processes: 128 + 8*uint64(threads), // each decoder, filter and encoder has its own threads
	}
}
