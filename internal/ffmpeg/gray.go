package ffmpeg

import (
	"fmt"
	"math/bits"
)

// A grey picture is 9×8 blocks of 4×4 pixels, the grid of the difference hash.
const (
	grayBlock  = 4
	grayWidth  = 9 * grayBlock
	grayHeight = 8 * grayBlock
)

// gray is a small grey picture, row by row.
type gray []byte

// hash is the 64-bit difference hash: one bit for each block, set if the block
// to its right is brighter.
func (g gray) hash() uint64 {
	var sums [8][9]int
	for y := range grayHeight {
		for x := range grayWidth {
			sums[y/grayBlock][x/grayBlock] += int(g[y*grayWidth+x])
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
func (g gray) change(other gray) float64 {
	sum := 0
	for i, v := range g {
		d := int(v) - int(other[i])
		sum += max(d, -d)
	}
	return float64(sum) / float64(255*len(g))
}

// histogramShift is the share of pixels whose brightness went to another of 16
// classes, 0 to 1.
func (g gray) histogramShift(other gray) float64 {
	var counts [16]int
	for i, v := range g {
		counts[v>>4]++
		counts[other[i]>>4]--
	}
	sum := 0
	for _, c := range counts {
		sum += max(c, -c)
	}
	return float64(sum) / float64(2*len(g))
}

// cut reports a hard cut: brightness changed much in place, and so did its
// distribution; or it changed so much that nothing can have moved so far.
func (g gray) cut(other gray) bool {
	change := g.change(other)
	return change >= 0.25 || (change >= 0.08 && g.histogramShift(other) >= 0.3)
}

// alike reports near-duplicates: few bits of the hash differ, and brightness is
// about the same, because all plain pictures have the same hash.
func alike(a, b gray, hashA, hashB uint64, distance int) bool {
	return bits.OnesCount64(hashA^hashB) <= distance && a.change(b) < 0.05
}

func hexHash(hash uint64) string { return fmt.Sprintf("%016x", hash) }
