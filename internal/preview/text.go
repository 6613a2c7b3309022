package preview

import (
	"bytes"
	"fmt"
	"image"
)

// plane is a grey version of a frame for tesseract.
type plane struct {
	w, h int
	pix  []byte
}

// luma is brightness: right for most text.
func luma(img image.RGBA64Image) plane {
	return newPlane(img, func(r, g, b uint32) uint32 { return (299*r + 587*g + 114*b) / 1000 })
}

// whiteness maps white to black, and everything darker or coloured to white: only
// white letters remain, whatever the background.
func whiteness(img image.RGBA64Image) plane {
	const none, full = 150, 230
	return newPlane(img, func(r, g, b uint32) uint32 {
		v := min(max(min(r, g, b)>>8, none), full) - none
		return (255 - v*255/(full-none)) << 8
	})
}

func newPlane(img image.RGBA64Image, grey func(r, g, b uint32) uint32) plane {
	b := img.Bounds()
	p := plane{w: b.Dx(), h: b.Dy(), pix: make([]byte, 0, b.Dx()*b.Dy())}
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			c := img.RGBA64At(x, y)
			p.pix = append(p.pix, byte(grey(uint32(c.R), uint32(c.G), uint32(c.B))>>8))
		}
	}
	return p
}

const (
	smallWidth  = 1000    // narrower frames are doubled: tesseract requires letters of 20 pixels and more
	largePixels = 4 << 20 // larger planes are halved until they fit: tesseract is slow
	textStep    = 24      // minimum difference in grey levels between a letter and its background
	textCell    = 32      // pixels on a side of a cell, in which steps up and down are counted
	textReach   = 5       // maximum distance between the two sides of a stroke, in cells
)

// mayHoldText is a cheap check before a slow program: letters have brightness steps up
// and down close to each other at the same height. Nets, leaves and outlines pass too;
// only frames that surely have no text are skipped: sky, walls, blur, black.
func (p plane) mayHoldText() bool {
	columns := (p.w + textCell - 1) / textCell
	ups, downs := make([]int, columns), make([]int, columns)
	for y := range p.h {
		if y%(textCell/2) == 0 {
			clear(ups)
			clear(downs)
		}
		row := p.pix[y*p.w : (y+1)*p.w]
		for x := 2; x < p.w; x++ {
			switch d := int(row[x]) - int(row[x-2]); {
			case d > textStep:
				ups[x/textCell]++
			case d < -textStep:
				downs[x/textCell]++
			}
		}
		if near(ups, downs) {
			return true
		}
	}
	return false
}

// near reports whether enough steps of both kinds lie within reach.
func near(ups, downs []int) bool {
	const enough = 6
	for i, u := range ups {
		if u < enough {
			continue
		}
		for _, d := range downs[max(0, i-textReach):min(len(downs), i+textReach+1)] {
			if d >= enough {
				return true
			}
		}
	}
	return false
}

// halved makes a large plane smaller by averaging.
func (p plane) halved() plane {
	for p.w*p.h > largePixels {
		out := plane{w: max(1, p.w/2), h: max(1, p.h/2)}
		out.pix = make([]byte, 0, out.w*out.h)
		for y := range out.h {
			for x := range out.w {
				right, below := min(2*x+1, p.w-1), min(2*y+1, p.h-1)
				sum := int(p.pix[2*y*p.w+2*x]) + int(p.pix[2*y*p.w+right]) +
					int(p.pix[below*p.w+2*x]) + int(p.pix[below*p.w+right])
				out.pix = append(out.pix, byte(sum/4))
			}
		}
		p = out
	}
	return p
}

// doubled enlarges a plane two times, with linear interpolation.
func (p plane) doubled() plane {
	out := plane{w: 2 * p.w, h: 2 * p.h, pix: make([]byte, 4*p.w*p.h)}
	for y := range out.h {
		top := max(0, (y-1)/2)
		bottom := min(p.h-1, top+1)
		wy := weight(y)
		for x := range out.w {
			left := max(0, (x-1)/2)
			right := min(p.w-1, left+1)
			wx := weight(x)
			upper := int(p.pix[top*p.w+left])*(4-wx) + int(p.pix[top*p.w+right])*wx
			lower := int(p.pix[bottom*p.w+left])*(4-wx) + int(p.pix[bottom*p.w+right])*wx
			out.pix[y*out.w+x] = byte((upper*(4-wy) + lower*wy + 8) / 16)
		}
	}
	return out
}

// weight is how many quarters of the second of two pixels belong to position i
// of the enlarged row; the first position lies before the first pixel's centre.
func weight(i int) int {
	switch {
	case i == 0:
		return 0
	case i%2 == 1:
		return 1
	default:
		return 3
	}
}

// pgm encodes the plane as PGM, the simplest image format.
func (p plane) pgm() []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, "P5 %d %d 255\n", p.w, p.h)
	out.Write(p.pix)
	return out.Bytes()
}
