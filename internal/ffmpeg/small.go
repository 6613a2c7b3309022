package ffmpeg

import (
	"fmt"
	"math/bits"
)

// A small picture is 9×8 blocks of 4×4 pixels, the grid of the difference hash.
const (
	smallBlock  = 4
	smallWidth  = 9 * smallBlock
	smallHeight = 8 * smallBlock
	smallPixels = smallWidth * smallHeight
	smallBytes  = smallPixels * 3 / 2
)

// small is a small picture: its brightness row by row, then its two colour
// differences at half the size, as in YUV 4:2:0.
type small []byte

func (s small) luma() []byte   { return s[:smallPixels] }
func (s small) chroma() []byte { return s[smallPixels:] }

// hash is the 64-bit difference hash: one bit for each block, set if the block
// to its right is brighter.
func (s small) hash() uint64 {
	var sums [8][9]int
	for y := range smallHeight {
		for x := range smallWidth {
			sums[y/smallBlock][x/smallBlock] += int(s[y*smallWidth+x])
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

// change is the mean change of brightness between two pictures, 0 to 1.
func (s small) change(other small) float64 { return difference(s.luma(), other.luma()) }

// recolour is the mean change of the two colour differences, together, 0 to 2.
// Colours that a person tells at a glance differ by 0.1 and more; between one
// corner of the cube of colours and another it is about 1.
func (s small) recolour(other small) float64 { return 2 * difference(s.chroma(), other.chroma()) }

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
func (s small) histogramShift(other small) float64 {
	var counts [16]int
	for i, v := range s.luma() {
		counts[v>>4]++
		counts[other[i]>>4]--
	}
	sum := 0
	for _, c := range counts {
		sum += max(c, -c)
	}
	return float64(sum) / float64(2*smallPixels)
}

// cut reports a hard cut: brightness changed much in place, and so did its
// distribution; or it or the colours changed so much that nothing can have moved
// so far.
func (s small) cut(other small) bool {
	change := s.change(other)
	return change >= 0.25 || (change >= 0.08 && s.histogramShift(other) >= 0.3) || s.recolour(other) >= 0.25
}

// alike reports near-duplicates: few bits of the hash differ, and brightness and
// colours are about the same, because all plain pictures have the same hash.
func alike(a, b small, hashA, hashB uint64, distance int) bool {
	return bits.OnesCount64(hashA^hashB) <= distance && a.change(b) < 0.05 && a.recolour(b) < 0.05
}

func hexHash(hash uint64) string { return fmt.Sprintf("%016x", hash) }
