package stills

import (
	"fmt"
	"math/bits"
)

// A small picture is 9×8 blocks of 4×4 pixels, the grid of the difference hash. SmallBytes
// includes its colours.
const (
	smallBlock  = 4
	SmallWidth  = 9 * smallBlock
	SmallHeight = 8 * smallBlock
	smallPixels = SmallWidth * SmallHeight
	SmallBytes  = smallPixels * 3 / 2
)

// Small is a small picture: its brightness row by row, then its two colour
// differences at half the size, as in YUV 4:2:0.
type Small []byte

// Luma is the brightness, row by row.
func (s Small) Luma() []byte { return s[:smallPixels] }

// Chroma is one colour difference after the other.
func (s Small) Chroma() []byte { return s[smallPixels:] }

// Hash is the 64-bit difference hash: one bit for each block, set if the block
// to its right is brighter.
func (s Small) Hash() uint64 {
	var sums [8][9]int
	for y := range SmallHeight {
		for x := range SmallWidth {
			sums[y/smallBlock][x/smallBlock] += int(s[y*SmallWidth+x])
		}
	}
	var hash uint64
	for _, row := range sums {
		for x := range 8 {
			hash <<= 1
			if row[x] < row[x+1] {
				hash |= 1
			}
		}
	}
	return hash
}

// Change is the mean change of brightness between two pictures, 0 to 1.
func (s Small) Change(other Small) float64 { return difference(s.Luma(), other.Luma()) }

// Recolour is the mean change of the two colour differences, together, 0 to 2.
// Colours that a person tells at a glance differ by 0.1 and more; between one
// corner of the cube of colours and another it is about 1.
func (s Small) Recolour(other Small) float64 { return 2 * difference(s.Chroma(), other.Chroma()) }

func difference(a, b []byte) float64 {
	sum := 0
	for i, v := range a {
		d := int(v) - int(b[i])
		sum += max(d, -d)
	}
	return float64(sum) / float64(255*len(a))
}

// histogramShift is the share of pixels whose brightness went to another of 16
// classes, 0 to 1.
func (s Small) histogramShift(other Small) float64 {
	var counts [16]int
	for i, v := range s.Luma() {
		counts[v>>4]++
		counts[other[i]>>4]--
	}
	sum := 0
	for _, c := range counts {
		sum += max(c, -c)
	}
	return float64(sum) / float64(2*smallPixels)
}

// Cut reports a hard cut: brightness changed much in place, and so did its
// distribution; or it or the colours changed so much that nothing can have moved
// so far.
func (s Small) Cut(other Small) bool {
	change := s.Change(other)
	return change >= 0.25 || (change >= 0.08 && s.histogramShift(other) >= 0.3) || s.Recolour(other) >= 0.25
}

// Alike reports near-duplicates: few bits of the hash differ, and brightness and
// colours are about the same, because all plain pictures have the same hash.
func Alike(a, b Small, hashA, hashB uint64, distance int) bool {
	return bits.OnesCount64(hashA^hashB) <= distance && a.Change(b) < 0.05 && a.Recolour(b) < 0.05
}

// Hex writes a hash as 16 digits.
func Hex(hash uint64) string { return fmt.Sprintf("%016x", hash) }
