package video

import "github.com/cogniverse/cogflow/tenant"

// Kind says what a document is about.
type Kind string

// The kinds of documents.
const (
	FrameDocument  Kind = "frame"  // a frame or a segment; also the meaning of an empty kind
	SpeechDocument Kind = "speech" // a passage of speech in a video
	AudioDocument  Kind = "audio"  // a passage of speech in a file without pictures
)

// Kinds are all kinds of documents.
func Kinds() []Kind { return []Kind{FrameDocument, SpeechDocument, AudioDocument} }

// Document is one searchable row: a frame or segment with its caption, or a passage of
// speech, and its embedding. ID is deterministic, so a repeated upsert changes nothing.
type Document struct {
	ID           string      `json:"id"`
	Tenant       tenant.ID   `json:"tenant"`
	Profile      string      `json:"profile"`
	Video        ID          `json:"video"`
	Generation   Fingerprint `json:"generation"`
	URI          string      `json:"uri"`
	Name         string      `json:"name"`
	Kind         Kind        `json:"kind,omitempty"` // empty = frame
	PTSMS        int64       `json:"pts_ms"`
	StartMS      int64       `json:"start_ms"`
	EndMS        int64       `json:"end_ms"`
	Caption      string      `json:"caption"`
	OnScreenText string      `json:"on_screen_text,omitempty"`
	Transcript   string      `json:"transcript,omitempty"`
	Language     string      `json:"language,omitempty"` // of the speech, ISO 639-1; empty = unknown
	FrameKey     string      `json:"frame_key"`          // object key of the JPEG; of a passage that of the frame that is shown then, empty = none
	Preview      bool        `json:"preview,omitempty"`
	Multi        bool        `json:"multi,omitempty"` // one vector per patch or token; see Stage
	Embedding    Embedding   `json:"-"`
}

// Generation names one complete set of documents of a video in a profile.
// Search sees exactly one published generation of each video.
type Generation struct {
	Tenant     tenant.ID   `json:"tenant"`      // owner
	Profile    string      `json:"profile"`     // recipe
	Video      ID          `json:"video"`       // SHA-256 of the content
	Generation Fingerprint `json:"generation"`  // fingerprint of the documents
	Documents  int         `json:"documents"`   // documents in the index
	URI        string      `json:"uri"`         // where the video was ingested from
	Name       string      `json:"name"`        // file name
	DurationMS int64       `json:"duration_ms"` // playing time, in milliseconds
	// Claim is the number of the claim under which it is published; an index refuses a
	// publication that a later claim has replaced. 0 = unknown.
	Claim int64 `json:"claim,omitempty"`
}

// Rank names a way to order hits.
type Rank string

// The rank profiles of the embedded index.
const (
	RankHybrid Rank = "hybrid" // reciprocal rank fusion of the other two
	RankBM25   Rank = "bm25"   // words only
	RankVector Rank = "vector" // embedding only: cosine, or MaxSim for multi-vectors
)

// Query asks an index for the best documents of one tenant and profile.
type Query struct {
	Tenant    tenant.ID
	Profile   string
	Text      string
	Multi     bool // as in Document
	Embedding Embedding
	Limit     int // 1 to 1000
	Rank      Rank
	Filter    Filter // Videos are ids
}

// Hit is one search result, best first.
type Hit struct {
	ID       string  `json:"id,omitempty"`             // id of the document, for a search by example (like)
	Video    ID      `json:"video"`                    // SHA-256 of the content
	URI      string  `json:"uri"`                      // where the video was ingested from
	Name     string  `json:"name"`                     // file name
	Kind     Kind    `json:"kind"`                     // "frame", or for a passage of speech "speech", or "audio" in a file without pictures
	PTSMS    int64   `json:"pts_ms"`                   // timestamp of the frame or start of the passage, in milliseconds
	StartMS  int64   `json:"start_ms"`                 // start of the time range, in milliseconds
	EndMS    int64   `json:"end_ms"`                   // end of the time range, in milliseconds
	Score    float64 `json:"score"`                    // comparable within one answer only
	Caption  string  `json:"caption"`                  // text of the describer
	OnScreen string  `json:"on_screen_text,omitempty"` // text read in the frame
	// Transcript is what is said: of a passage its words, of a frame that an earlier build indexed
	// the speech of its time.
	Transcript string   `json:"transcript,omitempty"`
	Language   string   `json:"language,omitempty"` // of the speech, ISO 639-1; empty = unknown
	Matched    []string `json:"matched,omitempty"`  // fields with a word of the query: caption, on_screen_text, transcript, name; none = found by its embedding
	FrameKey   string   `json:"frame_key"`          // key of the frame in the object store
	Preview    bool     `json:"preview"`            // true if a preview model wrote the caption
}
