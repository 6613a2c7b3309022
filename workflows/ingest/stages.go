package ingest

import "github.com/cogniverse/cogflow/workflows"

// stages is where the chunks of a video stand. It decides what may begin; it knows
// neither workflow nor activity.
type stages struct {
	extracted    bool  // extraction has ended, well or not
	available    int   // chunks that can be described
	next         int   // the first chunk that nobody works on
	describing   int   // chunks at the describer; its endpoint must not wait for the others
	inFlight     int   // chunks at the describer or the embedder
	embedded     []int // chunks that can be indexed
	indexing     bool
	transcribing bool
	transcribed  bool // or nothing is to be
}

// canStart: there is a chunk to describe, and room for it.
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

// idle: nothing is at work, and what is extracted is indexed. With more, chunks are left
// that nobody has begun.
func (s *stages) idle(more bool) bool {
	return s.extracted && s.transcribed && s.inFlight == 0 && len(s.embedded) == 0 && !s.indexing &&
		(more || s.next == s.available)
}

// still: nothing is at work, whatever is left to do.
func (s *stages) still() bool {
	return s.extracted && s.inFlight == 0 && !s.indexing && !s.transcribing
}

// canIndex: a document holds the speech of its time, so nothing is indexed before it is
// written down.
func (s *stages) canIndex() bool { return len(s.embedded) > 0 && s.transcribed }

// index takes all that can be indexed.
func (s *stages) index() (chunks []int) {
	chunks, s.embedded, s.indexing = s.embedded, nil, true
	return chunks
}

// extract ends the extraction with a number of chunks. false: more were announced.
func (s *stages) extract(chunks int) (asAnnounced bool) {
	asAnnounced = s.available <= chunks
	s.extracted, s.available, s.next = true, chunks, min(s.next, chunks)
	return asAnnounced
}
