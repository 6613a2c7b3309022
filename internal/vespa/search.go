package vespa

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/index"
	"github.com/cogniverse/cogflow/internal/index/terms"
	"github.com/cogniverse/cogflow/internal/vespa/exact"
	"github.com/cogniverse/cogflow/internal/vespa/linguistics"
	"github.com/cogniverse/cogflow/video"
)

const (
	opSearch     = "search"
	maxLimit     = 1000
	maxPhrases   = 64 // of one query; further words are ignored
	rankConstant = 60 // of reciprocal rank fusion, from the paper that proposed it
)

// candidate is a hit with the data that decides between two generations.
type candidate struct {
	video.Hit
	id, generation string
	created        int64
}

// Search returns the best published documents. Equal scores are ordered by document id if
// the rank profile has one phase. video.RankHybrid fuses the other two lists here, because
// in Vespa's global phase a document without any word of the query would have a BM25 rank
// too. Any rank profile of the schema can be used.
func (x *Index) Search(ctx context.Context, q video.Query) ([]video.Hit, error) {
	s, err := x.schemaOf(opSearch, q.Tenant, q.Profile)
	if err != nil {
		return nil, err
	}
	lists, err := s.lists(q)
	if err != nil {
		return nil, err
	}
	if err := x.weigh(ctx, s, q, lists); err != nil {
		return nil, err
	}
	var exclude []edition
	for range 5 {
		var ranked [][]candidate
		for _, l := range lists {
			found, err := x.listed(ctx, s, q, l, exclude)
			if err != nil {
				return nil, err
			}
			ranked = append(ranked, found)
		}
		older := superseded(ranked)
		if len(older) == 0 {
			return index.Matched(q.Text, hits(ranked, q)), nil
		}
		// A generation is being published: repeat the query without the older one.
		exclude = append(exclude, older...)
	}
	return nil, fault.New(fault.Overload, opSearch, q.Text, "generations change faster than the search can be repeated")
}

// listing is one ranked list of a query.
type listing struct {
	profile rankProfile
	phrases []terms.Phrase
	hits    int
	weights *index.Weights // of the phrases; nil = each hit counts
}

// lists returns the lists of a query and refuses queries that the schema does not support.
func (s *schema) lists(q video.Query) ([]listing, error) {
	bad := func(reason string) error { return fault.New(fault.Input, opSearch, q.Text, reason) }
	if q.Limit < 1 || q.Limit > maxLimit {
		return nil, bad("limit must be 1 to 1000")
	}
	if err := q.Filter.Check(); err != nil {
		return nil, err
	}
	names, depth := []string{string(q.Rank)}, q.Limit
	switch q.Rank {
	case video.RankBM25:
		names[0] = "bm25_only"
	case video.RankVector:
		names[0] = vectorProfile
	case video.RankHybrid:
		names, depth = []string{"bm25_only", vectorProfile}, rankDepth
		if q.Filter.PerVideo > 0 { // there are fewer hits to fuse, each of which costs more
			depth = max(100, q.Limit)
		}
	}
	var out []listing
	for _, name := range names {
		p, ok := s.rank(name)
		if !ok {
			return nil, bad("unknown rank " + string(q.Rank) + ": use hybrid, bm25, vector or a rank profile of " + s.Name)
		}
		if err := s.checkQuery(p, q); err != nil {
			return nil, err
		}
		l := listing{profile: p, phrases: terms.Query(q.Text, maxPhrases), hits: depth}
		if !p.Text || len(l.phrases) > 0 {
			out = append(out, l)
		}
	}
	return out, nil
}

func (s *schema) checkQuery(p rankProfile, q video.Query) error {
	if !p.Float && !p.Binary {
		return nil
	}
	e := q.Embedding
	if err := e.Check(); err != nil {
		return &fault.Error{Class: fault.Input, Op: opSearch, Subject: q.Text, Err: err}
	}
	switch {
	case e.Dim != s.Dim || !s.Multi && e.Rows != 1:
		return fault.New(fault.Input, opSearch, q.Text, "the query's embedding does not have the shape of schema "+s.Name)
	case e.Floats == nil && (p.Float || s.Float != ""):
		return fault.New(fault.Input, opSearch, q.Text, "rank "+p.Name+" requires an embedding of floats, not bits")
	}
	return nil
}

