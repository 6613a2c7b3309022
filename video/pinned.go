package video

import "slices"

// extractorVersion is the extractor of new runs. It changes whenever the same sampling
// would yield other bytes. How to raise it while a fleet of workers is being upgraded:
// docs/decisions/022-what-a-run-is-pinned-to.md.
const extractorVersion = "5"

// schemaVersion is the index schema of new runs without speech. It changes whenever documents
// get other fields, ids or texts. As with extractorVersion, only new runs use it.
const schemaVersion = "1"

// speechSchema is the index schema of new runs with speech, which has documents of its own.
// With schema 1 each frame has the speech of its time.
const speechSchema = "2"

// The versions of recipes that pin none: builds up to 5f04396 wrote them. These never
// change.
const (
	unpinnedExtractor = "3"
	unpinnedSchema    = "1"
)

// Pinned returns the recipe of a run that this build begins. It is stored completely, and
// every later step uses it, whichever build the step runs on.
func (p Profile) Pinned() Profile {
	p.Extractor, p.Schema = pin(extractorVersion, unpinnedExtractor), pin(schemaVersion, unpinnedSchema)
	if p.Transcribe.Model != "" {
		p.Schema = pin(speechSchema, unpinnedSchema)
	}
	p.WholeCaptions = p.Describe.Model != "" && !p.Describe.Preview
	return p
}

// pin omits the version that recipes without the field have, so that the same profile stays
// the same recipe.
func pin(version, unpinned string) string {
	if version == unpinned {
		return ""
	}
	return version
}

// ExtractorVersion is the version that makes the frames of a run.
func (p Profile) ExtractorVersion() string {
	setDefault(&p.Extractor, unpinnedExtractor)
	return p.Extractor
}

// SchemaVersion is the version that makes the documents of a run.
func (p Profile) SchemaVersion() string {
	setDefault(&p.Schema, unpinnedSchema)
	return p.Schema
}

// Extracts reports whether this build has the recipe's extractor.
func (p Profile) Extracts() bool { return p.ExtractorVersion() == extractorVersion }

// Indexes reports whether this build has the recipe's index schema.
func (p Profile) Indexes() bool {
	return slices.Contains([]string{schemaVersion, speechSchema}, p.SchemaVersion())
}

// AudioPieceMS is the time from the start of one piece of sound to the next of this build. It keeps a piece below
// the 25 MB limit of hosted transcription services.
const AudioPieceMS = 600_000

// AudioOverlapMS is the sound at the end of a piece that the next one has, too, in this build.
const AudioOverlapMS = 8_000

// unpinnedPieceMS is the length of the pieces of an extraction that does not state it.
const unpinnedPieceMS = 600_000

// PieceMS is the time from the start of one piece of sound to the next.
func (x Extraction) PieceMS() int64 {
	setDefault(&x.AudioPieceMS, unpinnedPieceMS)
	return x.AudioPieceMS
}

// ForHistory is what a run of a profile needs of its extraction, without how it was made.
// Activities read that from the store; builds up to 5f04396 refuse a run that was handed an
// unknown field.
func (x Extraction) ForHistory(p Profile) Extraction {
	x.AudioPieceMS, x.AudioOverlapMS, x.FinishedBy = 0, 0, ""
	x.SpeechApart, x.Subtitles = p.SpeechApart(x), p.HasSubtitles(x)
	return x
}

// SpeechApart reports whether the speech of a run has documents of its own: the run is pinned
// to it, and its extraction has it so. Otherwise each frame has the speech of its time. The subtitles of a run
// are apart in each schema: earlier builds knew none.
func (p Profile) SpeechApart(x Extraction) bool {
	if p.Subtitles != "" {
		return p.HasSubtitles(x)
	}
	return x.SpeechApart && p.Transcribe.Model != "" && p.SchemaVersion() == speechSchema
}

// HasSubtitles reports whether the speech of a run is that of subtitles, so that nothing is transcribed.
func (p Profile) HasSubtitles(x Extraction) bool {
	switch p.Subtitles {
	case "":
		return x.Subtitles && p.SpeechApart(x)
	case InContainer:
		return x.Subtitles
	}
	return true
}

// RecordBuild records what this build extracts with, where it differs from the meaning of a
// missing field: the length of the pieces of sound and, if another version than the
// recipe's extracted frames, that version.
func (x *Extraction) RecordBuild(p Profile) {
	x.SpeechApart = x.AudioPieces > 0 || x.Subtitles
	if x.AudioPieces > 1 {
		x.AudioOverlapMS = AudioOverlapMS
	}
	if x.AudioPieces > 0 && AudioPieceMS != unpinnedPieceMS {
		x.AudioPieceMS = AudioPieceMS
	}
	if !p.Extracts() {
		x.FinishedBy = extractorVersion
	}
}
