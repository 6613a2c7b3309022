package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// small makes n videos of the given number of frames; all frames differ.
func small(t *testing.T, n, frames int) string {
	t.Helper()
	dir := t.TempDir()
	for i := range n {
		source := fmt.Sprintf("color=gray:s=16x9:r=1,noise=alls=100:allf=t+u:all_seed=%d,scale=64:36:flags=neighbor", 100+i)
		out, err := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error", "-f", "lavfi", "-i", source,
			"-frames:v", fmt.Sprint(frames), "-preset", "ultrafast", "-pix_fmt", "yuv420p",
			filepath.Join(dir, fmt.Sprintf("small-%d.mp4", i))).CombinedOutput()
		require.NoError(t, err, string(out))
	}
	return dir
}

// smallProfile ingests in chunks of a few frames, so that a short video is in several stages
// at the same time.
const smallProfile = `{"cogflow": {"active_profile": "small", "profiles": {"small": {
	"sampling": {"strategy": "fps", "fps": 1}, "chunk_frames": 8}}}}`

// newSmallStack is a stack whose workers use smallProfile. The command lines of its child
// processes contain its directory, by which children finds them.
func newSmallStack(t *testing.T, dynamic map[string]string) *stack {
	t.Helper()
	s := newStack(t, dynamic)
	file := filepath.Join(s.dir, "config.json")
	require.NoError(t, os.WriteFile(file, []byte(smallProfile), 0o600))
	s.env = append(s.env, "COGNIVERSE_CONFIG="+file)
	s.links(map[string]string{"COGFLOW_FFMPEG": "ffmpeg", "COGFLOW_FFPROBE": "ffprobe"})
	return s
}

// readsText lets workers of a small stack read the text in frames: see withText.
func (s *stack) readsText() {
	s.t.Helper()
	s.links(map[string]string{"COGFLOW_TESSERACT": "tesseract"})
}

// links makes workers find programs in the directory of the stack.
func (s *stack) links(programs map[string]string) {
	s.t.Helper()
	for variable, program := range programs {
		path, err := exec.LookPath(program)
		require.NoError(s.t, err, "run make tools")
		link := filepath.Join(s.dir, program)
		require.NoError(s.t, os.Symlink(path, link))
		s.env = append(s.env, variable+"="+link)
	}
}

// heldCalls blocks calls of the preview describer until they are released.
type heldCalls struct {
	t    *testing.T
	env  string // environment variable of a worker whose calls can be held
	file string
}

// heldCalls makes a describer whose calls can be held.
func (s *stack) heldCalls(t *testing.T) heldCalls {
	t.Helper()
	dir := filepath.Join(s.dir, "held") // the sandbox can read the directory of the program
	require.NoError(t, os.Mkdir(dir, 0o700))
	h := heldCalls{t: t, file: filepath.Join(dir, "hold")}
	script := filepath.Join(dir, "held-tesseract")
	text := "#!/bin/sh\nwhile [ -e '" + h.file + "' ]; do sleep 0.05; done\nexec tesseract \"$@\"\n"
	require.NoError(t, os.WriteFile(script, []byte(text), 0o700)) //nolint:gosec // a worker executes it
	h.env = "COGFLOW_TESSERACT=" + script
	return h
}

// hold blocks further calls. Call it after the start of the workers, which make a test call.
func (h heldCalls) hold() {
	h.t.Helper()
	require.NoError(h.t, os.WriteFile(h.file, nil, 0o600))
}

func (h heldCalls) release() {
	h.t.Helper()
	require.NoError(h.t, os.Remove(h.file))
}

// logged reports whether the log of the workers contains a text.
func (s *stack) logged(text string) bool {
	out, err := os.ReadFile(filepath.Join(s.dir, "worker.log"))
	return err == nil && bytes.Contains(out, []byte(text))
}
