package ffmpeg

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/sandbox"
	"github.com/cogniverse/cogflow/video"
)

var clips struct { // made once for all tests
	dir  string
	mu   sync.Mutex
	made map[string]*sync.Once
}

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "cogflow-clips-")
	if err != nil {
		panic(err)
	}
	clips.dir, clips.made = dir, map[string]*sync.Once{}
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}

// clip makes a clip by ffmpeg's own means, once.
func clip(t testing.TB, name string, args ...string) string {
	t.Helper()
	_, err := exec.LookPath("ffmpeg")
	require.NoError(t, err, "run make tools")
	path := filepath.Join(clips.dir, name)
	clips.mu.Lock()
	once := clips.made[name]
	if once == nil {
		once = &sync.Once{}
		clips.made[name] = once
	}
	clips.mu.Unlock()
	once.Do(func() {
		all := append([]string{"-nostdin", "-y", "-v", "error"}, args...)
		out, err := exec.CommandContext(context.Background(), "ffmpeg", append(all, path)...).CombinedOutput()
		require.NoError(t, err, string(out))
	})
	return path
}

// movingClip is a clip whose pictures all differ, with a key frame every 2 seconds
// and sound.
func movingClip(t testing.TB) string {
	return clip(t, "moving.mp4", "-f", "lavfi", "-i", "testsrc2=s=320x180:r=25:d=6",
		"-f", "lavfi", "-i", "sine=440:d=6", "-c:v", "libx264", "-preset", "ultrafast", "-g", "50",
		"-keyint_min", "50", "-sc_threshold", "0", "-pix_fmt", "yuv420p", "-c:a", "aac")
}

// cards is a clip of still colours, two seconds each, without sound.
func cards(t testing.TB) string {
	return clip(t, "cards.mp4", "-f", "lavfi", "-i", "color=red:s=160x120:r=10:d=2",
		"-f", "lavfi", "-i", "color=white:s=160x120:r=10:d=2", "-f", "lavfi", "-i", "color=blue:s=160x120:r=10:d=2",
		"-filter_complex", "[0][1][2]concat=n=3", "-c:v", "libx264", "-g", "600", "-pix_fmt", "yuv420p")
}

var shared = sync.OnceValues(func() (*Tool, error) {
	s, err := sandbox.New(context.Background(), sandbox.Config{})
	if err != nil {
		return nil, err
	}
	return New(context.Background(), Config{Sandbox: s})
})

// tool is the one with the best protection that works here.
func tool(t testing.TB) *Tool {
	t.Helper()
	tool, err := shared()
	require.NoError(t, err)
	return tool
}

// toolIn is one in a sandbox with or without bubblewrap.
func toolIn(t testing.TB, off bool) *Tool {
	t.Helper()
	s, err := sandbox.New(t.Context(), sandbox.Config{Off: off})
	require.NoError(t, err)
	tool, err := New(t.Context(), Config{Sandbox: s})
	require.NoError(t, err)
	return tool
}

func open(t testing.TB, path string) *os.File {
	t.Helper()
	file, err := os.Open(path)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, file.Close()) })
	return file
}

// extracted is all that came out of an extraction.
type extracted struct {
	video.Extraction
	frames []video.Frame
	jpegs  [][]byte
	stills [][][]byte
	dir    string
}

func extract(t testing.TB, path string, s video.Sampling) extracted {
	t.Helper()
	e := extracted{dir: t.TempDir()}
	var err error
	e.Extraction, err = tool(t).Extract(t.Context(), open(t, path), e.dir, s,
		func(p video.Picture) error {
			e.frames = append(e.frames, p.Frame)
			e.jpegs = append(e.jpegs, p.JPEG)
			e.stills = append(e.stills, p.Stills)
			return nil
		}, func(int64) {})
	require.NoError(t, err)
	e.check(t)
	return e
}

// check holds for every extraction.
func (e extracted) check(t testing.TB) {
	t.Helper()
	require.Equal(t, len(e.frames), e.Frames)
	for i, f := range e.frames {
		require.Equal(t, f.Bytes, len(e.jpegs[i]))
		require.Equal(t, "\xff\xd8", string(e.jpegs[i][:2]))
		require.Less(t, f.StartMS, f.EndMS)
		require.Len(t, e.stills[i], len(f.Stills))
		if i > 0 {
			require.Greater(t, f.PTSMS, e.frames[i-1].PTSMS)
			require.GreaterOrEqual(t, f.Shot, e.frames[i-1].Shot)
		}
	}
	require.FileExists(t, filepath.Join(e.dir, ThumbnailFile))
}

func (e extracted) times() []int64 {
	var times []int64
	for _, f := range e.frames {
		times = append(times, f.PTSMS)
	}
	return times
}

func (e extracted) ranges() [][2]int64 {
	var ranges [][2]int64
	for _, f := range e.frames {
		ranges = append(ranges, [2]int64{f.StartMS, f.EndMS})
	}
	return ranges
}

func samplingOf(strategy string) video.Sampling {
	return video.Sampling{Strategy: video.Strategy(strategy), WindowMS: 3000, OverlapMS: 500, MaxGapMS: 3000}
}
