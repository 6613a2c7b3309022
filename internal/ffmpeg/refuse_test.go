package ffmpeg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/child/childtest"
	"github.com/cogniverse/cogflow/internal/ffmpeg/colour"
	"github.com/cogniverse/cogflow/internal/ffmpeg/tracks"
	"github.com/cogniverse/cogflow/internal/sandbox"
	"github.com/cogniverse/cogflow/video"
)

// huge patches the size of the pictures in the header of a file.
func huge(t *testing.T) []byte {
	t.Helper()
	raw, err := os.ReadFile(clip(t, "ffv1.mkv", "-f", "lavfi", "-i", "testsrc2=s=640x480:r=1:d=1", "-c:v", "ffv1"))
	require.NoError(t, err)
	for from, to := range map[string]string{"\xB0\x82\x02\x80": "\xB0\x82\x40\x00", "\xBA\x82\x01\xE0": "\xBA\x82\x40\x00"} {
		require.Equal(t, 1, bytes.Count(raw, []byte(from)))
		raw = bytes.Replace(raw, []byte(from), []byte(to), 1)
	}
	return raw
}

func TestBadInputsAreRefusedByName(t *testing.T) {
	t.Parallel()
	whole, err := os.ReadFile(movingClip(t))
	require.NoError(t, err)
	hollow, err := os.ReadFile(clip(t, "hollow.mp4", "-f", "lavfi", "-i", "testsrc2=s=160x120:r=10:d=1",
		"-c:v", "libx264", "-frames:v", "0", "-movflags", "empty_moov"))
	require.NoError(t, err)
	cases := map[string]struct {
		content []byte
		reason  string
	}{
		"empty.mp4":                   {nil, "it is empty"},
		"text.mp4":                    {[]byte("just some text, no video at all\n"), "not a video"},
		"cut.mp4":                     {whole[:len(whole)/2], "its index is missing"},
		"hollow.mp4":                  {hollow, "video stream is empty"},
		"huge.mp4":                    {huge(t), "too large"},
		"list.m3u8":                   {[]byte("#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n"), "playlists are not followed"},
		"list.mpd":                    {[]byte("<?xml version=\"1.0\"?>\n<MPD></MPD>"), "playlists are not followed"},
		"list.txt":                    {[]byte("ffconcat version 1.0\nfile '/etc/passwd'\n"), "playlists are not followed"},
		"image.png":                   {[]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x02"), "not read"},
		"subtitles.srt":               {[]byte("1\n00:00:01,000 --> 00:00:02,000\nhello\n"), "not read"},
		"-i new\nline \"quote' $(x)`": {[]byte("text"), "not a video"},
	}
	for name, c := range cases {
		t.Run(strconv.Quote(name), func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), name)
			require.NoError(t, os.WriteFile(path, c.content, 0o600))
			_, err := tool(t).Probe(t.Context(), open(t, path))
			require.Equal(t, fault.Input, fault.ClassOf(err), "%v", err)
			require.ErrorContains(t, err, c.reason)
			require.ErrorContains(t, err, strconv.Quote(path), "it names the file")
			require.NotContains(t, err.Error(), "/dev/fd")
			require.NotContains(t, err.Error(), "\n")
			_, err = tool(t).Extract(t.Context(), open(t, path), t.TempDir(), video.Sampling{}, nil, nil)
			require.Equal(t, fault.Input, fault.ClassOf(err), "%v", err)
		})
	}
	t.Run("directory", func(t *testing.T) {
		t.Parallel()
		_, err := tool(t).Probe(t.Context(), open(t, t.TempDir()))
		require.ErrorContains(t, err, "it is a directory")
	})
	t.Run("fifo", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "fifo")
		require.NoError(t, syscall.Mkfifo(path, 0o600))
		file, err := os.OpenFile(path, os.O_RDWR, 0)
		require.NoError(t, err)
		defer file.Close()
		_, err = tool(t).Probe(t.Context(), file)
		require.ErrorContains(t, err, "not a regular file")
	})
}

// The worker opened the file, but inside of the sandbox root has no privilege.
func TestForeignFileNamesTheWayOut(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 || !tool(t).config.Sandbox.Protection().Bubblewrap {
		t.Skip("needs root and bubblewrap")
	}
	path := filepath.Join(t.TempDir(), "foreign.mp4")
	require.NoError(t, os.WriteFile(path, []byte("content"), 0o600))
	require.NoError(t, os.Chown(path, 65534, 65534))
	_, err := tool(t).Probe(t.Context(), open(t, path))
	require.Equal(t, fault.Input, fault.ClassOf(err))
	require.ErrorContains(t, err, "make it readable for the user of the worker")
}

