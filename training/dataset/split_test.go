package dataset

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func questionsOf(groups ...uint32) map[uint64]uint32 {
	all := map[uint64]uint32{}
	for i, n := range groups {
		all[uint64(i)*7919] = n
	}
	return all
}

func ones(n int) map[uint64]uint32 {
	groups := make([]uint32, n)
	for i := range groups {
		groups[i] = 1
	}
	return questionsOf(groups...)
}

func TestSplit(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		questions map[uint64]uint32
		share     float64
		held      int
	}{
		{"a tenth", ones(200), 0.1, 20},
		{"at least one", ones(10), 0.01, 1},
		{"at most 500", ones(100_000), 0.1, 500},
		{"nothing of a few", ones(9), 0.5, 0},
		{"nothing of none", nil, 0.1, 0},
		{"nothing if told so", ones(100), -1, 0},
		{"something stays", ones(10), 0.9999, 9},
		{"one question stays whole", questionsOf(100), 0.1, 0},
		{"too much alike", questionsOf(50, 50), 0.1, 0},
		{"a group that does not fit is passed over", questionsOf(90, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1), 0.1, 10},
	} {
		chosen, held := Split(c.questions, c.share, 42)
		assert.Equal(t, c.held, held, c.name)
		rows := 0
		for question := range chosen {
			rows += int(c.questions[question])
		}
		assert.Equal(t, held, rows, c.name)
	}
}

func TestSplitDependsOnTheSeedAlone(t *testing.T) {
	t.Parallel()
	first, _ := Split(ones(300), 0.1, 1)
	again, _ := Split(ones(300), 0.1, 1)
	other, _ := Split(ones(300), 0.1, 2)
	assert.Equal(t, first, again)
	assert.NotEqual(t, first, other)
}
