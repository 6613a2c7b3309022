package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/clips"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows/ingest"
)

// unprivilegedUID is the user of workers in tests of permissions. These workers cannot run as
// root, because root can read every file.
const unprivilegedUID = 65534

// dropRoot runs worker processes as an unprivileged user with its own directories. It does
// nothing if the test is not run by root.
func (s *stack) dropRoot() {
	s.t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	// Directories of the testing package and go test are private to their user.
	require.NoError(s.t, os.Chmod(filepath.Dir(s.dir), 0o755))
	require.NoError(s.t, os.Chown(s.dir, unprivilegedUID, unprivilegedUID))
	program, err := os.ReadFile(os.Args[0])
	require.NoError(s.t, err)
	s.program = filepath.Join(s.dir, "worker.test")
	require.NoError(s.t, os.WriteFile(s.program, program, 0o755))
	s.user = &syscall.Credential{Uid: unprivilegedUID, Gid: unprivilegedUID}
}

// makeClip makes a clip with ffmpeg; args are its inputs and options.
func makeClip(t *testing.T, path string, args ...string) {
	t.Helper()
	args = append([]string{"-v", "error", "-y"}, append(args, "file:"+path)...)
	out, err := exec.CommandContext(t.Context(), "ffmpeg", args...).CombinedOutput()
	require.NoError(t, err, string(out))
}

// tiny writes a video of n frames to path.
func tiny(t *testing.T, path string, n int) {
	t.Helper()
	made, err := clips.Tiny(t.Context(), "ffmpeg", t.TempDir(), n)
	require.NoError(t, err)
	content, err := os.ReadFile(made)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, content, 0o644))
}

// videos makes a directory that every user can read.
func videos(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.Chmod(filepath.Dir(dir), 0o755))
	return dir
}

const unusualName = "-rf \"x\"\n'$(x)|`y`.mp4"

// badVideos fills a directory with invalid videos and returns a part of the expected reason
// by name. canary is a file that no playlist may open.
func badVideos(t *testing.T, dir, canary string) map[string]string {
	t.Helper()
	at := func(name string) string { return filepath.Join(dir, name) }
	write := func(name, content string) { require.NoError(t, os.WriteFile(at(name), []byte(content), 0o644)) }
	playlist := "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n" + canary + "\n#EXTINF:1,\nfile://" + canary + "\n#EXT-X-ENDLIST\n"

	write("empty.mp4", "")
	write("text.mp4", strings.Repeat("just some text, no video at all\n", 100))
	makeClip(t, at("truncated.mp4"), "-f", "lavfi", "-i", "testsrc2=s=160x120:r=10:d=2")
	whole, err := os.ReadFile(at("truncated.mp4"))
	require.NoError(t, err)
	write("truncated.mp4", string(whole[:len(whole)/2]))
	makeClip(t, at("audio.mp4"), "-f", "lavfi", "-i", "sine=440:d=1", "-c:a", "aac")
	makeClip(t, at("hollow.mp4"), "-f", "lavfi", "-i", "testsrc2=s=160x120:r=10:d=1", "-frames:v", "0", "-movflags", "empty_moov")
	makeClip(t, at("huge.mkv"), "-f", "lavfi", "-i", "testsrc2=s=640x480:r=1:d=1", "-c:v", "ffv1")
	header, err := os.ReadFile(at("huge.mkv"))
	require.NoError(t, err)
	huge := strings.NewReplacer("\xB0\x82\x02\x80", "\xB0\x82\x40\x00", "\xBA\x82\x01\xE0", "\xBA\x82\x40\x00").Replace(string(header))
	require.NotEqual(t, string(header), huge)
	write("huge.mkv", huge)
	write("list.m3u8", playlist)
	write("list.mp4", playlist)
	write("concat.mp4", "ffconcat version 1.0\nfile '"+canary+"'\n")
	require.NoError(t, os.Mkdir(at("directory.mp4"), 0o755))
	require.NoError(t, os.Symlink("nowhere.mp4", at("dangling.mp4")))
	tiny(t, at("unreadable.mp4"), 2)
	require.NoError(t, os.Chmod(at("unreadable.mp4"), 0))
	return map[string]string{
		"empty.mp4": "it is empty", "text.mp4": "it is not a video", "truncated.mp4": "its index is missing",
		"audio.mp4": "no video stream", "hollow.mp4": "video stream is empty", "huge.mkv": "too large",
		"list.m3u8": "playlists are not followed", "list.mp4": "playlists are not followed",
		"concat.mp4": "playlists are not followed", "directory.mp4": "it is a directory",
		"dangling.mp4": "the target of the link does not exist", "unreadable.mp4": "no permission",
	}
}

