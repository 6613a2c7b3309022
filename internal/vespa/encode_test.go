package vespa_test

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/vespa"
	"github.com/cogniverse/cogflow/internal/vespa/vespatest"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

func document(e video.Embedding) video.Document {
	return video.Document{
		ID: "acme:0123:1500", Tenant: "acme", Profile: "frames", Video: "aa", Generation: "bb",
		URI: "file:///a b.mp4", Name: "a b.mp4", PTSMS: 1500, StartMS: 1000, EndMS: 2250,
		Caption: `a "red" <tram>`, OnScreenText: "LINE 9", Transcript: "next stop", FrameKey: "acme/1500.jpg", Embedding: e,
	}
}

const head = `{"fields":{"generation_ref":"id:video:generation_acme::frames.aa.bb","late":0,"tenant":"acme","video_id":"aa",` +
	`"generation":"bb","doc_id":"acme:0123:1500","segment_id":1500,"pts_ms":1500,"start_time":1,"end_time":2.25,` +
	`"video_title":"a b.mp4","segment_description":"a \"red\" <tram>","audio_transcript":"next stop","on_screen_text":"LINE 9",` +
	`"uri":"file:///a b.mp4","name":"a b.mp4","frame_key":"acme/1500.jpg","preview":false,`

func TestEncodeBytes(t *testing.T) {
	t.Parallel()
	floats := []float32{1, -1, 1.00390625, 1.01171875, 0, 3.1415927, -0.5, 2} // two halves: one rounds down, one up
	multi := video.Embedding{Dim: 8, Rows: 1, Floats: floats}
	for name, try := range map[string]struct {
		stage video.Stage
		e     video.Embedding
		tail  string
	}{
		"patches": {
			video.Stage{Multi: true, Dim: 8, Keep: video.KeepBFloat16},
			multi,
			`"embedding":{"blocks":{"0":"3f80bf803f803f8200004049bf004000"}},"embedding_binary":{"blocks":{"0":"b5"}}}}`,
		},
		"bits": {
			video.Stage{Multi: true, Dim: 8, Keep: video.KeepBits},
			video.Embedding{Dim: 8, Rows: 2, Bits: []byte{0xff, 0x0a}},
			`"embedding_binary":{"blocks":{"0":"ff","1":"0a"}}}}`,
		},
		"single": {
			video.Stage{Dim: 8},
			multi,
			`"embedding":{"values":"3f800000bf8000003f8080003f8180000000000040490fdbbf00000040000000"},"embedding_binary":{"values":"b5"}}}`,
		},
		"no bits": {
			video.Stage{Dim: 2},
			video.Embedding{Dim: 2, Rows: 1, Floats: []float32{1, 2}},
			`"embedding":{"values":"3f80000040000000"}}}`,
		},
	} {
		put, err := vespa.EncodeDocument(video.Profile{Name: "frames", Embed: try.stage}, document(try.e))
		require.NoError(t, err, name)
		require.Equal(t, head+try.tail, string(put.Body), name)
		require.Equal(t, "id:video:frames_acme::acme:0123:1500", put.ID)
		require.Equal(t, "/document/v1/video/frames_acme/docid/acme:0123:1500", put.Path)
	}
}

func TestEncodeRefuses(t *testing.T) {
	t.Parallel()
	p := video.Profile{Name: "frames", Embed: video.Stage{Dim: 2}}
	for name, spoil := range map[string]func(d *video.Document){
		"dimension": func(d *video.Document) { d.Embedding = video.Embedding{Dim: 1, Rows: 1, Floats: []float32{1}} },
		"rows":      func(d *video.Document) { d.Embedding = video.Embedding{Dim: 2, Rows: 2, Floats: make([]float32, 4)} },
		"infinity":  func(d *video.Document) { d.Embedding.Floats = []float32{1, float32(math.Inf(1))} },
		"id":        func(d *video.Document) { d.ID = "a\x00" },
		"time":      func(d *video.Document) { d.PTSMS = 1 << 31 },
	} {
		d := document(video.Embedding{Dim: 2, Rows: 1, Floats: []float32{1, 2}})
		spoil(&d)
		_, err := vespa.EncodeDocument(p, d)
		require.Equal(t, fault.Input, fault.ClassOf(err), "%s: %v", name, err)
	}
}

// FuzzEncode passes any text and any finite numbers through the encoder and the
// fake's own decoder.
func FuzzEncode(f *testing.F) {
	f.Add("a red tram", []byte("0123456789abcdef0123456789abcdef"), true)
	f.Add("NUL \x00, \xff, \ufdd0, \U0001fffe", []byte{0, 0, 0x80, 0x3f}, false)
	f.Fuzz(func(t *testing.T, text string, raw []byte, multi bool) {
		const dim = 8
		rows := 1
		if multi {
			rows = max(1, len(raw)/4/dim)
		}
		floats := make([]float32, rows*dim)
		for i := range floats {
			if 4*i+4 <= len(raw) {
				floats[i] = math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
			}
			if math.Abs(float64(floats[i])) > 1e38 || floats[i] != floats[i] {
				floats[i] = 1
			}
		}
		e := video.Embedding{Dim: dim, Rows: rows, Floats: floats}
		p := video.Profile{Name: "frames", Embed: video.Stage{Multi: multi, Dim: dim}}
		d := document(e)
		d.Caption = text
		put, err := vespa.EncodeDocument(p, d)
		require.NoError(t, err)
		files, err := vespa.Package([]tenant.ID{"acme"}, []video.Profile{p}, vespa.PackageOptions{})
		require.NoError(t, err)
		for _, file := range files {
			if file.Path != "schemas/frames_acme.sd" {
				continue
			}
			got, err := vespatest.Decode(file.Data, put.Body)
			require.NoError(t, err)
			if multi {
				e = e.Kept(video.KeepBFloat16)
			}
			require.Equal(t, e.Binary().Bits[:1], got["embedding_binary"].([][]byte)[0])
			for i, cell := range got["embedding"].([][]float64)[0] {
				require.Equal(t, float64(e.Floats[i]), cell)
			}
			require.Len(t, got["embedding"], rows)
			require.Len(t, got["embedding_binary"], rows)
		}
	})
}