// The name of a file is never part of a command line.
func TestSpecialCharactersInNames(t *testing.T) {
	t.Parallel()
	whole, err := os.ReadFile(movingClip(t))
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "-f lavfi \"'\n%03d.mp4")
	require.NoError(t, os.WriteFile(path, whole, 0o600))
	require.Len(t, extract(t, path, video.Sampling{DedupDistance: keepAll}).frames, 6)
}

// Even if sniff is passed by, a playlist must not be followed to the canary: the
// last access to it would show in its time stamp, and its frames in the result.
func TestPlaylistsAreNotFollowed(t *testing.T) {
	t.Parallel()
	canary := clip(t, "canary.ts", "-f", "lavfi", "-i", "testsrc2=s=160x120:r=10:d=1", "-c:v", "libx264")
	for _, list := range []string{
		"\n\n#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n" + canary + "\n#EXT-X-ENDLIST\n",
		"#comment\nffconcat version 1.0\nfile '" + canary + "'\n",
	} {
		path := filepath.Join(t.TempDir(), "list.m3u8")
		require.NoError(t, os.WriteFile(path, []byte(list), 0o600))
		for _, off := range []bool{false, true} {
			x := toolIn(t, off)
			_, err := x.Probe(t.Context(), open(t, path))
			require.Equal(t, fault.Input, fault.ClassOf(err), "%v", err)
			e := &extractor{tool: x, file: open(t, path), progress: func(int64) {}}
			p := &pass{plan: mainPlan(video.Media{Width: 160, Height: 120}, tracks.Chosen{}, video.LocalPreview().Sampling, false), tick: e.tick}
			p.colours = colour.Filters{Scale: "null", Convert: "null"}
			p.sink = func(sample) error { return errors.New("a frame of the canary") }
			require.NoError(t, e.decode(t.Context(), p, nil))
			require.Error(t, e.refused)
		}
	}
}

func TestDamageIsSurvivedAndCounted(t *testing.T) {
	t.Parallel()
	front := clip(t, "front.mp4", "-i", movingClip(t), "-c", "copy", "-movflags", "+faststart")
	raw, err := os.ReadFile(front)
	require.NoError(t, err)
	t.Run("cut off", func(t *testing.T) {
		t.Parallel()
		path := filepath.Join(t.TempDir(), "cut.mp4")
		require.NoError(t, os.WriteFile(path, raw[:len(raw)*2/3], 0o600))
		for _, strategy := range []video.Strategy{video.FixedRate, video.Keyframes, video.Scene, video.Segments} {
			e := extract(t, path, video.Sampling{Strategy: strategy, WindowMS: 1000, DedupDistance: keepAll})
			require.NotEmpty(t, e.frames)
			require.Less(t, len(e.frames), 6)
			require.Positive(t, e.DecodeErrors, strategy)
			require.Less(t, e.DurationMS, int64(6000))
		}
	})
	t.Run("holes", func(t *testing.T) {
		t.Parallel()
		raw := bytes.Clone(raw)
		for i := len(raw) / 3; i < len(raw)/3+2000; i++ {
			raw[i] ^= 0x5A
		}
		path := filepath.Join(t.TempDir(), "holes.mp4")
		require.NoError(t, os.WriteFile(path, raw, 0o600))
		e := extract(t, path, video.Sampling{DedupDistance: keepAll})
		require.Equal(t, []int64{0, 1000, 4000, 5000}, e.times(), "the pictures from the damage to the next key frame are left out")
		require.GreaterOrEqual(t, e.DecodeErrors, 40)
	})
	t.Run("nothing decodes", func(t *testing.T) {
		t.Parallel()
		raw := bytes.Clone(raw)
		at := bytes.Index(raw, []byte("mdat"))
		for i := at + 4; i < len(raw); i++ {
			raw[i] = 0xFF
		}
		path := filepath.Join(t.TempDir(), "noise.mp4")
		require.NoError(t, os.WriteFile(path, raw, 0o600))
		dir := t.TempDir()
		_, err := tool(t).Extract(t.Context(), open(t, path), dir, video.Sampling{},
			func(video.Picture) error { return nil }, func(int64) {})
		require.Equal(t, fault.Input, fault.ClassOf(err), "%v", err)
		left, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Empty(t, left)
	})
}

// An endless raw pipe of work: emit's error and cancellation end it at once.
func TestAbort(t *testing.T) {
	t.Parallel()
	enough := errors.New("enough")
	for _, off := range []bool{false, true} {
		x := toolIn(t, off)
		dir := t.TempDir()
		_, err := x.Extract(t.Context(), open(t, movingClip(t)), dir, video.Sampling{FPS: 25, DedupDistance: keepAll},
			func(video.Picture) error { return enough }, func(int64) {})
		require.ErrorIs(t, err, enough)

		ctx, cancel := context.WithCancel(t.Context())
		_, err = x.Extract(ctx, open(t, movingClip(t)), dir, video.Sampling{FPS: 25, DedupDistance: keepAll},
			func(video.Picture) error {
				cancel()
				<-ctx.Done()
				return nil
			}, func(int64) {})
		require.ErrorIs(t, err, context.Canceled)
		left, err := os.ReadDir(dir)
		require.NoError(t, err)
		require.Empty(t, left, "nothing is left behind")
		require.Empty(t, children(t, dir))
	}
}

