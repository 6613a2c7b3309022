// Package embedtest has an embedding service for tests: an HTTP server that
// speaks vLLM's /pooling and OpenAI's /v1/embeddings. Its vectors come from the
// colours of a picture and the words of a text, so that "red" finds what is red;
// it is no model.
package embedtest

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"hash/fnv"
	stdimage "image"
	"image/jpeg"
	"io"
	"math"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/cogniverse/cogflow/internal/answer/answertest"
)

// Model is what the service serves: vectors of a dimension, one or many.
type Model struct {
	Dim   int
	Multi bool
}

// Server is the service.
type Server struct {
	answertest.Script
	answertest.Site // Pooling takes this; Texts takes URL + "/v1"
	Models          map[string]Model

	mu       sync.Mutex
	distort  func(rows [][]float32) [][]float32
	answered int
	floats   bool
}

// Start starts a server that ends with the test.
func Start(tb testing.TB) *Server {
	tb.Helper()
	s := &Server{Models: map[string]Model{
		"test/multi": {128, true}, "test/single": {64, false}, "vidore/colsmol-500m": {128, true}, "vidore/colSmol-500M": {128, true},
		"vidore/colqwen-omni-v0.1": {128, true}, "nomic-embed-text": {768, false},
		"videoprism_public_v1_base_hf": {768, true}, "videoprism_public_v1_large_hf": {1024, true},
		"videoprism_lvt_public_v1_base": {768, false}, "videoprism_lvt_public_v1_large": {1024, false},
	}}
	s.Serve(tb, s)
	return s
}

// Distort changes the vectors of every answer; nil = not.
func (s *Server) Distort(f func(rows [][]float32) [][]float32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.distort = f
}

// AnswerFloats makes /pooling answer with lists of numbers instead of base64.
func (s *Server) AnswerFloats() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.floats = true
}

// Answered counts the inputs that were embedded.
func (s *Server) Answered() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.answered
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	handlers := map[string]http.HandlerFunc{"/pooling": s.pooling, "/v1/embeddings": s.embeddings, "/v1/models": s.models}
	handle := handlers[r.URL.Path]
	if handle == nil {
		http.NotFound(w, r)
		return
	}
	if r.URL.Path == "/v1/models" {
		handle(w, r)
		return
	}
	if scripted := s.Take(); scripted != nil {
		_, _ = io.Copy(io.Discard, r.Body)
		scripted(w)
		return
	}
	handle(w, r)
}

func (s *Server) models(w http.ResponseWriter, _ *http.Request) {
	list := []map[string]string{}
	for name := range s.Models {
		list = append(list, map[string]string{"id": name})
	}
	write(w, map[string]any{"object": "list", "data": list})
}

func (s *Server) pooling(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Model      string  `json:"model"`
		Task       string  `json:"task"`
		Input      *string `json:"input"`
		Encoding   string  `json:"encoding_format"`
		Endianness string  `json:"endianness"`
		Messages   []struct {
			Content []struct {
				Image *struct {
					URL string `json:"url"`
				} `json:"image_url"`
			} `json:"content"`
		} `json:"messages"`
	}
	err := json.NewDecoder(r.Body).Decode(&in)
	model, served := s.Models[in.Model]
	want := map[bool]string{true: "token_embed", false: "embed"}[model.Multi]
	switch {
	case err != nil || (in.Input == nil) == (len(in.Messages) == 0):
		refuse(w, "bad request", http.StatusBadRequest)
		return
	case !served:
		refuse(w, "The model does not exist", http.StatusNotFound)
		return
	case in.Task != want:
		refuse(w, "Unsupported task: "+in.Task, http.StatusBadRequest)
		return
	}
	var rows [][]float32
	if in.Input != nil {
		rows = textRows(*in.Input, model.Dim)
	} else {
		for _, part := range in.Messages[0].Content {
			if part.Image == nil {
				continue
			}
			data, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(part.Image.URL, "data:image/jpeg;base64,"))
			m, err := jpeg.Decode(bytes.NewReader(data))
			if err != nil {
				refuse(w, "cannot identify image file", http.StatusBadRequest)
				return
			}
			rows = append(rows, pictureRows(m, model.Dim)...)
		}
	}
	if !model.Multi {
		rows = [][]float32{mean(rows)}
	}
	rows = s.finish(rows)
	var data any = rows
	if in.Encoding == "base64" && !s.floats {
		data = pack(rows)
	} else if !model.Multi {
		data = rows[0]
	}
	write(w, map[string]any{"object": "list", "model": in.Model, "data": []any{map[string]any{"index": 0, "object": "pooling", "data": data}}})
}

