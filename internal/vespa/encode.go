package vespa

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"math"
	"net/url"
	"strconv"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/vespa/exact"
	"github.com/cogniverse/cogflow/internal/vespa/linguistics"
	"github.com/cogniverse/cogflow/video"
)

const opUpsert = "index documents"

// Put is the request that stores one document: POST to Path with Body.
type Put struct {
	ID   string // id:video:<type>::<id>
	Path string // /document/v1/video/<type>/docid/<id>, escaped
	Body []byte // {"fields":{…}}
}

func newPut(docType, id string, body []byte) Put {
	return Put{ID: documentID(docType, id), Path: documentPath(docType, id), Body: body}
}

func documentID(docType, id string) string { return "id:" + Namespace + ":" + docType + "::" + id }

func documentPath(docType, id string) string {
	return "/document/v1/" + Namespace + "/" + docType + "/docid/" + url.PathEscape(id)
}

// frameFields are the fields of a frame except its tensors, in the order in which they are
// sent. creation_timestamp is imported from the generation and not sent, so a repeated put
// has the same bytes.
type frameFields struct {
	GenerationRef string  `json:"generation_ref"`
	Late          int     `json:"late"`
	Tenant        string  `json:"tenant"`
	VideoID       string  `json:"video_id"`
	Generation    string  `json:"generation"`
	DocID         string  `json:"doc_id"`
	SegmentID     int32   `json:"segment_id"` // the timestamp in milliseconds: unique within a video and increasing
	PTSMS         int64   `json:"pts_ms"`
	StartTime     float64 `json:"start_time"` // seconds
	EndTime       float64 `json:"end_time"`
	VideoTitle    string  `json:"video_title"`
	Description   string  `json:"segment_description"`
	Transcript    string  `json:"audio_transcript"`
	OnScreenText  string  `json:"on_screen_text"`
	CaptionTerms  string  `json:"description_terms,omitempty"`
	SearchTerms   string  `json:"search_terms,omitempty"`
	URI           string  `json:"uri"`
	Name          string  `json:"name"`
	FrameKey      string  `json:"frame_key"`
	Preview       bool    `json:"preview"`
	// Of passages of speech only: an application that was deployed for an earlier build refuses them.
	Kind     string `json:"kind,omitempty"`
	Language string `json:"language,omitempty"`
	Verbatim string `json:"verbatim,omitempty"`
}

// EncodeDocument returns the put of one document of a profile. The result depends only on
// the arguments, so a retry sends the same bytes.
func EncodeDocument(p video.Profile, d video.Document) (Put, error) {
	return newSchema(p, d.Tenant).encode(d, false)
}

func (s *schema) encode(d video.Document, late bool) (Put, error) {
	if err := s.check(d); err != nil {
		return Put{}, err
	}
	f := frameFields{
		GenerationRef: documentID(s.Parent, s.parentID(d.Video, d.Generation)),
		Tenant:        string(d.Tenant), VideoID: string(d.Video), Generation: string(d.Generation), DocID: d.ID,
		SegmentID: int32(d.PTSMS), PTSMS: d.PTSMS,
		StartTime: float64(d.StartMS) / 1000, EndTime: float64(d.EndMS) / 1000,
		VideoTitle: exact.Clean(d.Name), Description: exact.Clean(d.Caption), Transcript: exact.Clean(d.Transcript),
		CaptionTerms: linguistics.Extra(d.Caption), SearchTerms: linguistics.Extra(d.Name, d.Transcript, d.OnScreenText),
		OnScreenText: exact.Clean(d.OnScreenText), URI: exact.Clean(d.URI), Name: exact.Clean(d.Name), FrameKey: exact.Clean(d.FrameKey),
		Preview: d.Preview, Kind: string(d.Kind), Language: exact.Clean(d.Language),
		Verbatim: exact.Keep(map[string]string{
			"segment_description": d.Caption, "on_screen_text": d.OnScreenText, "audio_transcript": d.Transcript,
			"uri": d.URI, "name": d.Name, "frame_key": d.FrameKey,
		}),
	}
	if late {
		f.Late = 1
	}
	body, err := marshalFields(f)
	if err != nil {
		return Put{}, &fault.Error{Class: fault.Input, Op: opUpsert, Subject: d.ID, Err: err}
	}
	body = body[:len(body)-2] // the tensors come before the closing braces
	if s.Float != "" {
		body = append(body, `,"embedding":`...)
		body = s.appendTensor(body, d.Embedding.Rows, func(out []byte, row int) []byte {
			return appendFloats(out, d.Embedding.Floats[row*s.Dim:(row+1)*s.Dim], s.Float == "bfloat16")
		})
	}
	if s.Binary {
		bits, n := d.Embedding.Binary().Bits, s.Bytes()
		body = append(body, `,"embedding_binary":`...)
		body = s.appendTensor(body, d.Embedding.Rows, func(out []byte, row int) []byte {
			return hex.AppendEncode(out, bits[row*n:(row+1)*n])
		})
	}
	return newPut(s.Name, d.ID, append(body, '}', '}')), nil
}

