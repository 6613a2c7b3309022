package sidecar_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities/ingest/sidecar"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/video/subtitles"
)

// folder is a video with files beside it.
type folder struct {
	t     *testing.T
	files map[string]string // the text of each
	bytes int64             // of each, as the folder tells
	opens int
}

func (f *folder) Beside(context.Context, tenant.ID, string) (string, []video.Neighbour, error) {
	var out []video.Neighbour
	for name := range f.files {
		out = append(out, video.Neighbour{URI: "s3://b/" + name, Name: name, Bytes: f.bytes})
	}
	return "talk.mp4", out, nil
}

func (f *folder) Open(_ context.Context, _ tenant.ID, uri string) (*os.File, string, error) {
	f.opens++
	name := filepath.Base(uri)
	path := filepath.Join(f.t.TempDir(), name)
	require.NoError(f.t, os.WriteFile(path, []byte(f.files[name]), 0o600))
	file, err := os.Open(path)
	return file, name, err
}

func srt(words string) string { return "1\n00:00:01,000 --> 00:00:02,000\n" + words + "\n" }

func find(t *testing.T, f *folder, p video.Profile, m video.Media) (video.Source, *video.Transcript, error) {
	t.Helper()
	source := video.Source{Media: m, Subtitles: "of an earlier run", Sidecar: "gone.srt"}
	words, err := sidecar.Find(t.Context(), f, tenant.Default, p, &source, "s3://b/talk.mp4")
	return source, words, err
}

// TestLanguage: of files in several languages, the one of the sound is taken. A translation is not what is said.
func TestLanguage(t *testing.T) {
	t.Parallel()
	f := &folder{t: t, files: map[string]string{"talk.de.srt": srt("Guten Tag."), "talk.en.srt": srt("Good day."), "talk.en.forced.srt": srt("Sign")}}
	for language, want := range map[string]string{"ger": "talk.de.srt", "eng": "talk.en.srt", "jpn": "", "und": "talk.de.srt"} {
		source, words, err := find(t, f, video.Profile{}, video.Media{AudioLanguage: language})
		require.NoError(t, err)
		require.Equal(t, want, source.Sidecar, language)
		require.Equal(t, want == "", words == nil)
	}
	f.files = map[string]string{"talk.srt": srt("Guten Tag.")}
	source, words, err := find(t, f, video.Profile{}, video.Media{AudioLanguage: "deu"})
	require.NoError(t, err)
	require.Equal(t, "de", words.Language)
	again, _, err := find(t, f, video.Profile{}, video.Media{AudioLanguage: "deu"})
	require.NoError(t, err)
	require.Equal(t, source.Subtitles, again.Subtitles)
}

// TestContainer: without words beside it, a video has those of its container, if the profile alone would not take them.
func TestContainer(t *testing.T) {
	t.Parallel()
	ears := video.Profile{Transcribe: video.Stage{Model: "ears"}}
	quiet := video.Profile{Sampling: video.Sampling{NoSubtitles: true}}
	for name, c := range map[string]struct {
		p    video.Profile
		m    video.Media
		want video.Fingerprint
	}{
		"takes": {video.Profile{}, video.Media{Subtitles: true}, video.InContainer}, "transcribes": {ears, video.Media{Subtitles: true}, ""},
		"none": {video.Profile{}, video.Media{}, ""}, "turned off": {quiet, video.Media{Subtitles: true}, ""},
		"no sound": {video.Profile{Sampling: video.Sampling{NoAudio: true}}, video.Media{Subtitles: true}, ""},
	} {
		source, words, err := find(t, &folder{t: t, files: map[string]string{"talk.srt": " \n"}}, c.p, c.m)
		require.NoError(t, err, name)
		require.Nil(t, words, name)
		require.Equal(t, c.want, source.Subtitles, name)
		require.Empty(t, source.Sidecar, name)
	}
	source, _, err := find(t, &folder{t: t, files: map[string]string{"talk.srt": srt("hi")}}, quiet, video.Media{})
	require.NoError(t, err)
	require.Empty(t, source.Subtitles)
}

// TestTooLarge: a large object is refused before it is fetched.
func TestTooLarge(t *testing.T) {
	t.Parallel()
	f := &folder{t: t, files: map[string]string{"talk.srt": srt("hi")}, bytes: subtitles.MaxBytes + 1}
	_, _, err := find(t, f, video.Profile{}, video.Media{})
	require.Equal(t, fault.Input, fault.ClassOf(err))
	require.ErrorContains(t, err, `"s3://b/talk.srt": it is larger than the maximum of 8 MiB. Correct or remove the file`)
	require.Zero(t, f.opens)
}
