package workflows_test

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/video"
	ingestflow "github.com/cogniverse/cogflow/workflows/ingest"
)

// beside writes a file beside the videos; an empty text removes it.
func (w *world) beside(name, text string) {
	w.t.Helper()
	path := filepath.Join(w.library(), name)
	if text == "" {
		require.NoError(w.t, os.Remove(path))
		return
	}
	require.NoError(w.t, os.WriteFile(path, []byte(text), 0o600))
}

func srt(words string) string { return "1\n00:00:00,020 --> 00:00:00,050\n" + words + "\n" }

// TestSidecar: subtitles beside a video are its speech, whether the profile transcribes or not. They are a part
// of what is published: a new, changed or removed file leads to a new generation. Nothing else is paid again.
func TestSidecar(t *testing.T) {
	t.Parallel()
	for name, transcribe := range map[string]video.Stage{"transcribes": {Model: "ears", GPU: []string{"cpu"}, CostMicroUSD: 9000}, "does not transcribe": {}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			e := &echo{}
			w.ingest.Transcriber, w.sound = e, []string{"welcome aboard"}
			w.profile.Transcribe = transcribe
			w.video("harbour.txt", frames("harbour", 9)...)
			ingest := func() ingestflow.VideoResult {
				t.Helper()
				env := w.environment()
				env.ExecuteWorkflow("IngestVideo", ingestflow.VideoInput{URI: w.videoURI()})
				return videoResult(t, env)
			}
			w.beside("harbour.en.srt", srt("Mind the gap."))
			first := ingest()
			require.Equal(t, "harbour.en.srt", first.Sidecar)
			require.Equal(t, 10, first.Documents)
			require.Equal(t, 1, first.Passages)
			require.Zero(t, e.calls)
			require.InDelta(t, 9*0.001, first.CostUSD, 1e-9)
			hits := w.search("gap")
			require.Len(t, hits, 1)
			require.Equal(t, video.SpeechDocument, hits[0].Kind)
			require.Equal(t, "en", hits[0].Language)
			require.EqualValues(t, 20, hits[0].StartMS)
			require.NotEmpty(t, hits[0].FrameKey)
			require.Equal(t, video.StatusUnchanged, ingest().Status)

			w.beside("harbour.en.srt", srt("Close the gate."))
			second := ingest()
			require.Equal(t, video.StatusIndexed, second.Status)
			require.NotEqual(t, first.Generation, second.Generation)
			require.Equal(t, 1, w.callsOf("harbour 0"))
			require.Empty(t, w.search("gap"))
			require.Len(t, w.search("gate"), 1)

			w.beside("harbour.en.srt", "")
			without := ingest()
			require.Empty(t, without.Sidecar)
			require.Empty(t, w.search("gate"))
			require.Equal(t, transcribe.Model != "", len(w.search("aboard")) == 1)

			w.beside("harbour.srt", srt("Mind the gap."))
			require.NotEqual(t, first.Generation, ingest().Generation, "the language is not known")
		})
	}
}

// TestSidecarWins: a person put it there. A profile that takes no subtitles takes none of either kind.
func TestSidecarWins(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.subtitles = `{"language":"eng","segments":[{"start_ms":2000,"end_ms":3500,"text":"In the container."}]}`
	w.video("harbour.txt", frames("harbour", 9)...)
	w.beside("harbour.vtt", "WEBVTT\n\n00:00.020 --> 00:00.050\nBeside the video.\n")
	ingest := func() ingestflow.VideoResult {
		t.Helper()
		env := w.environment()
		env.ExecuteWorkflow("IngestVideo", ingestflow.VideoInput{URI: w.videoURI()})
		return videoResult(t, env)
	}
	require.Equal(t, "harbour.vtt", ingest().Sidecar)
	require.Len(t, w.search("beside"), 1)
	require.Empty(t, w.search("container"))

	w.beside("harbour.vtt", "WEBVTT\n")
	out := ingest()
	require.Empty(t, out.Sidecar, "it has no words")
	require.Equal(t, 1, out.Passages)
	require.Len(t, w.search("container"), 1, "a profile that does not transcribe takes the subtitles of the container, too")
	require.Equal(t, 1, w.callsOf("harbour 0"))

	w.profile.Sampling.NoSubtitles = true
	out = ingest()
	require.Zero(t, out.Passages)
	require.Empty(t, w.search("container"))
}