// parentID identifies a generation among those of its tenant.
func (s *schema) parentID(v video.ID, g video.Fingerprint) string {
	return word(s.Profile) + "." + string(v) + "." + string(g)
}

// check refuses a document that the schema cannot store.
func (s *schema) check(d video.Document) error {
	bad := func(reason string) error { return fault.New(fault.Input, opUpsert, d.ID, reason) }
	if d.ID == "" || d.Tenant == "" || d.Profile == "" || d.Video == "" || d.Generation == "" {
		return bad("a document needs an id, tenant, profile, video and generation")
	}
	for _, name := range []string{d.ID, string(d.Video), string(d.Generation)} {
		if exact.Clean(name) != name {
			return bad("its id, video or generation contains characters that Vespa refuses")
		}
	}
	if err := d.Embedding.Check(); err != nil {
		return &fault.Error{Class: fault.Input, Op: opUpsert, Subject: d.ID, Err: err}
	}
	e := d.Embedding
	switch {
	case d.PTSMS < 0 || d.PTSMS > math.MaxInt32:
		return bad("its time is before the start or beyond 24 days")
	case e.Dim != s.Dim:
		return bad("its embedding has " + strconv.Itoa(e.Dim) + " cells per vector, but schema " + s.Name + " has " +
			strconv.Itoa(s.Dim) + "; after a change of the profile run cogflow vespa deploy")
	case !s.Multi && e.Rows != 1:
		return bad("its embedding has several vectors, but schema " + s.Name + " stores one")
	case s.Float != "" && e.Floats == nil:
		return bad("its embedding has bits, but schema " + s.Name + " stores floats")
	}
	return nil
}

// appendTensor writes the rows as hexadecimal blocks or, of a single vector, as
// hexadecimal values.
func (s *schema) appendTensor(out []byte, rows int, row func([]byte, int) []byte) []byte {
	if !s.Multi {
		out = append(out, `{"values":"`...)
		return append(row(out, 0), `"}`...)
	}
	out = append(out, `{"blocks":{`...)
	for i := range rows {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(strconv.AppendInt(append(out, '"'), int64(i), 10), `":"`...)
		out = append(row(out, i), '"')
	}
	return append(out, '}', '}')
}

// appendFloats writes the big-endian hexadecimal digits of each cell. Their number tells
// Vespa the cell type: 4 for bfloat16, 8 for float.
func appendFloats(out []byte, floats []float32, half bool) []byte {
	const digits = "0123456789abcdef"
	for _, f := range floats {
		bits, n := math.Float32bits(f), 32
		if half {
			bits, n = uint32(video.BFloat16(f)), 16
		}
		for n > 0 {
			n -= 4
			out = append(out, digits[bits>>n&15])
		}
	}
	return out
}

// marshalFields returns {"fields":{…}} without a newline.
func marshalFields(fields any) ([]byte, error) {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(map[string]any{"fields": fields}); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

// generationFields are the fields of a generation, the parent of its frames.
type generationFields struct {
	Published  int    `json:"published"`
	Created    int64  `json:"creation_timestamp"`
	Tenant     string `json:"tenant"`
	Profile    string `json:"profile"`
	VideoID    string `json:"video_id"`
	Generation string `json:"generation"`
	Name       string `json:"name"`
	URI        string `json:"uri"`
	DurationMS int64  `json:"duration_ms"`
	Documents  int    `json:"documents"`
	Verbatim   string `json:"verbatim,omitempty"`
}

// EncodeGeneration returns the put that publishes a generation; createdMS is the time of
// its first publication.
func EncodeGeneration(g video.Generation, createdMS int64) (Put, error) {
	s := &schema{Parent: GenerationType(g.Tenant), Profile: g.Profile}
	body, err := marshalFields(generationFields{
		Published: 1, Created: createdMS, Tenant: string(g.Tenant), Profile: g.Profile, VideoID: string(g.Video),
		Generation: string(g.Generation), Name: exact.Clean(g.Name), URI: exact.Clean(g.URI),
		DurationMS: g.DurationMS, Documents: g.Documents,
		Verbatim: exact.Keep(map[string]string{"name": g.Name, "uri": g.URI}),
	})
	if err != nil {
		return Put{}, &fault.Error{Class: fault.Input, Op: opPublish, Subject: g.Name, Err: err}
	}
	return newPut(s.Parent, s.parentID(g.Video, g.Generation), body), nil
}

const opPublish = "publish video"
