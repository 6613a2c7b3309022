package truth_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/ffmpeg"
	"github.com/cogniverse/cogflow/video"
)

const spoken = "1\n00:00:00,500 --> 00:00:01,500\nThe harbour was <i>empty</i>.\n\n" +
	"2\n00:00:02,000 --> 00:00:03,250\n{\\an8}Nobody had\nseen the captain &amp; his dog.\n\n"

// said is what a container tells about its speech.
func said(t *testing.T, path string) []any {
	t.Helper()
	m := probe(t, path)
	return []any{m.AudioLanguage, m.Subtitles}
}

// TestSubtitles: the text of a container is a transcript with its times, whatever the form of
// the subtitles. Forced ones, and those in another language than the sound, are not.
func TestSubtitles(t *testing.T) {
	t.Parallel()
	words := func(t *testing.T, path string, s video.Sampling) *video.Transcript {
		t.Helper()
		data, err := os.ReadFile(filepath.Join(extract(t, path, s).dir, ffmpeg.SubtitlesFile))
		if os.IsNotExist(err) {
			return nil
		}
		require.NoError(t, err)
		var out video.Transcript
		require.NoError(t, json.Unmarshal(data, &out))
		return &out
	}
	srt := filepath.Join(t.TempDir(), "spoken.srt")
	require.NoError(t, os.WriteFile(srt, []byte(spoken), 0o600))
	film := func(t *testing.T, name string, args ...string) string {
		return clip(t, name, append([]string{
			"-f", "lavfi", "-i", "testsrc2=s=64x48:r=5:d=4", "-f", "lavfi", "-i", "sine=d=4", "-i", srt, "-map", "0", "-map", "1", "-map", "2",
		}, args...)...)
	}
	for name, codec := range map[string]string{"srt.mkv": "srt", "ass.mkv": "ass", "mov.mp4": "mov_text", "vtt.webm": "webvtt"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out := words(t, film(t, name, "-c:s", codec, "-metadata:s:s:0", "language=eng"), video.Sampling{})
			require.NotNil(t, out)
			require.Equal(t, video.Subtitles, out.Model)
			require.Len(t, out.Segments, 2)
			first, second := out.Segments[0], out.Segments[1]
			require.Equal(t, []string{"The harbour was empty.", "Nobody had seen the captain & his dog."}, []string{first.Text, second.Text})
			for got, want := range map[int64]float64{first.StartMS: 500, first.EndMS: 1500, second.StartMS: 2000, second.EndMS: 3250} {
				require.InDelta(t, want, got, 15, "from the start of the container, which encoders of sound move")
			}
		})
	}
	named := []string{"-c:s", "srt", "-metadata:s:a:0", "language=eng"}
	require.Equal(t, []any{"eng", true}, said(t, film(t, "named.mkv", named...)))
	require.Equal(t, []any{"eng", false}, said(t, film(t, "signs.mkv", append(named, "-disposition:s:0", "forced")...)))
	require.Nil(t, words(t, film(t, "none.mkv", "-c:s", "srt"), video.Sampling{NoSubtitles: true}))
	require.Nil(t, words(t, film(t, "forced.mkv", "-c:s", "srt", "-disposition:s:0", "forced"), video.Sampling{}))
	require.Nil(t, words(t, film(t, "other.mkv", "-c:s", "srt", "-metadata:s:a:0", "language=jpn", "-metadata:s:s:0", "language=eng"), video.Sampling{}))
}