// list requests one ranked list.
func (x *Index) list(
	ctx context.Context, s *schema, q video.Query, l listing, exclude []edition, full map[video.ID]bool,
) ([]candidate, error) {
	parameters := map[string]any{}
	where := filter(q, exclude, full, parameters)
	ranked, unranked := conditions(l.phrases, parameters)
	switch {
	case l.profile.Text:
		where = "(" + strings.Join(append(ranked, unranked...), " or ") + ") and " + where
	case len(ranked) > 0:
		where = "rank(" + where + ", " + strings.Join(ranked, ", ") + ")"
	}
	s.bind(parameters, l.profile, q.Embedding)
	ask := query{
		op: opSearch, subject: q.Text, yql: "select * from " + s.Name + " where " + where, parameters: parameters,
		hits: l.hits, profile: l.profile.Name, summary: "hit",
	}
	if l.profile.Second == "" { // Vespa does not combine sorting and a second phase
		ask.sorting = "-[relevance] +raw(doc_id)"
	}
	answer, err := x.ask(ctx, ask)
	if err != nil {
		return nil, err
	}
	out := make([]candidate, len(answer.hits))
	for i, h := range answer.hits {
		if out[i], err = h.candidate(q); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(out, best)
	return out, nil
}

// conditions are what documents must have for any of the phrases.
func conditions(phrases []terms.Phrase, parameters map[string]any) (ranked, unranked []string) {
	for i, p := range phrases {
		r, u := linguistics.Condition(i, p, parameters)
		ranked = append(ranked, r)
		if u != "" {
			unranked = append(unranked, u)
		}
	}
	return ranked, unranked
}

func best(a, b candidate) int { return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.id, b.id)) }

// bind adds the query tensors that a profile requires.
func (s *schema) bind(parameters map[string]any, p rankProfile, e video.Embedding) {
	if p.Float {
		parameters["input.query(qt)"] = tensor(s, e.Rows, s.Dim, func(i int) float32 { return e.Floats[i] })
	}
	if p.Binary {
		bits := e.Binary().Bits
		parameters["input.query(qtb)"] = tensor(s, e.Rows, s.Bytes(), func(i int) int8 { return int8(bits[i]) })
	}
}

// tensor is a query tensor in JSON: a list of cells, or one for each token.
func tensor[T any](s *schema, rows, cells int, cell func(int) T) any {
	tokens := map[string][]T{}
	for row := range rows {
		list := make([]T, cells)
		for i := range list {
			list[i] = cell(row*cells + i)
		}
		if !s.Multi {
			return list
		}
		tokens[fmt.Sprint(row)] = list
	}
	return tokens
}

// candidate reads a hit and checks that it belongs to the tenant.
func (h foundHit) candidate(q video.Query) (candidate, error) {
	var f struct {
		frameFields
		Created int64 `json:"creation_timestamp"`
	}
	if err := h.decode(opSearch, &f); err != nil {
		return candidate{}, err
	}
	if f.Tenant != string(q.Tenant) || f.DocID == "" || f.VideoID == "" {
		return candidate{}, fault.New(fault.Transport, opSearch, q.Text, "a hit belongs to another tenant, or has no id")
	}
	c := candidate{id: f.DocID, generation: f.Generation, created: f.Created, Hit: video.Hit{
		ID: f.DocID, Video: video.ID(f.VideoID), PTSMS: f.PTSMS, Score: h.score, Preview: f.Preview,
		Kind: cmp.Or(video.Kind(f.Kind), video.FrameDocument), Language: f.Language,
		StartMS: milliseconds(f.StartTime), EndMS: milliseconds(f.EndTime),
	}}
	for _, text := range []struct {
		field, stored string
		into          *string
	}{
		{"uri", f.URI, &c.URI},
		{"name", f.Name, &c.Name},
		{"segment_description", f.Description, &c.Caption},
		{"on_screen_text", f.OnScreenText, &c.OnScreen},
		{"audio_transcript", f.Transcript, &c.Transcript},
		{"frame_key", f.FrameKey, &c.FrameKey},
	} {
		whole, err := exact.Restore(f.Verbatim, text.field, text.stored)
		if err != nil {
			return candidate{}, err
		}
		*text.into = whole
	}
	return c, nil
}

func milliseconds(seconds float64) int64 { return int64(seconds*1000 + 0.5) }
