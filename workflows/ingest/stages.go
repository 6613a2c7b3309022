package ingest

import "github.com/cogniverse/cogflow/workflows"

// stages tracks the chunks of a video through the stages. It decides what may start; it
// knows neither workflows nor activities.
type stages struct {
	extracted    bool  // extraction has ended, successfully or not
	available    int   // chunks that can be described
	next         int   // the first chunk that is not started yet
	describing   int   // chunks at the describer, whose endpoint must not wait for the other stages
	inFlight     int   // chunks at the describer or the embedder
	embedded     []int // chunks that can be indexed
	indexing     bool
	transcribing bool
	transcribed  bool // and the speech is indexed, if it has documents of its own; or the profile has no transcript
	speechApart  bool // speech has documents of its own, so frames need not wait for it
}

// canStart reports whether a chunk can be described now.
func (s *stages) canStart() bool {
	return s.next < s.available && s.describing < workflows.ChunksInFlight && s.inFlight < 2*workflows.ChunksInFlight
}

// start takes the next chunk.
func (s *stages) start() (chunk int) {
	chunk = s.next
	s.next++
	s.describing++
	s.inFlight++
	return chunk
}

// idle reports whether nothing is in progress and everything extracted is indexed. With
// more, chunks are left that have not started.
func (s *stages) idle(more bool) bool {
	return s.extracted && s.transcribed && s.inFlight == 0 && len(s.embedded) == 0 && !s.indexing &&
		(more || s.next == s.available)
}

// still reports whether nothing is in progress, whatever is left to do.
func (s *stages) still() bool {
	return s.extracted && s.inFlight == 0 && !s.indexing && !s.transcribing
}

// canIndex reports whether chunks can be indexed. Where a frame includes its speech, nothing
// is indexed before the transcript is done.
func (s *stages) canIndex() bool {
	return len(s.embedded) > 0 && (s.transcribed || s.speechApart)
}

// index takes all chunks that can be indexed.
func (s *stages) index() (chunks []int) {
	chunks, s.embedded, s.indexing = s.embedded, nil, true
	return chunks
}

// extract ends the extraction with a number of chunks. It returns false if more were
// announced.
func (s *stages) extract(chunks int) (asAnnounced bool) {
	asAnnounced = s.available <= chunks
	s.extracted, s.available, s.next = true, chunks, min(s.next, chunks)
	return asAnnounced
}
