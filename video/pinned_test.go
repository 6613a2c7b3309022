package video

import (
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// full is a profile in which everything is set that a fingerprint can depend on.
func full() Profile {
	return Profile{
		Name:       "full",
		Sampling:   Sampling{Strategy: Segments, WindowMS: 20_000, OverlapMS: 1000, Stills: 3, Width: 640},
		Transcribe: Stage{Model: "whisper", Revision: "3", Language: "de"},
		Describe:   Stage{Model: "qwen", Revision: "7", Prompt: "What is it?", Structured: true, MaxTokens: 99, Temperature: 0.5, MaxPixels: 1000},
		Embed:      Stage{Model: "colpali", Revision: "2", Of: OfSegment, Multi: true, Dim: 128, Keep: KeepBits},
	}.Normal()
}

// TestFingerprintsStay compares fingerprints with those of 5f04396. After a change of the
// formula, runs in flight would not find their stored results, and every library
// would be described and paid again. A new field must be left out of the hash while
// it has its former value.
func TestFingerprintsStay(t *testing.T) {
	t.Parallel()
	frame := Frame{SHA256: "ab", Stills: []Still{{PTSMS: 1, SHA256: "cd"}, {PTSMS: 2, SHA256: "ef"}}}
	got := map[string]Fingerprint{}
	for name, p := range map[string]Profile{"preview": LocalPreview(), "full": full()} {
		whole, err := json.Marshal(p)
		require.NoError(t, err)
		got[name+" recipe"] = NewFingerprint("recipe", string(whole))
		got[name+" extract"] = p.ExtractFingerprint("v")
		got[name+" generation"] = p.Generation("v")
		got[name+" caption"] = p.CaptionFingerprint(frame)
		got[name+" embed"] = p.EmbedFingerprint("text")
		got[name+" query"] = p.QueryFingerprint("text")
		got[name+" picture"] = p.PictureFingerprint(frame)
		got[name+" transcript"] = p.TranscriptFingerprint("v", 1)
		for _, kind := range []string{KindDescribe, KindEmbed, KindTranscribe} {
			got[name+" refused "+kind] = Fingerprint(p.RefusedKey("", kind, 1))
		}
	}
	text, err := os.ReadFile("testdata/fingerprints.json")
	require.NoError(t, err)
	var want map[string]Fingerprint
	require.NoError(t, json.Unmarshal(text, &want))
	require.Equal(t, want, got)
}

// TestPinned: a stored recipe alone says what its run works with, whatever this
// build or another one would begin with.
func TestPinned(t *testing.T) {
	t.Parallel()
	begun := LocalPreview()
	begun.Extractor, begun.Schema = "other", "another"
	text, err := json.Marshal(begun)
	require.NoError(t, err)
	var p Profile
	require.NoError(t, json.Unmarshal(text, &p))
	require.Equal(t, "other", p.ExtractorVersion())
	require.Equal(t, "another", p.SchemaVersion())
	require.False(t, p.Extracts() || p.Indexes())
	require.NotEqual(t, LocalPreview().ExtractFingerprint("v"), p.ExtractFingerprint("v"))
	begun.Schema = ""
	require.NotEqual(t, begun.Generation("v"), p.Generation("v"))

	pinned := LocalPreview().Pinned()
	require.Equal(t, extractorVersion, pinned.ExtractorVersion())
	require.Equal(t, schemaVersion, pinned.SchemaVersion())
	require.True(t, pinned.Extracts() && pinned.Indexes())
	require.False(t, pinned.WholeCaptions, "a preview model has no max_tokens")
	require.False(t, full().WholeCaptions, "earlier builds pinned nothing")
	whole := full().Pinned()
	require.True(t, whole.WholeCaptions)
	former := full()
	former.Extractor, former.Schema = whole.Extractor, whole.Schema
	require.Equal(t, former.Generation("v"), whole.Generation("v"), "what is stored stays valid")
	silent := full()
	silent.Transcribe = Stage{}
	x := Extraction{SpeechApart: true}
	require.True(t, whole.SpeechApart(x))
	require.False(t, whole.SpeechApart(Extraction{}), "an earlier build extracted")
	require.False(t, full().SpeechApart(x), "an earlier build pinned the run")
	require.False(t, silent.Pinned().SpeechApart(x))
	require.True(t, x.ForHistory(whole).SpeechApart)
	require.False(t, x.ForHistory(silent).SpeechApart)
	require.Equal(t, full().CaptionFingerprint(Frame{SHA256: "ab"}), whole.CaptionFingerprint(Frame{SHA256: "ab"}))
	require.Equal(t, "3", LocalPreview().ExtractorVersion(), "what a recipe means that does not say")
	require.Equal(t, "1", LocalPreview().SchemaVersion())
	require.EqualValues(t, 600_000, Extraction{}.PieceMS())
	require.EqualValues(t, 5, Extraction{AudioPieceMS: 5}.PieceMS())
}

// TestSubtitlesOfARun: a file beside the video decides its documents, and nothing that is stored of its pictures.
// Without such a file, nothing changes.
func TestSubtitlesOfARun(t *testing.T) {
	t.Parallel()
	for name, p := range map[string]Profile{"preview": LocalPreview().Pinned(), "full": full().Pinned()} {
		with := p
		with.Subtitles = NewFingerprint("subtitles", "hi")
		other := p
		other.Subtitles = NewFingerprint("subtitles", "ho")
		require.NotEqual(t, p.Generation("v"), with.Generation("v"), name)
		require.NotEqual(t, other.Generation("v"), with.Generation("v"), name)
		require.NotEqual(t, other.PassagesKey(""), with.PassagesKey(""), name)
		require.NotEqual(t, other.RefusedKey("", OfPassages, 0), with.RefusedKey("", OfPassages, 0), name)
		require.Equal(t, p.ExtractFingerprint("v"), with.ExtractFingerprint("v"), name)
		require.Equal(t, p.TranscriptFingerprint("v", 0), with.TranscriptFingerprint("v", 0), name)
		require.Equal(t, canonical(p), canonical(with), "it is no part of a recipe")
		require.True(t, with.SpeechApart(Extraction{}) && with.HasSubtitles(Extraction{}), "whichever build extracted")
		require.False(t, p.HasSubtitles(Extraction{SpeechApart: true}))
		with.Subtitles = InContainer
		require.False(t, with.SpeechApart(Extraction{SpeechApart: true}), "the track has no words")
		require.True(t, with.SpeechApart(Extraction{SpeechApart: true, Subtitles: true}))
	}
	x := Extraction{SpeechApart: true, Subtitles: true, AudioPieces: 1}
	require.True(t, full().Pinned().HasSubtitles(x))
	require.False(t, LocalPreview().Pinned().HasSubtitles(x), "a run that an earlier build began")
	s := Source{Video: "v", Media: Media{AudioLanguage: "eng", Subtitles: true}}
	require.Equal(t, Source{Video: "v"}, s.ForHistory(), "earlier builds refuse what they do not know")
	require.NoError(t, full().CheckMedia("a.mp3", Media{AudioCodec: "mp3"}))
	silent := LocalPreview()
	require.ErrorContains(t, silent.CheckMedia("a.mp3", Media{AudioCodec: "mp3"}), "put its subtitles")
	silent.Subtitles = InContainer
	require.NoError(t, silent.CheckMedia("a.mp3", Media{AudioCodec: "mp3"}))
}

// TestCaptionOfStills: captions of stills depend on each still and their order, and are never taken for
// those of the frame. What describers get by default has the fingerprints of before.
func TestCaptionOfStills(t *testing.T) {
	t.Parallel()
	frame := Frame{SHA256: "ab", Stills: []Still{{PTSMS: 1, SHA256: "cd"}, {PTSMS: 2, SHA256: "ef"}}}
	of := func(stills ...string) Frame {
		f := Frame{SHA256: "ab"}
		for _, s := range stills {
			f.Stills = append(f.Stills, Still{SHA256: s})
		}
		return f
	}
	for name, p := range map[string]Profile{"preview": LocalPreview(), "full": full()} {
		all := p
		all.Describe.Of = OfSegment
		require.Equal(t, all.CaptionFingerprint(frame), all.CaptionFingerprint(of("cd", "ef")), name)
		seen := map[Fingerprint]bool{p.CaptionFingerprint(frame): true, all.CaptionFingerprint(frame): true}
		for _, other := range []Frame{of("ef", "cd"), of("cd"), of("cd", "ab"), of("ab"), of("cdef")} {
			require.False(t, seen[all.CaptionFingerprint(other)], name)
			seen[all.CaptionFingerprint(other)] = true
		}
		require.Equal(t, all.CaptionFingerprint(of("ab")), all.CaptionFingerprint(of()), "a shot without stills shows its frame")
		require.NotEqual(t, p.CaptionFingerprint(of()), all.CaptionFingerprint(of()))
		require.NotEqual(t, p.Generation("v"), all.Generation("v"), name)
		for _, kind := range []string{KindDescribe, OfTexts} {
			require.NotEqual(t, p.RefusedPrefix("", kind), all.RefusedPrefix("", kind), name)
		}
		require.Equal(t, p.PictureFingerprint(frame), all.PictureFingerprint(frame), name)
		require.Equal(t, p.ExtractFingerprint("v"), all.ExtractFingerprint("v"), name)
		alone := p
		alone.Describe.Of = OfFrame
		require.Equal(t, p.CaptionFingerprint(frame), alone.CaptionFingerprint(frame), name)
		require.Equal(t, p.Generation("v"), alone.Generation("v"), name)
	}
}
