package tracks_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/ffmpeg/tracks"
	"github.com/cogniverse/cogflow/video"
)

// streams are those of a container with everything: cover art, two angles, and sound in
// two languages with a commentary.
func streams(t *testing.T) (all []tracks.Stream) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(`[
		{"index": 0, "codec_type": "video", "codec_name": "mjpeg", "width": 600, "height": 600, "disposition": {"default": 1, "attached_pic": 1}},
		{"index": 1, "codec_type": "video", "codec_name": "h264", "width": 160, "height": 120},
		{"index": 2, "codec_type": "audio", "codec_name": "ac3", "tags": {"language": "eng", "title": "Director"}, "disposition": {"comment": 1}},
		{"index": 3, "codec_type": "video", "codec_name": "hevc", "width": 320, "height": 240, "disposition": {"default": 1}},
		{"index": 4, "codec_type": "audio", "codec_name": "aac", "tags": {"language": "ger"}},
		{"index": 5, "codec_type": "audio", "codec_name": "unknown", "disposition": {"default": 1}},
		{"index": 6, "codec_type": "audio", "codec_name": "opus", "tags": {"language": "eng"}},
		{"index": 7, "codec_type": "subtitle", "codec_name": "subrip"}]`), &all))
	return all
}

func TestChoose(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		sampling     video.Sampling
		video, audio int // indices; -1 = no sound
		reason       string
	}{
		"defaults":                 {video.Sampling{}, 3, 4, ""},
		"no sound":                 {video.Sampling{NoAudio: true}, 3, -1, ""},
		"tracks by number":         {video.Sampling{VideoTrack: 1, AudioTrack: 1}, 1, 2, ""},
		"cover art is not counted": {video.Sampling{VideoTrack: 2, AudioTrack: 3}, 3, 6, ""},
		"a language":               {video.Sampling{AudioLanguage: "de"}, 3, 4, ""},
		"commentaries come last":   {video.Sampling{AudioLanguage: "en-GB"}, 3, 6, ""},
		"absent video":             {video.Sampling{VideoTrack: 3}, 0, 0, "no video track 3 (video_track); it has 1 (h264, 160×120), 2 (hevc, 320×240, default)"},
		"absent sound":             {video.Sampling{AudioTrack: 4}, 0, 0, "it has 1 (ac3, eng, Director), 2 (aac, ger), 3 (opus, eng)"},
		"absent language":          {video.Sampling{AudioLanguage: "fr"}, 0, 0, `in the language "fr" (audio_language); it has 1 (ac3, eng`},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := tracks.Choose(streams(t), c.sampling)
			if c.reason != "" {
				require.ErrorContains(t, err, c.reason)
				return
			}
			require.NoError(t, err)
			require.Equal(t, c.video, got.Video.Index)
			if c.audio < 0 {
				require.Nil(t, got.Audio)
				return
			}
			require.Equal(t, c.audio, got.Audio.Index)
		})
	}
	_, err := tracks.Choose(streams(t)[:1], video.Sampling{})
	require.ErrorIs(t, err, tracks.ErrNoVideo, "cover art is not a video")
	_, err = tracks.Choose(streams(t)[1:2], video.Sampling{AudioLanguage: "de"})
	require.ErrorContains(t, err, "it has none")
	got, err := tracks.Choose(streams(t)[1:2], video.Sampling{})
	require.NoError(t, err)
	require.Nil(t, got.Audio)
}

func TestSameLanguage(t *testing.T) {
	t.Parallel()
	for _, same := range [][2]string{{"de", "ger"}, {"deu", "ger"}, {"en", "en-US"}, {"zh", "chi"}, {"JPN", "ja"}, {"tlh-custom", "tlh-custom"}} {
		require.True(t, tracks.SameLanguage(same[0], same[1]), same)
	}
	for _, other := range [][2]string{{"de", "en"}, {"", ""}, {"und", "en"}, {"", "en"}, {"German", "en"}} {
		require.False(t, tracks.SameLanguage(other[0], other[1]), other)
	}
}
