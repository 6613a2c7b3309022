package video

// extractorVersion is the extractor of new runs. It changes whenever the same sampling
// would yield other bytes. How to raise it while a fleet of workers is being upgraded:
// docs/decisions/022-what-a-run-is-pinned-to.md.
const extractorVersion = "4"

// schemaVersion is the index schema of new runs. It changes whenever documents get other
// fields, ids or texts. As with extractorVersion, only new runs use it.
const schemaVersion = "1"

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
func (p Profile) Indexes() bool { return p.SchemaVersion() == schemaVersion }

// AudioPieceMS is the length of one piece of sound of this build. It keeps a piece below
// the 25 MB limit of hosted transcription services.
const AudioPieceMS = 600_000

// unpinnedPieceMS is the length of the pieces of an extraction that does not state it.
const unpinnedPieceMS = 600_000

// PieceMS is the length of each piece of sound except the last.
func (x Extraction) PieceMS() int64 {
	setDefault(&x.AudioPieceMS, unpinnedPieceMS)
	return x.AudioPieceMS
}

// ForHistory is what a run needs of its extraction, without how it was made. Activities
// read that from the store; builds up to 5f04396 refuse a run that was handed an unknown
// field.
func (x Extraction) ForHistory() Extraction {
	x.AudioPieceMS, x.FinishedBy = 0, ""
	return x
}

// RecordBuild records what this build extracts with, where it differs from the meaning of a
// missing field: the length of the pieces of sound and, if another version than the
// recipe's extracted frames, that version.
func (x *Extraction) RecordBuild(p Profile) {
	if x.AudioPieces > 0 && AudioPieceMS != unpinnedPieceMS {
		x.AudioPieceMS = AudioPieceMS
	}
	if !p.Extracts() {
		x.FinishedBy = extractorVersion
	}
}
