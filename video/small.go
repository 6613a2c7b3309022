package video

// The models that `make small` installs, as their server lists them, and the version of the
// package of each.
const (
	SmallSpeech   = "Systran/faster-whisper-tiny.en"
	SmallMeaning  = "sentence-transformers/all-MiniLM-L6-v2"
	smallRevision = "0.1.0"
	smallDim      = 384
)

// LocalSmall is the profile of small models that run without a GPU: speech by Whisper and
// meaning by MiniLM. Captions are those of the built-in preview describer. It is available
// where a server of these models runs.
func LocalSmall() Profile {
	p := LocalPreview()
	p.Name = "local_small"
	p.Transcribe = Stage{Model: SmallSpeech, Revision: smallRevision}
	p.Embed = Stage{Model: SmallMeaning, Revision: smallRevision, Dim: smallDim}
	return p.Normal()
}
