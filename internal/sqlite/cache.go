package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"hash/maphash"
	"slices"
	"sync"

	"github.com/cogniverse/cogflow/internal/dbfile"
	"github.com/cogniverse/cogflow/internal/index/postings"
	"github.com/cogniverse/cogflow/internal/index/quantized"
	"github.com/cogniverse/cogflow/video"
)

// cacheLimit is the maximum memory for embeddings and words, in bytes. A larger scope can still
// be searched, but is read again after each search of another scope.
const cacheLimit = 1 << 30

// segment is the visible part of one generation. It is immutable: when the generation
// changes, its revision does too, and a new segment replaces this one.
type segment struct {
	generation, revision int64
	video                video.ID
	docs                 []int64  // row ids
	ids                  []string // document ids
	about                []about
	vectors              vectors
	codes                *quantized.Set // of single vectors of floats, which are not kept in vectors
	hashes               []uint64       // with codes: of the stored vectors; equal vectors have equal hashes
	words                *postings.List
}

// about is what filters ask of a document: its range, in milliseconds of its video, and its
// kind and language.
type about struct {
	start, end     int64
	kind, language string
}

// view holds the visible documents of one version of a scope.
type view struct {
	scope, version int64
	segments       []*segment
	first          []int32   // position of each segment's first document
	owner          []int32   // segment by position
	lengths        []uint32  // number of terms by position
	terms          int       // sum of lengths
	sums           sync.Pool // of *[]float64: the scores of a search by position
	bytes          int
}

// cache keeps the latest view of each scope. Each search compares the version with the
// one in its transaction, so that it sees writes of other processes.
type cache struct {
	limit   int
	seed    maphash.Seed
	loading chan struct{} // a semaphore of one: a cold scope is read once, not by every search
	mu      sync.Mutex
	views   []*view // most recently used last
}

func newCache(limit int) *cache {
	return &cache{limit: limit, seed: maphash.MakeSeed(), loading: make(chan struct{}, 1)}
}

// view returns the scope as the transaction sees it.
func (c *cache) view(ctx context.Context, tx *sql.Tx, scope, version int64) (*view, error) {
	if v := c.last(scope); v != nil && v.version == version {
		return v, nil
	}
	select {
	case c.loading <- struct{}{}:
		defer func() { <-c.loading }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	last := c.last(scope)
	if last != nil && last.version == version {
		return last, nil
	}
	v, err := c.load(ctx, tx, scope, version, last)
	if err != nil {
		return nil, err
	}
	if last == nil || last.version < version { // otherwise this transaction is older than the cached view
		c.keep(v)
	}
	return v, nil
}

func (c *cache) last(scope int64) *view {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.IndexFunc(c.views, func(v *view) bool { return v.scope == scope })
	if i < 0 {
		return nil
	}
	v := c.views[i]
	c.views = append(slices.Delete(c.views, i, i+1), v)
	return v
}

// keep replaces the scope's view and evicts the least recently used views above the limit.
func (c *cache) keep(v *view) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.views = append(slices.DeleteFunc(c.views, func(old *view) bool { return old.scope == v.scope }), v)
	total := 0
	for _, kept := range c.views {
		total += kept.bytes
	}
	for len(c.views) > 1 && total > c.limit {
		total -= c.views[0].bytes
		c.views = slices.Delete(c.views, 0, 1)
	}
}

// load reads a scope, and reuses the unchanged segments of an older view.
func (c *cache) load(ctx context.Context, tx *sql.Tx, scope, version int64, old *view) (*view, error) {
	type key struct{ generation, revision int64 }
	known := map[key]*segment{}
	if old != nil {
		for _, s := range old.segments {
			known[key{s.generation, s.revision}] = s
		}
	}
	v := &view{scope: scope, version: version}
	rows, err := tx.QueryContext(ctx,
		"SELECT id, revision, video FROM generation WHERE scope=? AND published IS NOT NULL ORDER BY id", scope)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var k key
		var id video.ID
		if err := rows.Scan(&k.generation, &k.revision, &id); err != nil {
			return nil, err
		}
		s := known[k]
		if s == nil {
			s = &segment{generation: k.generation, revision: k.revision, video: id}
		}
		v.segments = append(v.segments, s)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	for _, s := range v.segments {
		if s.words == nil {
			if err := s.read(ctx, tx, c.seed); err != nil {
				return nil, err
			}
		}
	}
	v.number()
	return v, nil
}

// read fills the segment from the file.
func (s *segment) read(ctx context.Context, tx *sql.Tx, seed maphash.Seed) error {
	rows, err := tx.QueryContext(ctx, `SELECT d.id, d.doc, d.embedding, d.caption, d.on_screen_text, d.transcript, d.name,
		d.start_ms, d.end_ms, d.kind, d.language
		FROM generation g
		JOIN document d ON d.generation = g.id AND d.id <= g.published WHERE g.id=? ORDER BY d.doc`, s.generation)
	if err != nil {
		return err
	}
	defer rows.Close()
	var words postings.Builder
	for rows.Next() {
		var id int64
		var doc, caption, onScreen, transcript, name string
		var stored sql.RawBytes
		var a about
		if err := rows.Scan(&id, &doc, &stored, &caption, &onScreen, &transcript, &name, &a.start, &a.end, &a.kind, &a.language); err != nil {
			return err
		}
		var e video.Embedding
		if err := e.UnmarshalBinary(stored); err != nil {
			return fmt.Errorf("%w: document %q: %v", dbfile.ErrDamaged, doc, err) //nolint:errorlint // its class does not apply here
		}
		s.hashes = append(s.hashes, maphash.Bytes(seed, stored))
		s.docs, s.ids = append(s.docs, id), append(s.ids, doc)
		s.about = append(s.about, a)
		s.vectors.add(e)
		addText(&words, caption, onScreen, transcript, name)
	}
	s.words = words.Build()
	if s.vectors.single {
		s.codes = quantized.New(s.vectors.dim, s.vectors.floats)
		s.vectors.floats = nil
	} else {
		s.hashes = nil
	}
	return rows.Err()
}

func (s *segment) bytes() int {
	n := s.vectors.bytes() + s.words.Bytes() + 8*len(s.hashes) + 136*len(s.docs)
	if s.codes != nil {
		n += s.codes.Bytes()
	}
	return n
}

// size is the number of documents.
func (v *view) size() int { return len(v.owner) }

// row is the row of a document.
func (v *view) row(at int32) int64 {
	return v.segments[v.owner[at]].docs[at-v.first[v.owner[at]]]
}

// id is the id of a document.
func (v *view) id(at int32) string {
	return v.segments[v.owner[at]].ids[at-v.first[v.owner[at]]]
}

// number gives each document its position.
func (v *view) number() {
	for segment, s := range v.segments {
		v.first = append(v.first, int32(len(v.owner)))
		for i := range s.docs {
			v.owner = append(v.owner, int32(segment))
			v.lengths = append(v.lengths, uint32(s.words.Length(i)))
		}
		v.terms += s.words.Total()
		v.bytes += s.bytes()
	}
}