// children lists the command lines of living processes that mention dir.
func children(t *testing.T, dir string) []string {
	t.Helper()
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	require.NoError(t, err)
	var found []string
	for _, path := range lines {
		line, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(line), dir) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		require.NoError(t, err)
		if !childtest.Ended(pid) {
			found = append(found, string(line))
		}
	}
	return found
}

// The limit counts the time of the child, not that of a slow taker.
func TestWallLimit(t *testing.T) {
	t.Parallel()
	x := toolIn(t, false)
	x.config.Wall, x.config.WallFactor = time.Millisecond, 0
	_, err := x.Extract(t.Context(), open(t, movingClip(t)), t.TempDir(), video.Sampling{},
		func(video.Picture) error { return nil }, func(int64) {})
	require.Equal(t, fault.Input, fault.ClassOf(err))
	require.ErrorContains(t, err, "took longer")

	var fired atomic.Bool
	watch := newStopwatch(time.Hour, func() { fired.Store(true) })
	watch.pause()
	watch.left = 0
	require.False(t, fired.Load())
	watch.resume()
	require.Eventually(t, fired.Load, time.Minute, time.Millisecond)
}

func TestFullDiskIsCapacity(t *testing.T) {
	t.Parallel()
	err := fault.Disk("write", "/dir/audio.flac", fmt.Errorf("write: %w", syscall.ENOSPC))
	require.Equal(t, fault.Capacity, fault.ClassOf(err))

	full := filepath.Join(t.TempDir(), AudioFile(0))
	require.NoError(t, os.Symlink("/dev/full", full))
	_, err = tool(t).Extract(t.Context(), open(t, movingClip(t)), filepath.Dir(full), video.Sampling{},
		func(video.Picture) error { return nil }, func(int64) {})
	require.Equal(t, fault.Capacity, fault.ClassOf(err), "%v", err)
}

func TestMissingProgram(t *testing.T) {
	t.Parallel()
	_, err := New(t.Context(), Config{FFmpeg: "no-such-ffmpeg", Sandbox: &sandbox.Sandbox{}})
	require.ErrorContains(t, err, "apt-get install ffmpeg")
	require.Equal(t, fault.Input, fault.ClassOf(err))
	require.NotEmpty(t, tool(t).Version())
	for version, flag := range map[string]string{
		"4.4.2-0ubuntu": "-vsync", "5.0": "-vsync", "5.1.9-0+deb12u1": "-fps_mode", "n7.1": "-fps_mode",
		"8.0": "-fps_mode", "N-12345-gabc": "-fps_mode", "5.1": "-fps_mode",
	} {
		require.Equal(t, flag, syncFlag(version), version)
	}
}

// TestDecoderCannotAlterTheOriginal: programs in the place of ffprobe and ffmpeg try to empty
// the file that they are given and to change its mode. Without the sandbox they can.
func TestDecoderCannotAlterTheOriginal(t *testing.T) {
	t.Parallel()
	original, err := os.ReadFile(cards(t))
	require.NoError(t, err)
	for _, off := range []bool{false, true} {
		dir := t.TempDir()
		program := filepath.Join(dir, "ffprobe")
		require.NoError(t, os.WriteFile(program, []byte("#!/bin/sh\nexec 2>&1\n[ \"$2\" = -version ] && { echo ffmpeg version 6.0; exit 0; }\n: > /dev/fd/3\nchmod 777 /dev/fd/3\nexit 1\n"), 0o755))
		copied := filepath.Join(dir, "a.mp4")
		require.NoError(t, os.WriteFile(copied, original, 0o644))
		box, err := sandbox.New(t.Context(), sandbox.Config{Off: off})
		require.NoError(t, err)
		fake, err := New(t.Context(), Config{FFmpeg: program, FFprobe: program, Sandbox: box})
		require.NoError(t, err)
		file := open(t, copied)
		_, err = fake.Probe(t.Context(), file)
		require.Error(t, err)
		_, err = fake.Extract(t.Context(), file, t.TempDir(), video.Sampling{}, func(video.Picture) error { return nil }, func(int64) {})
		require.Error(t, err)
		now, err := os.ReadFile(copied)
		require.NoError(t, err)
		info, err := os.Stat(copied)
		require.NoError(t, err)
		require.Equal(t, off, !bytes.Equal(original, now))
		require.Equal(t, off, info.Mode().Perm() != 0o644)
	}
}
