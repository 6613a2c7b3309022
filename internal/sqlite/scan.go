package sqlite

import (
	"context"
	"runtime"
	"sync/atomic"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/panics"
	"github.com/cogniverse/cogflow/video"
)

// blockSize is how many documents a scan compares between two checks of the context.
const blockSize = 512

// rankVectors compares the query with every document of the same vector shape. Documents
// from before a change of the profile's model have another shape and are skipped. If all
// documents have another shape, rankVectors returns a fault.
func rankVectors(ctx context.Context, v *view, q video.Query) ([]scored, error) {
	if q.Multi && q.Embedding.Dim%8 == 0 {
		q.Embedding = q.Embedding.Binary() // in the encoding of the documents
	}
	query := pack(q.Embedding)
	found := v.comparable(&query)
	if len(found) == 0 && len(v.docs) > 0 {
		have := v.segments[v.owner[0]].vectors
		return nil, fault.New(fault.Input, opSearch, q.Profile, "the query's embedding is "+
			shapeName(query.encoding, query.dim)+", the profile's documents are "+shapeName(have.encoding, have.dim)+
			"; search with the model that embedded them")
	}
	var next atomic.Int64
	scan := func() error {
		for {
			to := int(next.Add(blockSize))
			from := to - blockSize
			if from >= len(found) {
				return nil
			}
			if err := ctx.Err(); err != nil {
				return err
			}
			for i := range found[from:min(to, len(found))] {
				s := &found[from+i]
				s.score = v.similarity(&query, s.at)
			}
		}
	}
	var group panics.Group
	for range min(runtime.GOMAXPROCS(0), len(found)/blockSize+1) {
		group.Go(scan)
	}
	return found, group.Wait()
}

// comparable lists the documents whose vectors have the query's shape.
func (v *view) comparable(query *vectors) []scored {
	list := make([]scored, 0, len(v.docs))
	for i, s := range v.segments {
		if s.vectors.encoding != query.encoding || s.vectors.dim != query.dim {
			continue
		}
		for d := range s.docs {
			list = append(list, scored{at: v.first[i] + int32(d)})
		}
	}
	return list
}

func (v *view) similarity(query *vectors, at int32) float64 {
	owner := v.owner[at]
	return v.segments[owner].vectors.similarity(query, int(at-v.first[owner]))
}
