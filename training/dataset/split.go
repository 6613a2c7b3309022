package dataset

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"

	"github.com/cogniverse/cogflow/training/rows"
)

// Limits of the held-out rows without an evaluation dataset.
const (
	minSplitRows = 10  // a smaller dataset is not split
	maxHeldOut   = 500 // rows; more make an evaluation slower, but hardly more precise
)

// Split chooses the questions whose rows are held out: a share of the rows, at least 1 and
// at most 500, but none of fewer than 10 rows. All rows of a question are on the same side.
// The choice depends on the seed and the questions, not on their order in the file.
// questions is the number of rows by the hash of the question; held is the number of
// held-out rows, 0 if each question has too many of them.
func Split(questions map[uint64]uint32, share float64, seed int64) (chosen map[uint64]bool, held int) {
	total := 0
	for _, n := range questions {
		total += int(n)
	}
	if share <= 0 || total < minSplitRows || len(questions) < 2 {
		return nil, 0
	}
	want := min(max(int(math.Round(share*float64(total))), 1), maxHeldOut, total-1)
	type draw struct{ rank, question uint64 }
	draws := make([]draw, 0, len(questions))
	for question := range questions {
		var text [16]byte
		binary.BigEndian.PutUint64(text[:], uint64(seed))
		binary.BigEndian.PutUint64(text[8:], question)
		draws = append(draws, draw{rows.Digest(text[:]), question})
	}
	slices.SortFunc(draws, func(a, b draw) int { return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.question, b.question)) })
	chosen = map[uint64]bool{}
	for _, d := range draws {
		if n := int(questions[d.question]); held+n <= want {
			chosen[d.question] = true
			held += n
		}
		if held == want {
			break
		}
	}
	return chosen, held
}
