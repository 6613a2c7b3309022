// Package truth_test compares what is extracted from videos with what they show. The
// pictures of its clips carry their number as a bar code. It knows the result of an
// extraction, not how it is made.
package truth_test

import (
	"bytes"
	"context"
	"image"
	"image/jpeg"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/ffmpeg"
	"github.com/cogniverse/cogflow/internal/sandbox"
	"github.com/cogniverse/cogflow/video"
)

var shared = sync.OnceValues(func() (*ffmpeg.Tool, error) {
	s, err := sandbox.New(context.Background(), sandbox.Config{})
	if err != nil {
		return nil, err
	}
	return ffmpeg.New(context.Background(), ffmpeg.Config{Sandbox: s, Threads: 2})
})

func tool(t testing.TB) *ffmpeg.Tool {
	t.Helper()
	tool, err := shared()
	require.NoError(t, err)
	return tool
}

// run calls ffmpeg in a folder.
func run(t testing.TB, dir string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(context.Background(), "ffmpeg", append([]string{"-nostdin", "-y", "-v", "error"}, args...)...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%v: %s", args, out)
}

// clip makes a clip by ffmpeg's own means.
func clip(t testing.TB, name string, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	run(t, filepath.Dir(path), append(args, path)...)
	return path
}

// given is a clip of another project, or one that was a fault before.
func given(t *testing.T, name string) string {
	t.Helper()
	const dir = "../../../../shared/media/cases"
	if _, err := os.Stat(dir); err != nil {
		t.Skip("no given clips on this machine")
	}
	return filepath.Join(dir, name)
}

// extracted is all that came out of an extraction.
type extracted struct {
	video.Extraction
	frames   []video.Frame
	pictures []image.Image
	stills   [][][]byte // JPEGs of each frame
	dir      string
}

func try(t testing.TB, path string, s video.Sampling) (extracted, error) {
	t.Helper()
	file, err := os.Open(path)
	require.NoError(t, err)
	defer file.Close()
	e := extracted{dir: t.TempDir()}
	e.Extraction, err = tool(t).Extract(t.Context(), file, e.dir, s, func(p video.Picture) error {
		e.frames = append(e.frames, p.Frame)
		e.stills = append(e.stills, p.Stills)
		picture, err := jpeg.Decode(bytes.NewReader(p.JPEG))
		e.pictures = append(e.pictures, picture)
		return err
	}, func(int64) {})
	return e, err
}

func extract(t testing.TB, path string, s video.Sampling) extracted {
	t.Helper()
	e, err := try(t, path, s)
	require.NoError(t, err)
	return e
}

func probe(t testing.TB, path string) video.Media {
	t.Helper()
	file, err := os.Open(path)
	require.NoError(t, err)
	defer file.Close()
	m, err := tool(t).Probe(t.Context(), file)
	require.NoError(t, err)
	return m
}
