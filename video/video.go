// Package video holds the types of ingestion and the pure decisions about them: what
// identifies a video, what determines a frame, a caption, an embedding and a document,
// and so what can be reused. It also has the paid calls of models and their totals, for
// all pipelines. It knows no file, network or Temporal.
package video

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strings"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/tenant"
)

// ID identifies a video by the SHA-256 of its bytes, lower-case hexadecimal,
// never by its name: two names of one content are one video.
type ID string

// ParseID checks that s is a whole video id.
func ParseID(s string) (ID, error) {
	raw, err := hex.DecodeString(s)
	if err != nil || len(raw) != sha256.Size || hex.EncodeToString(raw) != s {
		return "", fault.New(fault.Input, "read video id", s, "must be 64 lower-case hexadecimal digits")
	}
	return ID(s), nil
}

// Fingerprint is the hash of everything that determines a stage's output.
// Equal fingerprint means equal output: it is reused, never computed again.
type Fingerprint string

// NewFingerprint hashes parts under a kind ("caption", "extract"). Each part is
// preceded by its length, so that no two lists of parts collide by joining.
func NewFingerprint(kind string, parts ...string) Fingerprint {
	h := sha256.New()
	for _, part := range append([]string{kind}, parts...) {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(part)))
		h.Write(n[:])
		h.Write([]byte(part))
	}
	return Fingerprint(hex.EncodeToString(h.Sum(nil)))
}

// Media is the container's data about a video, after rotation is applied.
type Media struct {
	Format     string  `json:"format"`                // demuxer: "mov,mp4,…"
	VideoCodec string  `json:"video_codec"`           // "h264"; empty = only sound
	AudioCodec string  `json:"audio_codec,omitempty"` // empty = no audio stream
	DurationMS int64   `json:"duration_ms"`           // 0 = the container does not say
	StartMS    int64   `json:"start_ms,omitempty"`    // first presentation timestamp
	Width      int     `json:"width"`                 // pixels as shown, rotation applied
	Height     int     `json:"height"`
	Rotation   int     `json:"rotation,omitempty"` // degrees clockwise: 0, 90, 180, 270
	FPS        float64 `json:"fps,omitempty"`      // average; 0 = unknown

	// Not in histories; see Source.ForHistory.
	AudioLanguage string `json:"audio_language,omitempty"` // of the sound, as the container names it; empty = unknown
	Subtitles     bool   `json:"subtitles,omitempty"`      // the container has subtitles that are text
}

// AudioOnly reports a file without moving pictures: a podcast, a song with a cover.
func (m Media) AudioOnly() bool { return m.VideoCodec == "" && m.AudioCodec != "" }

// Frame is one still of a video. Times count from the start of the video.
type Frame struct {
	PTSMS   int64   `json:"pts_ms"`   // presentation timestamp from the container
	StartMS int64   `json:"start_ms"` // the range that the frame stands for
	EndMS   int64   `json:"end_ms"`   // exclusive
	SHA256  string  `json:"sha256"`   // of the JPEG
	Bytes   int     `json:"bytes"`
	Width   int     `json:"width"`
	Height  int     `json:"height"`
	DHash   string  `json:"dhash"`            // 64-bit difference hash, 16 hexadecimal digits
	Motion  float64 `json:"motion"`           // mean change of brightness since the sampled frame before, 0 to 1
	Shot    int     `json:"shot"`             // counts hard cuts among the sampled frames, from 0
	Stills  []Still `json:"stills,omitempty"` // of a segment or shot, in order of time
}

// Still is one picture of a segment or shot.
type Still struct {
	PTSMS  int64  `json:"pts_ms"`
	SHA256 string `json:"sha256"` // of the JPEG
}

// Pictures lists the input of a model: the stills of a segment or shot if it takes them and
// there are any, otherwise the frame itself.
func (f Frame) Pictures(of Of) []Still {
	if of == OfSegment && len(f.Stills) > 0 {
		return f.Stills
	}
	return []Still{{PTSMS: f.PTSMS, SHA256: f.SHA256}}
}

// Picture is an extracted frame with its bytes.
type Picture struct {
	Frame  Frame
	JPEG   []byte
	Stills [][]byte // JPEGs in the order of Frame.Stills
}

// Chunk is the unit of work after extraction: consecutive frames of one video.
type Chunk struct {
	Index  int     `json:"index"`
	Frames []Frame `json:"frames"`
}

