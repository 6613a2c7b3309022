package vespatest

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/cogniverse/cogflow/internal/vespa/linguistics"
)

// document is one stored document. It is immutable; an update replaces it.
type document struct {
	values  map[string]any // string, int64, float64, bool; references as strings
	tensors map[string]*tensor
	words   map[string][]string // by field
}

func (s *Server) documentV1(w http.ResponseWriter, r *http.Request) {
	n := s.inFlight.Add(1)
	defer s.inFlight.Add(-1)
	for {
		if peak := s.peak.Load(); n <= peak || s.peak.CompareAndSwap(peak, n) {
			break
		}
	}
	fail := func(status int, format string, args ...any) {
		reply(w, status, map[string]any{"pathId": r.URL.Path, "message": fmt.Sprintf(format, args...)})
	}
	if limit := s.queue.Load(); limit > 0 && n > limit {
		fail(http.StatusTooManyRequests, "Rejecting execution due to overload: %d requests already enqueued", limit)
		return
	}
	parts := strings.SplitN(strings.TrimPrefix(r.URL.Path, "/document/v1/"), "/", 4)
	if len(parts) != 4 || parts[2] != "docid" || parts[3] == "" {
		fail(http.StatusNotFound, "no handler for this path")
		return
	}
	s.mu.RLock()
	d := s.types[parts[1]]
	s.mu.RUnlock()
	if d == nil {
		fail(http.StatusBadRequest, "Document type %s does not exist", parts[1])
		return
	}
	id := "id:" + parts[0] + ":" + parts[1] + "::" + parts[3]
	if s.full.Load() && r.Method == http.MethodPost {
		fail(http.StatusInsufficientStorage, "feed is blocked: memory usage is above the limit")
		return
	}
	switch r.Method {
	case http.MethodGet:
		s.get(w, r, d, id)
		return
	case http.MethodDelete:
		s.mu.Lock()
		delete(s.docs[d.name], id)
		s.mu.Unlock()
	case http.MethodPost, http.MethodPut:
		body, err := readBody(r)
		if err != nil {
			fail(http.StatusBadRequest, "%v", err)
			return
		}
		fields, err := readFields(body)
		if err != nil {
			fail(http.StatusBadRequest, "%v", err)
			return
		}
		ignored, err := s.write(d, id, r.Method == http.MethodPut, fields)
		if err != nil {
			fail(http.StatusBadRequest, "%v", err)
			return
		}
		if ignored {
			w.Header().Set("X-Vespa-Ignored-Fields", "true")
		}
	default:
		fail(http.StatusMethodNotAllowed, "method")
		return
	}
	s.writes.Add(1)
	reply(w, http.StatusOK, map[string]any{"pathId": r.URL.Path, "id": id})
}

func readBody(r *http.Request) ([]byte, error) {
	var from io.Reader = r.Body
	if r.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, err
		}
		from = unzipped
	}
	body, err := io.ReadAll(io.LimitReader(from, 100<<20))
	if err == nil && !utf8.Valid(body) {
		err = fmt.Errorf("the body is not UTF-8")
	}
	return body, err
}

// readFields refuses a body that is not exactly {"fields":{…}}.
func readFields(body []byte) (map[string]json.RawMessage, error) {
	var said struct {
		Fields map[string]json.RawMessage `json:"fields"`
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&said); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("extra data after the document")
	}
	if said.Fields == nil {
		return nil, fmt.Errorf("the document has no fields")
	}
	return said.Fields, nil
}

