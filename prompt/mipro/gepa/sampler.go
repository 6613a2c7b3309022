package gepa

import (
	"slices"

	"github.com/cogniverse/cogflow/prompt/python"
)

// sampler draws minibatches: all rows in random order, in a new order for each epoch.
type sampler struct {
	size, rows int
	rng        *python.Random
	order      []int
	epoch      int // epoch of order
}

// next is the minibatch of an iteration, counted from 0. The minibatch of an iteration that does
// not draw one is skipped.
func (s *sampler) next(iteration int) []int {
	if s.order == nil {
		s.shuffle()
	} else if epoch := iteration * s.size / len(s.order); epoch > s.epoch {
		s.epoch = epoch
		s.shuffle()
	}
	at := iteration * s.size % len(s.order)
	return slices.Clone(s.order[at : at+s.size])
}

// shuffle draws an order, and fills its last minibatch with the least frequent rows, the last
// first.
func (s *sampler) shuffle() {
	s.order = make([]int, s.rows)
	for i := range s.order {
		s.order[i] = i
	}
	s.rng.Shuffle(s.rows, func(i, j int) { s.order[i], s.order[j] = s.order[j], s.order[i] })
	for i := s.rows - 1; len(s.order)%s.size != 0; i-- {
		s.order = append(s.order, s.order[i])
		if i == 0 {
			i = s.rows
		}
	}
}
