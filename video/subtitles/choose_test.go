package subtitles

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/video"
)

func TestChoose(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		video, spoken string
		names         []string
		want, as      string
	}{
		{"talk.mp4", "", []string{"talk.mp4", "talk.srt"}, "talk.srt", ""},
		{"talk.mp4", "", []string{"talk.VTT", "talk.jpg", "talks.srt", "talk.txt"}, "talk.VTT", ""},
		{"talk.mp4", "", []string{"talk.en.srt", "talk.de.srt"}, "talk.de.srt", "de"},
		{"talk.mp4", "en", []string{"talk.de.srt", "talk.eng.srt", "talk.srt"}, "talk.eng.srt", "en"},
		{"talk.mp4", "pt", []string{"talk.de.srt", "talk.pt-BR.vtt", "talk.srt"}, "talk.pt-BR.vtt", "pt"},
		{"talk.mp4", "fr", []string{"talk.de.srt", "talk.srt"}, "talk.srt", ""},
		{"talk.mp4", "fr", []string{"talk.de.srt"}, "", ""},
		{"talk.mp4", "", []string{"talk.chapters.vtt", "talk.en.forced.srt", "talk-1.srt", "talk..srt"}, "", ""},
		{"talk.mp4", "en", []string{"talk.en.sdh.srt", "talk.en.srt"}, "talk.en.srt", "en"},
		{"talk.mp4", "en", []string{"talk.en.hi.srt", "talk.fr.srt"}, "talk.en.hi.srt", "en"},
		{"talk.mp4", "", []string{"talk.CC.vtt"}, "talk.CC.vtt", ""},
		{"talk.mp4", "", []string{"talk.hi.srt"}, "talk.hi.srt", "hi"},
		{"talk.mp4", "", []string{"talk.en.default.srt"}, "talk.en.default.srt", "en"},
		{"talk.mp4", "", []string{"talk.mp4", "talk.en.mp4", "talk.en.srt"}, "", ""},
		{"talk.en.mp4", "", []string{"talk.en.mp4", "talk.en.srt"}, "talk.en.srt", ""},
		{"no extension", "", []string{"no extension.srt"}, "no extension.srt", ""},
	} {
		at, language := Choose(c.video, c.names, c.spoken)
		got := ""
		if at >= 0 {
			got = c.names[at]
		}
		require.Equal(t, []string{c.want, c.as}, []string{got, language}, "%v", c)
	}
}

func TestSpoken(t *testing.T) {
	t.Parallel()
	m := video.Media{AudioLanguage: "ger"}
	require.Equal(t, "de", Spoken(video.Profile{}, m))
	require.Equal(t, "fr", Spoken(video.Profile{Sampling: video.Sampling{AudioLanguage: "fra"}}, m))
	require.Empty(t, Spoken(video.Profile{Sampling: video.Sampling{AudioTrack: 2}}, m), "the language is that of the default track")
	require.Equal(t, "sv", Spoken(video.Profile{Transcribe: video.Stage{Language: "sv"}}, video.Media{AudioLanguage: "und"}))
}