// TestBadVideosFailAlone: each invalid video fails at the first attempt with a class, the
// reason and its name; other videos are indexed.
func TestBadVideosFailAlone(t *testing.T) {
	t.Parallel()
	dir := videos(t)
	canary := filepath.Join(videos(t), "canary.ts")
	const secret = "CANARY-that-nobody-may-read"
	require.NoError(t, os.WriteFile(canary, []byte(secret), 0o644))
	opened := watchOpen(t, canary)
	want := badVideos(t, dir, canary)
	tiny(t, filepath.Join(dir, "good.mp4"), 3)
	tiny(t, filepath.Join(dir, unusualName), 4)
	s := newStack(t, nil)
	s.dropRoot()
	s.worker(nil)

	out, err := execute[ingest.LibraryResult](s, "bad", "IngestLibrary", ingest.LibraryInput{Source: dir})
	require.NoError(t, err)
	require.Equal(t, len(want)+2, out.Videos)
	require.Equal(t, 2, out.Indexed)
	require.Equal(t, len(want), out.Failed)
	require.Len(t, out.Failures, len(want))
	for _, f := range out.Failures {
		name := filepath.Base(f.URI)
		require.Equal(t, "inspect", f.Stage, name)
		require.Equal(t, string(fault.Input), f.Class, name)
		require.True(t, strings.HasPrefix(f.Reason, "open video") || strings.HasPrefix(f.Reason, "probe video"), f.Reason)
		require.Contains(t, f.Reason, name)
		require.Contains(t, want, name)
		require.Contains(t, f.Reason, want[name], name)
		delete(want, name)
	}
	require.Empty(t, want, "each fails once")
	s.requireOneAttempt("bad", out.Videos)

	found := map[string]bool{}
	for _, hit := range search(s, "frame").Hits {
		found[hit.Name] = true
	}
	require.Equal(t, map[string]bool{"good.mp4": true, strings.ReplaceAll(unusualName, "\n", "\uFFFD"): true}, found)
	require.False(t, opened(), "the playlist was followed")
	require.NotContains(t, fmt.Sprint(out), secret)
}

// requireOneAttempt checks that no activity of a library's videos was retried.
func (s *stack) requireOneAttempt(library string, videos int) {
	s.t.Helper()
	for i := range videos {
		for _, event := range s.history(fmt.Sprintf("%s/%06d", library, i), "") {
			if a := event.GetActivityTaskStartedEventAttributes(); a != nil {
				require.EqualValues(s.t, 1, a.Attempt)
			}
		}
	}
}

// failedWith returns the class and the details of the error with which a workflow failed.
func failedWith(t testing.TB, err error) (class string, f video.Failure) {
	t.Helper()
	var app *temporal.ApplicationError
	require.ErrorAs(t, err, &app)
	require.True(t, app.NonRetryable())
	if app.HasDetails() {
		require.NoError(t, app.Details(&f))
	}
	return app.Type(), f
}