// write stores a put or an update; an update of a missing document does nothing.
func (s *Server) write(d *docType, id string, update bool, fields map[string]json.RawMessage) (ignored bool, err error) {
	next := &document{
		values: map[string]any{}, tensors: map[string]*tensor{}, words: map[string][]string{},
	}
	for name, raw := range fields {
		f := d.fields[name]
		if f == nil {
			ignored = true
			continue
		}
		if update {
			var assign struct {
				Assign json.RawMessage `json:"assign"`
			}
			if err := json.Unmarshal(raw, &assign); err != nil || assign.Assign == nil {
				return false, fmt.Errorf("field %s: an update must use assign", name)
			}
			raw = assign.Assign
		}
		if err := next.set(f, raw); err != nil {
			return false, fmt.Errorf("field '%s' of type %s: %w", name, f.kind, err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if update {
		old := s.docs[d.name][id]
		if old == nil {
			return ignored, nil
		}
		next = old.with(next)
	}
	if s.docs[d.name] == nil {
		s.docs[d.name] = map[string]*document{}
	}
	s.docs[d.name][id] = next
	return ignored, nil
}

func (x *document) with(changed *document) *document {
	next := &document{
		values: maps.Clone(x.values), tensors: maps.Clone(x.tensors), words: maps.Clone(x.words),
	}
	maps.Copy(next.values, changed.values)
	maps.Copy(next.tensors, changed.tensors)
	maps.Copy(next.words, changed.words)
	return next
}

// set reads one field and refuses a value of another type or size.
func (x *document) set(f *field, raw json.RawMessage) error {
	switch f.kind {
	case "tensor":
		t, err := f.parseTensor(raw)
		x.tensors[f.name] = t
		return err
	case "bool":
		var v bool
		err := json.Unmarshal(raw, &v)
		x.values[f.name] = v
		return err
	case "double":
		var v float64
		err := json.Unmarshal(raw, &v)
		x.values[f.name] = v
		return err
	case "byte", "int", "long":
		v, err := strconv.ParseInt(string(raw), 10, map[string]int{"byte": 8, "int": 32, "long": 64}[f.kind])
		x.values[f.name] = v
		return err
	}
	var v string
	if err := json.Unmarshal(raw, &v); err != nil {
		return err
	}
	if at := strings.IndexFunc(v, illegal); at >= 0 {
		return fmt.Errorf("illegal code point at %d", at)
	}
	if f.kind == "reference" && !strings.HasPrefix(v, "id:video:"+f.refersTo+"::") {
		return fmt.Errorf("%q is not an id of %s", v, f.refersTo)
	}
	x.values[f.name] = v
	if f.index {
		x.words[f.name] = linguistics.Split(v)
	}
	return nil
}

// illegal reports whether com.yahoo.text.Text.isTextCharacter refuses a character.
func illegal(r rune) bool {
	return r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r >= 0xfdd0 && r <= 0xfddf || r&0xfffe == 0xfffe
}

func (s *Server) get(w http.ResponseWriter, r *http.Request, d *docType, id string) {
	s.mu.RLock()
	found := s.docs[d.name][id]
	s.mu.RUnlock()
	if found == nil {
		reply(w, http.StatusNotFound, map[string]any{"pathId": r.URL.Path, "id": id})
		return
	}
	fields := map[string]any{}
	_, only, narrowed := strings.Cut(r.URL.Query().Get("fieldSet"), ":")
	for name, v := range found.values {
		if !narrowed || slices.Contains(strings.Split(only, ","), name) {
			fields[name] = v
		}
	}
	for name, t := range found.tensors {
		if !narrowed || slices.Contains(strings.Split(only, ","), name) {
			fields[name] = t.short(d.fields[name])
		}
	}
	reply(w, http.StatusOK, map[string]any{"pathId": r.URL.Path, "id": id, "fields": fields})
}

// value reads a field of a document, an imported one through its reference.
// A field without a value is the zero of its type.
func (s *Server) value(d *docType, x *document, name string) any {
	if i, ok := d.imports[name]; ok {
		parent := s.types[d.fields[i.reference].refersTo]
		id, _ := x.values[i.reference].(string)
		found := s.docs[parent.name][id]
		if found == nil {
			return nil
		}
		return s.value(parent, found, i.field)
	}
	if v, ok := x.values[name]; ok {
		return v
	}
	if f := d.fields[name]; f != nil && f.kind == "long" {
		return int64(math.MinInt64)
	}
	return nil
}
