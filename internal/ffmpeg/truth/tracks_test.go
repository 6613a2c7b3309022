package truth_test

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/ffmpeg"
	"github.com/cogniverse/cogflow/video"
)

// loud reports whether there is sound that is not silence.
func loud(t *testing.T, e extracted) bool {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error", "-i", filepath.Join(e.dir, ffmpeg.AudioFile(0)), "-f", "s16le", "-").Output()
	require.NoError(t, err)
	loudest := 0
	for i := 1; i < len(out); i += 2 {
		loudest = max(loudest, int(int8(out[i])))
	}
	return loudest > 1
}

// TestTracks: a container with cover art, two video tracks and two sound tracks, the second
// of each marked as the default.
func TestTracks(t *testing.T) {
	t.Parallel()
	cover := clip(t, "cover.png", "-f", "lavfi", "-i", "color=white:s=600x600", "-frames:v", "1")
	const second = "default"
	path := clip(t, "tracks.mp4", "-i", cover, "-f", "lavfi", "-i", "color=red:s=64x48:r=5:d=2", "-f", "lavfi", "-i", "color=blue:s=96x48:r=5:d=2",
		"-f", "lavfi", "-i", "anullsrc=d=2", "-f", "lavfi", "-i", "sine=d=2", "-map", "0", "-map", "1", "-map", "2", "-map", "3", "-map", "4",
		"-c:v:0", "copy", "-c:v:1", "libx264", "-c:v:2", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac", "-shortest",
		"-disposition:v:0", "attached_pic", "-disposition:v:1", "0", "-disposition:v:2", second, "-disposition:a:0", "0", "-disposition:a:1", second,
		"-metadata:s:a:0", "language=ger", "-metadata:s:a:1", "language=eng")
	m := probe(t, path)
	require.Equal(t, []int{96, 48}, []int{m.Width, m.Height})

	e := extract(t, path, video.Sampling{})
	require.Equal(t, []int{96, 48}, []int{e.frames[0].Width, e.frames[0].Height})
	require.True(t, loud(t, e))

	e = extract(t, path, video.Sampling{VideoTrack: 1, AudioLanguage: "de"})
	require.Equal(t, []int{64, 48}, []int{e.frames[0].Width, e.frames[0].Height})
	require.False(t, loud(t, e))

	for _, s := range []video.Sampling{{VideoTrack: 3}, {AudioTrack: 3}, {AudioLanguage: "fr"}} {
		_, err := try(t, path, s)
		require.Equal(t, fault.Input, fault.ClassOf(err))
		require.ErrorContains(t, err, "it has 1 (")
	}

	picture := clip(t, "song.mp4", "-i", cover, "-f", "lavfi", "-i", "sine=d=1", "-map", "0", "-map", "1", "-c:v", "copy", "-c:a", "aac",
		"-disposition:v:0", "attached_pic")
	_, err := try(t, picture, video.Sampling{NoAudio: true})
	require.ErrorContains(t, err, "it has no video stream")
	require.True(t, loud(t, extract(t, picture, video.Sampling{})), "a song with its cover is sound")
}

func TestGivenDefaultTracks(t *testing.T) {
	t.Parallel()
	path := given(t, "twovideo.mkv")
	e := extract(t, path, video.Sampling{Strategy: video.Keyframes})
	require.Equal(t, []int{320, 240}, []int{e.frames[0].Width, e.frames[0].Height})
	require.True(t, loud(t, extract(t, given(t, "second_track_speech.mkv"), video.Sampling{})))
}
