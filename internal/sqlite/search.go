package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/dbfile"
	"github.com/cogniverse/cogflow/internal/index"
	"github.com/cogniverse/cogflow/video"
)

const (
	opSearch = "search"
	maxLimit = 1000
	// rankConstant is the k of reciprocal rank fusion, from the paper that proposed it.
	rankConstant = 60
	// depth is how many hits of each list the fusion uses. It does not depend on the
	// query's limit, so a smaller limit returns the beginning of the same list.
	depth = maxLimit
	// exactly is how many of the fusion's best vectors are in their exact order. Further ones
	// are ordered by their codes, whose error is smaller than the distance of their ranks.
	exactly = 100
)

// scored is a document by its position in a view.
type scored struct {
	at    int32
	score float64
}

// Search returns the best published documents. Equal scores are ordered by
// document id. A scope without documents has no hits.
func (x *Index) Search(ctx context.Context, q video.Query) (hits []video.Hit, err error) {
	if err := checkQuery(q); err != nil {
		return nil, err
	}
	err = x.db.View(ctx, opSearch, func(tx *sql.Tx) error {
		scope, version, err := scopeID(ctx, tx, q.Tenant, q.Profile)
		if err != nil || scope == 0 {
			return err
		}
		v, err := x.cache.view(ctx, tx, scope, version)
		if err != nil {
			return err
		}
		best, err := rank(ctx, tx, v, q)
		if err != nil {
			return err
		}
		hits, err = read(ctx, tx, v, best)
		return err
	})
	return index.Matched(q.Text, hits), err
}

func checkQuery(q video.Query) error {
	bad := func(reason string) error { return fault.New(fault.Input, opSearch, q.Text, reason) }
	switch {
	case q.Tenant == "" || q.Profile == "":
		return bad("a query needs a tenant and a profile")
	case q.Limit < 1 || q.Limit > maxLimit:
		return bad("limit must be 1 to 1000")
	case q.Filter.Check() != nil:
		return q.Filter.Check()
	case q.Rank == video.RankBM25:
		return nil
	case q.Rank != video.RankVector && q.Rank != video.RankHybrid:
		return bad("unknown rank " + string(q.Rank) + ": use hybrid, bm25 or vector")
	}
	if err := q.Embedding.Check(); err != nil {
		return &fault.Error{Class: fault.Input, Op: opSearch, Subject: q.Text, Err: err}
	}
	return nil
}

func rank(ctx context.Context, tx *sql.Tx, v *view, q video.Query) ([]scored, error) {
	s := v.selected(q.Filter, nil)
	switch q.Rank {
	case video.RankBM25:
		return s.words(ctx, q.Text, 0, q.Limit)
	case video.RankVector:
		return s.vectors(ctx, tx, q, q.Limit, q.Limit)
	case video.RankHybrid:
	}
	n := depth
	if q.Filter.PerVideo > 0 { // there are fewer hits to fuse, each of which costs more
		n = max(exactly, q.Limit)
	}
	words, err := s.words(ctx, q.Text, index.Telling, n)
	if err != nil {
		return nil, err
	}
	vectors, err := s.vectors(ctx, tx, q, exactly, n)
	if err != nil {
		return nil, err
	}
	return s.few(fuse(words, vectors), q.Limit), nil // a video can have more hits in two lists than in one
}

// top returns the n best, best first.
func (v *view) top(list []scored, n int) []scored {
	better := func(a, b scored) int {
		if a.score != b.score {
			return cmp.Compare(b.score, a.score)
		}
		return cmp.Compare(v.id(a.at), v.id(b.at))
	}
	if n > 0 && len(list) > 2*n { // most of a long list is not among the best so far
		best := append(make([]scored, 0, 2*n), list[:n]...)
		slices.SortFunc(best, better)
		for _, s := range list[n:] {
			if s.score < best[n-1].score || better(s, best[n-1]) > 0 {
				continue
			}
			if best = append(best, s); len(best) == 2*n {
				slices.SortFunc(best, better)
				best = best[:n]
			}
		}
		list = best
	}
	slices.SortFunc(list, better)
	return list[:min(n, len(list))]
}

// fuse sums 1/(k+rank) over the lists that contain a document.
func fuse(lists ...[]scored) []scored {
	sums := map[int32]float64{}
	for _, list := range lists {
		for i, s := range list {
			sums[s.at] += 1 / float64(rankConstant+i+1)
		}
	}
	fused := make([]scored, 0, len(sums))
	for at, sum := range sums {
		fused = append(fused, scored{at, sum})
	}
	return fused
}

// read fetches the found documents in the order of their ranking.
func read(ctx context.Context, tx *sql.Tx, v *view, best []scored) ([]video.Hit, error) {
	ids := make([]int64, len(best))
	order := make(map[int64]int, len(best))
	for i, s := range best {
		ids[i] = v.row(s.at)
		order[ids[i]] = i
	}
	list, err := json.Marshal(ids)
	if err != nil {
		return nil, err
	}
	rows, err := tx.QueryContext(ctx, `SELECT d.id, d.doc, g.video, d.uri, d.name, d.pts_ms, d.start_ms, d.end_ms,
		d.caption, d.on_screen_text, d.transcript, d.frame_key, d.preview, d.kind, d.language
		FROM json_each(?) AS wanted JOIN document d ON d.id = wanted.value JOIN generation g ON g.id = d.generation`,
		string(list))
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	hits, found := make([]video.Hit, len(best)), 0
	for rows.Next() {
		var id int64
		var h video.Hit
		if err := rows.Scan(&id, &h.ID, &h.Video, &h.URI, &h.Name, &h.PTSMS, &h.StartMS, &h.EndMS,
			&h.Caption, &h.OnScreen, &h.Transcript, &h.FrameKey, &h.Preview, &h.Kind, &h.Language); err != nil {
			return nil, err
		}
		h.Kind = cmp.Or(h.Kind, video.FrameDocument)
		h.Score = best[order[id]].score
		hits[order[id]] = h
		found++
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	if found != len(best) {
		return nil, fmt.Errorf("%w: %d documents that were found are missing", dbfile.ErrDamaged, len(best)-found)
	}
	return hits, nil
}