// Extraction is the result of one extraction. It is the last object written: if it can be
// read, every frame can be read.
type Extraction struct {
	Frames         int    `json:"frames"`                  // kept
	Chunks         int    `json:"chunks"`                  // of the profile's chunk size
	Duplicates     int    `json:"duplicates,omitempty"`    // dropped: looked like the last kept frame
	Blank          int    `json:"blank,omitempty"`         // shots: left out, because all of their pictures are plain, blurred or test pictures
	Capped         bool   `json:"capped,omitempty"`        // max_frames cut the rest off
	DecodeErrors   int    `json:"decode_errors,omitempty"` // damaged places that were skipped
	DurationMS     int64  `json:"duration_ms"`             // measured: end of the last decoded frame
	FrameBytes     int64  `json:"frame_bytes"`
	Thumbnail      string `json:"thumbnail,omitempty"`        // object key
	AudioPieces    int    `json:"audio_pieces,omitempty"`     // 16 kHz mono FLAC, one every PieceMS, see AudioKey; 0 = no sound
	AudioPieceMS   int64  `json:"audio_piece_ms,omitempty"`   // see PieceMS
	AudioOverlapMS int64  `json:"audio_overlap_ms,omitempty"` // sound at the end of a piece that the next one has, too
	Subtitles      bool   `json:"subtitles,omitempty"`        // subtitles take the place of a transcript; stored, those of the container only
	SpeechApart    bool   `json:"speech_apart,omitempty"`     // speech has documents of its own; false = an earlier build extracted, and each frame has the speech of its time
	FinishedBy     string `json:"finished_by,omitempty"`      // another extractor than the recipe's made the rest of the frames; empty = none
	Unsandboxed    bool   `json:"unsandboxed,omitempty"`      // decoded without a sandbox
}

// Segment is a stretch of speech.
type Segment struct {
	StartMS int64  `json:"start_ms"`
	EndMS   int64  `json:"end_ms"` // exclusive
	Text    string `json:"text"`
}

// Passage is a stretch of speech that is searched on its own: a sentence or a few.
type Passage struct {
	Segment
	Language string `json:"language,omitempty"` // ISO 639-1; empty = unknown
}

// Transcript is the speech in one piece of sound. Times count from the start of the piece.
type Transcript struct {
	Segments     []Segment `json:"segments"` // empty = no speech
	Language     string    `json:"language,omitempty"`
	Model        string    `json:"model"`
	CostMicroUSD int64     `json:"cost_micro_usd,omitempty"`
}

// Subtitles is the model of a transcript that was in the container or beside the video.
const Subtitles = "cogflow/subtitles"

// TranscribeRequest requests the transcript of one piece of sound.
type TranscribeRequest struct {
	Stage Stage
	FLAC  []byte
}

// Caption is what a describer wrote about one frame.
type Caption struct {
	Text         string   `json:"text"`
	OnScreenText string   `json:"on_screen_text,omitempty"`
	Objects      []string `json:"objects,omitempty"` // of a structured answer
	Actions      []string `json:"actions,omitempty"`
	Model        string   `json:"model"`
	Revision     string   `json:"revision"`
	Preview      bool     `json:"preview,omitempty"` // by a built-in preview model
	PromptTokens int      `json:"prompt_tokens,omitempty"`
	OutputTokens int      `json:"output_tokens,omitempty"`
	CostMicroUSD int64    `json:"cost_micro_usd,omitempty"`
}

// words is the text with the other fields of a structured answer.
func (c Caption) words() string {
	var text strings.Builder
	text.WriteString(c.Text)
	for _, list := range []struct {
		name  string
		items []string
	}{{"Objects", c.Objects}, {"Actions", c.Actions}} {
		if len(list.items) > 0 {
			text.WriteString(" " + list.name + ": " + strings.Join(list.items, ", ") + ".")
		}
	}
	return text.String()
}

// DescribeRequest asks a describer about one frame, or about the stills of one segment or
// shot. A request to an endpoint holds frames of one tenant only.
type DescribeRequest struct {
	Tenant tenant.ID
	Stage  Stage
	JPEG   []byte
	Stills [][]byte // of the segment, in order of time, in place of JPEG
}

// Pictures lists what is shown, in order of time.
func (r DescribeRequest) Pictures() [][]byte {
	if len(r.Stills) > 0 {
		return r.Stills
	}
	return [][]byte{r.JPEG}
}

// OnePicture refuses a request about stills. why says what takes one picture a call.
func (r DescribeRequest) OnePicture(why string) error {
	if r.Stage.Of != OfSegment && len(r.Stills) == 0 {
		return nil
	}
	return fault.New(fault.Input, "describe stills with", r.Stage.Model, why+" takes one picture a call; "+fixDescribeOf)
}

// TextRequest requests one embedding per text. Models that distinguish documents from
// queries are told which it is.
type TextRequest struct {
	Stage Stage
	Query bool
	Texts []string
}

// PictureRequest requests the embedding of one picture, or of the pictures of one segment
// in order of time.
type PictureRequest struct {
	Stage Stage
	JPEGs [][]byte
}
