package sqlite

import (
	"context"
	"database/sql"
	"runtime"
	"slices"
	"sync/atomic"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/index/quantized"
	"github.com/cogniverse/cogflow/panics"
	"github.com/cogniverse/cogflow/video"
)

// blockSize is how many documents a scan compares between two checks of the context.
const blockSize = 512

// rankVectors returns the documents that are most similar to the query: at least the best n by
// their exact similarity, and further ones up to depth. It compares documents of the same
// vector shape. Documents from before a change of the profile's model have another shape and
// are skipped. If all documents have another shape, rankVectors returns a fault.
func (s *selection) rankVectors(ctx context.Context, tx *sql.Tx, q video.Query, n, depth int) ([]scored, error) {
	if q.Multi && q.Embedding.Dim%8 == 0 {
		q.Embedding = q.Embedding.Binary() // in the encoding of the documents
	}
	query := pack(q.Embedding)
	compressed, others := s.comparable(&query)
	if len(compressed)+len(others) == 0 && s.size() > 0 {
		have := s.segments[s.owner[0]].vectors
		return nil, fault.New(fault.Input, opSearch, q.Profile, "the query's embedding is "+
			shapeName(query.encoding, query.dim)+", the profile's documents are "+shapeName(have.encoding, have.dim)+
			"; search with the model that embedded them")
	}
	compressed, others = slices.DeleteFunc(compressed, s.excludes), slices.DeleteFunc(others, s.excludes)
	found, err := s.scan(ctx, &query, s.documents(others))
	if err != nil || len(compressed) == 0 {
		return found, err
	}
	more, err := s.nearest(ctx, tx, &query, compressed, n, depth)
	return append(found, more...), err
}

// comparable lists the segments whose vectors have the query's shape.
func (v *view) comparable(query *vectors) (compressed, others []int) {
	for i, s := range v.segments {
		switch {
		case s.vectors.encoding != query.encoding || s.vectors.dim != query.dim:
		case s.codes != nil:
			compressed = append(compressed, i)
		default:
			others = append(others, i)
		}
	}
	return compressed, others
}

// documents lists the selected documents of segments.
func (s *selection) documents(segments []int) (list []scored) {
	for _, i := range segments {
		for d := range s.segments[i].docs {
			if s.narrow() && !s.document(i, d) {
				continue
			}
			list = append(list, scored{at: s.first[i] + int32(d)})
		}
	}
	return list
}

// scan compares the query with every document of a list, in memory.
func (v *view) scan(ctx context.Context, query *vectors, list []scored) ([]scored, error) {
	var next atomic.Int64
	part := func() error {
		for {
			to := int(next.Add(blockSize))
			from := to - blockSize
			if from >= len(list) {
				return nil
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			for i := range list[from:min(to, len(list))] {
				s := &list[from+i]
				s.score = v.similarity(query, s.at)
			}
		}
	}
	var group panics.Group
	for range min(runtime.GOMAXPROCS(0), (len(list)+blockSize-1)/blockSize) {
		group.Go(part)
	}
	return list, group.Wait()
}

func (v *view) similarity(query *vectors, at int32) float64 {
	owner := v.owner[at]
	return v.segments[owner].vectors.similarity(query, int(at-v.first[owner]))
}

// nearest compares the query with compressed vectors, and those that may be among the best n
// with their stored vectors.
func (s *selection) nearest(ctx context.Context, tx *sql.Tx, query *vectors, segments []int, n, depth int) ([]scored, error) {
	direction, ok := quantized.NewQuery(query.floats)
	if !query.single || !ok {
		list := s.documents(segments)
		if !query.single { // several vectors, which codes cannot be compared with
			return list, s.exact(ctx, tx, query, list)
		}
		return list, nil // nothing is similar to a vector of zeros
	}
	sets := make([]*quantized.Set, len(segments))
	for i, segment := range segments {
		sets[i] = s.segments[segment].codes
	}
	var allowed func(set, vector int) bool
	if s.narrow() {
		allowed = func(set, vector int) bool { return s.document(segments[set], vector) }
	}
	candidates, err := quantized.Search(ctx, sets, direction, allowed, n, 2*depth) // so that level decides which are the last
	if err != nil {
		return nil, err
	}
	var best, rest []scored
	for _, c := range candidates {
		d := scored{at: s.first[segments[c.Set]] + int32(c.Vector), score: float64(c.Value)}
		if c.Best {
			best = append(best, d)
		} else {
			rest = append(rest, d)
		}
	}
	if err := s.exact(ctx, tx, query, best); err != nil {
		return nil, err
	}
	return s.level(best, rest), nil
}

// level appends rest to best. Equal vectors get equal scores, although their codes differ from
// segment to segment.
func (v *view) level(best, rest []scored) []scored {
	known := make(map[uint64]float64, len(best)+len(rest))
	for _, s := range best {
		known[v.hash(s.at)] = s.score
	}
	for i := range rest {
		hash := v.hash(rest[i].at)
		if score, ok := known[hash]; ok {
			rest[i].score = score
		} else {
			known[hash] = rest[i].score
		}
	}
	return append(best, rest...)
}