func TestInvalidStarts(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	s.worker([]string{"--pools", "cogflow,media"})
	dir := videos(t)
	for name, c := range map[string]struct {
		in   any
		want []string
	}{
		"unknown-profile": {map[string]any{"source": dir, "profile": "no_such"}, []string{"no_such", "local_preview"}},
		"unknown-field":   {map[string]any{"source": dir, "sauce": 1}, []string{"read input", `"sauce"`}},
		"no-source":       {map[string]any{}, []string{`"source" is required`}},
		"absent-source":   {map[string]any{"source": filepath.Join(dir, "none")}, []string{"none", "no such file"}},
		"bad-tenant":      {map[string]any{"source": dir, "tenant": "../x"}, []string{"../x"}},
		"dry-absent":      {map[string]any{"source": filepath.Join(dir, "none"), "dry_run": true}, []string{"none", "no such file"}},
	} {
		_, err := execute[ingest.LibraryResult](s, name, "IngestLibrary", c.in)
		class, _ := failedWith(t, err)
		require.Equal(t, string(fault.Input), class, name)
		for _, text := range c.want {
			require.ErrorContains(t, err, text, name)
		}
	}
	for name, c := range map[string]struct {
		kind string
		in   any
		want string
	}{
		"video-no-uri":   {"IngestVideo", map[string]any{}, `"uri" is required`},
		"video-unknown":  {"IngestVideo", map[string]any{"uri": "x.mp4", "url": "y"}, `"url"`},
		"video-scheme":   {"IngestVideo", map[string]any{"uri": "ftp://example.org/x.mp4"}, "is not supported"},
		"video-private":  {"IngestVideo", map[string]any{"uri": "https://169.254.169.254/latest/x.mp4"}, "private"},
		"search-unknown": {"SearchVideos", map[string]any{"query": "x", "top": 3}, `"top"`},
		"delete-nothing": {"DeleteVideo", map[string]any{}, "video"},
	} {
		_, err := execute[map[string]any](s, name, c.kind, c.in)
		class, _ := failedWith(t, err)
		require.Equal(t, string(fault.Input), class, name)
		require.ErrorContains(t, err, c.want, name)
	}
}

// TestInputTooLarge: an input that the server rejects starts no workflow, and the caller gets
// the reason.
func TestInputTooLarge(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	for size, want := range map[int]string{3 << 20: "exceeds limit", 5 << 20: "larger than max"} {
		in := ingest.LibraryInput{Source: strings.Repeat("x", size)}
		_, err := s.client.ExecuteWorkflow(t.Context(), startOptions("large"), "IngestLibrary", in)
		require.ErrorContains(t, err, want)
		_, err = s.client.DescribeWorkflow(t.Context(), "large", "")
		require.ErrorContains(t, err, "not found")
	}
}

func TestNoPermissionOnTheStore(t *testing.T) {
	t.Parallel()
	dir := videos(t)
	tiny(t, filepath.Join(dir, "good.mp4"), 2)
	s := newStack(t, nil)
	s.dropRoot()
	w := s.worker(nil)
	in := ingest.LibraryInput{Source: dir}
	_, err := execute[ingest.LibraryResult](s, "first", "IngestLibrary", in)
	require.NoError(t, err)

	// The directory of this tenant becomes read-only.
	recipes := filepath.Join(s.dir, "store", "default", "recipes")
	require.DirExists(t, recipes)
	s.makeReadOnly(recipes)
	in.Force = true
	_, err = execute[ingest.LibraryResult](s, "second", "IngestLibrary", in)
	class, f := failedWith(t, err)
	require.Equal(t, string(fault.Auth), class)
	require.Equal(t, "list", f.Stage)
	require.ErrorContains(t, err, recipes)
	require.ErrorContains(t, err, "no permission; let the user of this process")

	// A worker that cannot write anything fails at its start.
	w.drain()
	s.makeReadOnly(filepath.Join(s.dir, "store"))
	w = s.worker(nil)
	require.Error(t, <-w.done)
	w.done <- nil
	require.Contains(t, s.log(), "no permission; let the user of this process")
}

// makeReadOnly makes a directory read-only for the worker.
func (s *stack) makeReadOnly(dir string) {
	s.t.Helper()
	require.NoError(s.t, filepath.Walk(dir, func(path string, info os.FileInfo, err error) error {
		if err == nil && info.IsDir() {
			err = os.Chmod(path, 0o555)
		}
		return err
	}))
	s.t.Cleanup(func() {
		_ = filepath.Walk(dir, func(path string, _ os.FileInfo, _ error) error { return os.Chmod(path, 0o755) })
	})
}

// log is the output of the worker processes.
func (s *stack) log() string {
	s.t.Helper()
	out, err := os.ReadFile(filepath.Join(s.dir, "worker.log"))
	require.NoError(s.t, err)
	return string(out)
}