// TestReportTellsWhatIsLeftOut: the report of a run shows where its speech is from, and the shots that it has not.
func TestReportTellsWhatIsLeftOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.blank = 3
	var page video.Report
	w.ingest.Report = func(_ io.Writer, r video.Report) error {
		page = r
		return nil
	}
	w.video("harbour.txt", frames("harbour", 9)...)
	w.beside("harbour.srt", srt("Mind the gap."))
	env := w.environment()
	env.ExecuteWorkflow("IngestVideo", ingestflow.VideoInput{URI: w.videoURI()})
	require.Equal(t, 3, videoResult(t, env).Blank)
	require.Len(t, page.Videos, 1)
	require.Equal(t, 3, page.Videos[0].Blank)
	require.Equal(t, "harbour.srt", page.Videos[0].Sidecar)
}

// TestSidecarRefused: a file that cannot be read fails its video, with the file, the line and what to do.
func TestSidecarRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.video("harbour.txt", frames("harbour", 9)...)
	w.beside("harbour.srt", srt("Mind the gap.")+"\n2\n00:00:0")
	env := w.environment()
	env.ExecuteWorkflow("IngestVideo", ingestflow.VideoInput{URI: w.videoURI()})
	err := env.GetWorkflowError()
	for _, want := range []string{"inspect", "harbour.srt", "the file was cut", "Correct or remove the file, or set no_subtitles"} {
		require.ErrorContains(t, err, want)
	}
	require.Empty(t, w.search("harbour"))
}

// TestSidecarsAreEstimated: a dry run knows that a changed file makes a video new, and that nothing is transcribed.
func TestSidecarsAreEstimated(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.ingest.Transcriber, w.sound = &echo{}, []string{"welcome aboard"}
	w.profile.Transcribe = video.Stage{Model: "ears", GPU: []string{"cpu"}, CostMicroUSD: 9000}
	w.video("harbour.txt", frames("harbour", 9)...)
	dryRun := func() ingestflow.LibraryResult {
		t.Helper()
		env := w.environment()
		env.ExecuteWorkflow("IngestLibrary", ingestflow.LibraryInput{Source: w.library(), DryRun: true})
		require.NoError(t, env.GetWorkflowError())
		var out ingestflow.LibraryResult
		require.NoError(t, env.GetWorkflowResult(&out))
		return out
	}
	w.beside("harbour.srt", srt("Mind the gap."))
	env := w.environment()
	env.ExecuteWorkflow("IngestVideo", ingestflow.VideoInput{URI: w.videoURI()})
	videoResult(t, env)
	require.Equal(t, 1, dryRun().Unchanged)
	w.beside("harbour.srt", srt("Close the gate."))
	out := dryRun()
	require.Zero(t, out.Unchanged)
	require.Zero(t, out.Estimate.Calls, "%+v", out.Estimate)
	w.beside("harbour.srt", "no cue")
	out = dryRun()
	require.Equal(t, 1, out.Failed)
	require.Contains(t, out.Failures[0].Reason, "it has no cue")
}

// TestSidecarStaysOutOfOtherRuns: earlier builds refuse fields that they do not know, so a run without such a file
// hands on none.
func TestSidecarStaysOutOfOtherRuns(t *testing.T) {
	t.Parallel()
	for _, v := range []any{video.Source{}, ingestflow.VideoResult{}} {
		text, err := json.Marshal(v)
		require.NoError(t, err)
		require.NotContains(t, string(text), "subtitles")
		require.NotContains(t, string(text), "sidecar")
	}
}
