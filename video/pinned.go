package video

// extractorVersion is what new runs extract with. It changes whenever the same
// sampling would yield other bytes. How to raise it while a fleet of workers is
// being upgraded: docs/decisions/022-what-a-run-is-pinned-to.md.
const extractorVersion = "3"

// schemaVersion is what new runs index with. It changes whenever documents get
// other fields, ids or texts. As with extractorVersion, only new runs see it.
const schemaVersion = "1"

// What recipes mean that pin no version: builds up to 5f04396 wrote them. These
// never change.
const (
	unpinnedExtractor = "3"
	unpinnedSchema    = "1"
)

// Pinned returns the recipe of a run that this build begins. It is stored whole,
// and every later step goes by it, whichever build the step runs on.
func (p Profile) Pinned() Profile {
	p.Extractor, p.Schema = pin(extractorVersion, unpinnedExtractor), pin(schemaVersion, unpinnedSchema)
	return p
}

// pin leaves out what recipes without the field mean, so that the same profile
// stays the same recipe.
func pin(version, unpinned string) string {
	if version == unpinned {
		return ""
	}
	return version
}

// ExtractorVersion is what the frames of a run are made with.
func (p Profile) ExtractorVersion() string {
	setDefault(&p.Extractor, unpinnedExtractor)
	return p.Extractor
}

// SchemaVersion is what the documents of a run are made by.
func (p Profile) SchemaVersion() string {
	setDefault(&p.Schema, unpinnedSchema)
	return p.Schema
}

// Extracts reports whether this build makes the frames that the recipe wants.
func (p Profile) Extracts() bool { return p.ExtractorVersion() == extractorVersion }

// Indexes reports whether this build makes the documents that the recipe wants.
func (p Profile) Indexes() bool { return p.SchemaVersion() == schemaVersion }

// AudioPieceMS is the length of one piece of sound that this build cuts. It keeps
// a piece below the 25 MB that hosted transcription services take.
const AudioPieceMS = 600_000

// unpinnedPieceMS is the length of the pieces of an extraction that does not say.
const unpinnedPieceMS = 600_000

// PieceMS is the length of each of its pieces of sound but the last.
func (x Extraction) PieceMS() int64 {
	setDefault(&x.AudioPieceMS, unpinnedPieceMS)
	return x.AudioPieceMS
}

// Told is what a run is told of its extraction: nothing of how it was made. That is
// for activities, which read it from the store; builds up to 5f04396 refuse a run
// that was handed a field that they do not know.
func (x Extraction) Told() Extraction {
	x.AudioPieceMS, x.FinishedBy = 0, ""
	return x
}

// MadeHere notes what this build extracts with, where it is not what an
// extraction means that says nothing: how long the pieces of sound are and, if
// frames were extracted otherwise than the recipe says, by which version.
func (x *Extraction) MadeHere(p Profile) {
	if x.AudioPieces > 0 && AudioPieceMS != unpinnedPieceMS {
		x.AudioPieceMS = AudioPieceMS
	}
	if !p.Extracts() {
		x.FinishedBy = extractorVersion
	}
}
