package vespatest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// request has the supported fields of /search/ except parameters.
type request struct {
	YQL     string `json:"yql"`
	Hits    int    `json:"hits"`
	Offset  int    `json:"offset"`
	Profile string `json:"ranking.profile"`
	Sorting string `json:"ranking.sorting"`
	Summary string `json:"presentation.summary"`
}

type scored struct {
	id    string
	doc   *document
	score float64
}

func (s *Server) search(w http.ResponseWriter, r *http.Request) {
	body, err := readBody(r)
	var root map[string]any
	if err == nil {
		root, err = s.answer(body)
	}
	if err != nil {
		reply(w, http.StatusBadRequest, map[string]any{"root": map[string]any{
			"id": "toplevel", "relevance": 1.0, "fields": map[string]any{"totalCount": 0},
			"errors": []any{map[string]any{"code": 3, "summary": "Illegal query", "message": err.Error()}},
		}})
		return
	}
	reply(w, http.StatusOK, map[string]any{"root": root})
}

func (s *Server) answer(body []byte) (map[string]any, error) {
	var q request
	var all map[string]json.RawMessage
	if err := json.Unmarshal(body, &q); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(body, &all); err != nil {
		return nil, err
	}
	if q.Hits < 0 || q.Hits > 2000 || q.Offset < 0 || q.Offset > 1_000_000 {
		return nil, fmt.Errorf("%d hits requested, configured limit: 2000", q.Hits)
	}
	words, err := lex(q.YQL)
	if err != nil {
		return nil, err
	}
	p := &parser{server: s, parameters: all, tokens: words}
	if err := p.expect("select", "*", "from"); err != nil {
		return nil, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if p.d = s.types[p.next()]; p.d == nil {
		return nil, fmt.Errorf("could not resolve source of the query: no such schema")
	}
	if err := p.expect("where"); err != nil {
		return nil, err
	}
	where, err := p.either()
	if err == nil && len(p.tokens) > 0 {
		err = fmt.Errorf("query: unexpected %q at the end", p.tokens)
	}
	if err != nil {
		return nil, err
	}
	matching, err := s.rank(p.d, q, all, where)
	if err != nil {
		return nil, err
	}
	return s.render(p.d, q, matching)
}

// rank scores and orders the matching documents.
func (s *Server) rank(d *docType, q request, all map[string]json.RawMessage, where condition) ([]scored, error) {
	docs := s.docs[d.name]
	var matching []scored
	for id, x := range docs {
		if where.match(x) {
			matching = append(matching, scored{id: id, doc: x})
		}
	}
	profile := d.ranks[q.Profile]
	if profile == nil && q.Profile != "unranked" {
		return nil, fmt.Errorf("schema %s does not contain requested rank profile '%s'", d.name, q.Profile)
	}
	if profile != nil {
		r := newRanker(d, profile, where.terms, docs)
		for name, f := range profile.inputs {
			if raw, ok := all["input.query("+name+")"]; ok {
				t, err := f.parseInput(raw)
				if err != nil {
					return nil, err
				}
				r.inputs[name] = t
			}
		}
		if err := r.score(matching); err != nil {
			return nil, err
		}
	}
	compare, err := s.order(d, q.Sorting)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(matching, compare)
	return matching, nil
}

// score runs the first phase on all documents and the second on the best of them; the
// others are ranked below.
func (r *ranker) score(list []scored) (err error) {
	for i := range list {
		if list[i].score, err = r.evaluate(r.profile.first, list[i].doc); err != nil {
			return err
		}
	}
	if r.profile.second == "" {
		return nil
	}
	slices.SortFunc(list, func(a, b scored) int { return cmp.Or(cmp.Compare(b.score, a.score), strings.Compare(a.id, b.id)) })
	least, again := 0.0, list[:min(r.profile.rerank, len(list))]
	for i := range again {
		if again[i].score, err = r.evaluate(r.profile.second, again[i].doc); err != nil {
			return err
		}
		if i == 0 || again[i].score < least {
			least = again[i].score
		}
	}
	for i := len(again); i < len(list); i++ {
		if i == len(again) {
			least -= list[i].score
		}
		list[i].score += min(0, least)
	}
	return nil
}

// order parses a sorting specification: [+|-] [relevance] or raw(attribute).
// Without one the best come first, and ties are ordered by a hash.
func (s *Server) order(d *docType, sorting string) (func(a, b scored) int, error) {
	if sorting == "" {
		return func(a, b scored) int {
			return cmp.Or(cmp.Compare(b.score, a.score), strings.Compare(reversed(a.id), reversed(b.id)))
		}, nil
	}
	var keys []func(a, b scored) int
	for key := range strings.FieldsSeq(sorting) {
		name, raw := strings.CutPrefix(key[1:], "raw(")
		name = strings.TrimSuffix(name, ")")
		switch {
		case key == "-[relevance]":
			keys = append(keys, func(a, b scored) int { return cmp.Compare(b.score, a.score) })
		case key[0] == '+' && raw && d.fields[name] != nil && d.fields[name].attribute && d.fields[name].kind == "string":
			keys = append(keys, func(a, b scored) int {
				return strings.Compare(fmt.Sprint(a.doc.values[name]), fmt.Sprint(b.doc.values[name]))
			})
		default:
			return nil, fmt.Errorf("cannot sort by %s", key)
		}
	}
	return func(a, b scored) int {
		for _, key := range keys {
			if c := key(a, b); c != 0 {
				return c
			}
		}
		return 0
	}, nil
}

func reversed(s string) string {
	b := []byte(s)
	slices.Reverse(b)
	return string(b)
}

func (s *Server) render(d *docType, q request, matching []scored) (map[string]any, error) {
	names := d.summary[q.Summary]
	if q.Summary == "" {
		for name, f := range d.fields {
			if f.inSummary {
				names = append(names, name)
			}
		}
	} else if names == nil {
		return nil, fmt.Errorf("invalid document summary class '%s'", q.Summary)
	}
	from := matching[min(q.Offset, len(matching)):]
	children := []any{}
	for i, hit := range from[:min(q.Hits, len(from))] {
		fields := map[string]any{}
		for _, name := range names {
			if v := s.value(d, hit.doc, name); v != nil {
				fields[name] = v
			}
		}
		children = append(children, map[string]any{
			"id": fmt.Sprintf("index:video/0/%d", i), "relevance": hit.score, "source": "video", "fields": fields,
		})
	}
	return map[string]any{
		"id": "toplevel", "relevance": 1.0, "fields": map[string]any{"totalCount": len(matching)}, "children": children,
		"coverage": map[string]any{"coverage": 100, "documents": len(s.docs[d.name]), "full": true, "nodes": 1, "results": 1, "resultsFull": 1},
	}, nil
}
