package sqlite

import (
	"encoding/binary"
	"math"
	"math/bits"

	"github.com/cogniverse/cogflow/video"
)

// vectors packs the embeddings of one generation, all of one encoding and
// dimension. Document i has the rows from starts[i] to starts[i+1].
type vectors struct {
	encoding string
	dim      int
	width    int // floats or 64-bit words per row
	starts   []int32
	floats   []float32
	words    []uint64
	single   bool // each document has one row of floats, normalized to unit length
}

func pack(e video.Embedding) vectors {
	var v vectors
	v.add(e)
	return v
}

// add appends one document.
func (v *vectors) add(e video.Embedding) {
	if v.starts == nil {
		v.starts = []int32{0}
		v.encoding, v.dim, v.width, v.single = encodingOf(e), e.Dim, e.Dim, e.Bits == nil
		if v.encoding == bitRows {
			v.width = (e.Dim + 63) / 64
		}
	}
	v.starts = append(v.starts, v.starts[len(v.starts)-1]+int32(e.Rows))
	v.single = v.single && e.Rows == 1
	v.floats = append(v.floats, e.Floats...)
	for row := range e.Rows {
		if v.encoding == bitRows {
			v.words = appendWords(v.words, e.Bits[row*e.Dim/8:(row+1)*e.Dim/8])
		}
	}
}

// appendWords packs one row into 64-bit words. The zeros that pad the last word are equal in
// every row, so they do not change a distance.
func appendWords(words []uint64, row []byte) []uint64 {
	for len(row) >= 8 {
		words = append(words, binary.BigEndian.Uint64(row))
		row = row[8:]
	}
	if len(row) > 0 {
		var last [8]byte
		copy(last[:], row)
		words = append(words, binary.BigEndian.Uint64(last[:]))
	}
	return words
}

func (v *vectors) bytes() int { return 4*len(v.floats) + 8*len(v.words) + 4*len(v.starts) }

// similarity returns the similarity of the packed query to document i of the same shape:
// cosine for single float vectors, otherwise MaxSim, as in the Vespa rank profiles.
func (v *vectors) similarity(q *vectors, i int) float64 {
	from, to := int(v.starts[i])*v.width, int(v.starts[i+1])*v.width
	switch {
	case v.encoding == bitRows:
		return maxSimBits(q.words, v.words[from:to], v.width)
	case q.single && to-from == v.width:
		doc := v.floats[from:to]
		norm := math.Sqrt(dot(q.floats, q.floats) * dot(doc, doc))
		if norm == 0 {
			return 0
		}
		return dot(q.floats, doc) / norm
	}
	return maxSimFloats(q.floats, v.floats[from:to], v.width)
}

// maxSimBits is the sum over query rows of the best 1/(1+hamming distance)
// among the document's rows.
func maxSimBits(query, doc []uint64, width int) float64 {
	sum := 0.0
	for ; len(query) >= width; query = query[width:] {
		least := math.MaxInt
		if width == 2 {
			least = nearest128(query[0], query[1], doc)
		} else {
			for rest := doc; len(rest) >= width; rest = rest[width:] {
				distance := 0
				for w, word := range query[:width] {
					distance += bits.OnesCount64(word ^ rest[w])
				}
				least = min(least, distance)
			}
		}
		sum += 1 / float64(1+least)
	}
	return sum
}

// nearest128 is the common case, 128 bits per row.
func nearest128(a, b uint64, doc []uint64) int {
	least := 128
	for ; len(doc) >= 2; doc = doc[2:] {
		least = min(least, bits.OnesCount64(a^doc[0])+bits.OnesCount64(b^doc[1]))
	}
	return least
}

// maxSimFloats is the sum over query rows of the largest dot product with one
// of the document's rows.
func maxSimFloats(query, doc []float32, width int) float64 {
	sum := 0.0
	for ; len(query) >= width; query = query[width:] {
		best := math.Inf(-1)
		for rest := doc; len(rest) >= width; rest = rest[width:] {
			best = max(best, dot(query[:width], rest[:width]))
		}
		sum += best
	}
	return sum
}

// dot adds in a fixed order, so that equal vectors score equally everywhere.
func dot(a, b []float32) float64 {
	var s0, s1, s2, s3 float32
	b = b[:len(a)]
	n := len(a) &^ 3
	for i := 0; i < n; i += 4 {
		s0 += a[i] * b[i]
		s1 += a[i+1] * b[i+1]
		s2 += a[i+2] * b[i+2]
		s3 += a[i+3] * b[i+3]
	}
	for i := n; i < len(a); i++ {
		s0 += a[i] * b[i]
	}
	return float64(s0) + float64(s1) + float64(s2) + float64(s3)
}