func (s *Server) finish(rows [][]float32) [][]float32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.answered++
	if s.distort != nil {
		return s.distort(rows)
	}
	return rows
}

func (s *Server) embeddings(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Model string   `json:"model"`
		Input []string `json:"input"`
	}
	err := json.NewDecoder(r.Body).Decode(&in)
	model, served := s.Models[in.Model]
	if err != nil || !served || model.Multi {
		refuse(w, "bad request", http.StatusBadRequest)
		return
	}
	data := []any{}
	for i, text := range in.Input {
		data = append(data, map[string]any{
			"index": i, "object": "embedding", "embedding": s.finish([][]float32{mean(textRows(text, model.Dim))})[0],
		})
	}
	write(w, map[string]any{"object": "list", "model": in.Model, "data": data, "usage": map[string]int{"prompt_tokens": 1, "total_tokens": 1}})
}

// pictureRows is a row for each quarter of a picture.
func pictureRows(m stdimage.Image, dim int) (rows [][]float32) {
	b := m.Bounds()
	for q := range 4 {
		x0, y0 := b.Min.X+q%2*b.Dx()/2, b.Min.Y+q/2*b.Dy()/2
		var sum [3]float64
		for y := y0; y < y0+b.Dy()/2; y += 3 {
			for x := x0; x < x0+b.Dx()/2; x += 3 {
				cr, cg, cb, _ := m.At(x, y).RGBA()
				sum[0], sum[1], sum[2] = sum[0]+float64(cr), sum[1]+float64(cg), sum[2]+float64(cb)
			}
		}
		rows = append(rows, colourRow(sum, dim))
	}
	return rows
}

// colourRow spreads three numbers over a whole vector, so that its signs say
// something as well.
func colourRow(sum [3]float64, dim int) []float32 {
	mean := (sum[0] + sum[1] + sum[2]) / 3
	row := make([]float32, dim)
	for i := range row {
		row[i] = float32((sum[i%3]-mean)/(mean+1) + 0.01*math.Sin(float64(i)))
	}
	return normal(row)
}

// textRows is a row for each word.
func textRows(text string, dim int) (rows [][]float32) {
	colours := map[string][3]float64{"red": {1, 0, 0}, "green": {0, 1, 0}, "blue": {0, 0, 1}}
	for word := range strings.FieldsSeq(strings.ToLower(text)) {
		if c, ok := colours[word]; ok {
			rows = append(rows, colourRow(c, dim))
			continue
		}
		h := fnv.New64a()
		_, _ = io.WriteString(h, word)
		row := make([]float32, dim)
		for i := range row {
			row[i] = float32(math.Sin(float64(h.Sum64()%1e6) * float64(i+1)))
		}
		rows = append(rows, normal(row))
	}
	return rows
}

func mean(rows [][]float32) []float32 {
	out := make([]float32, len(rows[0]))
	for _, row := range rows {
		for i, f := range row {
			out[i] += f
		}
	}
	return normal(out)
}

func normal(row []float32) []float32 {
	sum := 0.0
	for _, f := range row {
		sum += float64(f) * float64(f)
	}
	for i := range row {
		row[i] = float32(float64(row[i]) / math.Sqrt(sum))
	}
	return row
}

func pack(rows [][]float32) string {
	var raw []byte
	for _, row := range rows {
		for _, f := range row {
			raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(f))
		}
	}
	return base64.StdEncoding.EncodeToString(raw)
}

func refuse(w http.ResponseWriter, text string, status int) {
	w.WriteHeader(status)
	write(w, map[string]any{"error": map[string]string{"message": text}})
}

func write(w http.ResponseWriter, v any) {
	_ = json.NewEncoder(w).Encode(v)
}
