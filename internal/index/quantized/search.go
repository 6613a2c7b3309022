package quantized

import (
	"cmp"
	"context"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/cogniverse/cogflow/panics"
)

// Candidate is a vector of one of the searched sets.
type Candidate struct {
	Set, Vector int
	Similarity
	Best bool // may be among the best n by its exact similarity
}

// Search returns every vector that may be among the best n of the sets, and further ones, the
// best first by Value, so that there are at least depth if so many are allowed. A nil allowed
// allows all. Vectors are missed as rarely as sketchDeviations and deviations say.
func Search(ctx context.Context, sets []*Set, q *Query, allowed func(set, vector int) bool, n, depth int) ([]Candidate, error) {
	s := newSearch(sets, q, allowed)
	defer estimates.Put(s.pooled)
	if err := s.each(ctx, s.estimate); err != nil {
		return nil, err
	}
	s.floor = newFloor(n)
	first := newFloor(max(depth, 2*n))
	for _, e := range s.estimates {
		first.add(e.Value)
	}
	s.enough = first.value()
	// The vectors with the best estimates give a floor that most of the others do not reach.
	if err := s.each(ctx, s.refineBest); err != nil {
		return nil, err
	}
	s.reached = s.floor.value() // not updated while others are refined: equal searches have equal results
	if err := s.each(ctx, s.refineOthers); err != nil {
		return nil, err
	}
	return s.best(depth), nil
}

// best orders the refined vectors and keeps those that are asked for.
func (s *search) best(depth int) []Candidate {
	last, floor := newFloor(depth), s.floor.value()
	for _, c := range s.found {
		last.add(c.Value)
	}
	kept := s.found[:0]
	for _, c := range s.found {
		if c.Best = c.Value+c.Error >= floor; c.Best || c.Value >= last.value() {
			kept = append(kept, c)
		}
	}
	slices.SortFunc(kept, func(a, b Candidate) int {
		return cmp.Or(cmp.Compare(b.Value, a.Value), cmp.Compare(a.Set, b.Set), cmp.Compare(a.Vector, b.Vector))
	})
	return kept
}

// block is a part of a set that one goroutine searches at a time.
type block struct{ set, from, to, at int }

const blockSize = 4096

type search struct {
	sets      []*Set
	query     *Query
	allowed   func(set, vector int) bool
	bases     []float32
	blocks    []block
	estimates []Similarity
	pooled    *[]Similarity
	enough    float32 // estimate of the vectors that are refined first
	reached   float32 // similarity that n of them have at least

	mu    sync.Mutex
	floor *floor
	found []Candidate
}

//nolint:gochecknoglobals // a pool of buffers of some megabytes
var estimates = sync.Pool{New: func() any { return new([]Similarity) }}

func newSearch(sets []*Set, q *Query, allowed func(set, vector int) bool) *search {
	s := &search{sets: sets, query: q, allowed: allowed, bases: make([]float32, len(sets))}
	total := 0
	for i, set := range sets {
		s.bases[i] = set.base(q)
		for from := 0; from < set.Len(); from += blockSize {
			to := min(from+blockSize, set.Len())
			s.blocks = append(s.blocks, block{i, from, to, total})
			total += to - from
		}
	}
	s.pooled = estimates.Get().(*[]Similarity) //nolint:forcetypeassert // New returns it
	if cap(*s.pooled) < total {
		*s.pooled = make([]Similarity, total)
	}
	s.estimates = (*s.pooled)[:total]
	return s
}

// each runs do on all blocks, in parallel.
func (s *search) each(ctx context.Context, do func(block)) error {
	var next atomic.Int64
	var group panics.Group
	for range min(runtime.GOMAXPROCS(0), len(s.blocks)) {
		group.Go(func() error {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(s.blocks) {
					return nil
				}
				if err := ctx.Err(); err != nil {
					return err
				}
				do(s.blocks[i])
			}
		})
	}
	return group.Wait()
}

// excluded is the estimate of a vector that is not allowed.
const excluded = -1 << 10

func (s *search) estimate(b block) {
	out := s.estimates[b.at : b.at+b.to-b.from]
	s.sets[b.set].estimate(s.query, s.bases[b.set], b.from, out)
	if s.allowed == nil {
		return
	}
	for i := range out {
		if !s.allowed(b.set, b.from+i) {
			out[i] = Similarity{Value: excluded}
		}
	}
}

func (s *search) refineBest(b block) {
	s.refine(b, func(e Similarity) bool { return e.Value >= s.enough })
}

func (s *search) refineOthers(b block) {
	s.refine(b, func(e Similarity) bool { return e.Value < s.enough && e.Value+e.Error >= s.reached })
}

// refine compares the vectors of a block that want selects.
func (s *search) refine(b block, want func(e Similarity) bool) {
	var found []Candidate
	for i, e := range s.estimates[b.at : b.at+b.to-b.from] {
		if e.Value <= excluded || !want(e) {
			continue
		}
		vector := b.from + i
		found = append(found, Candidate{
			Set: b.set, Vector: vector, Similarity: s.sets[b.set].compare(s.query, s.bases[b.set], vector),
		})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range found {
		s.floor.add(c.Value - c.Error)
	}
	s.found = append(s.found, found...)
}
