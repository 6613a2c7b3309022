package preview

import (
	"bytes"
	"image"
	"image/jpeg"

	"github.com/cogniverse/cogflow/fault"
)

const (
	maxBytes  = 32 << 20 // of one JPEG
	maxPixels = 24 << 20 // 24 megapixels; an 8K frame has more and is refused
	gridWidth = 128      // cells on the longer side of the grid
)

// decode reads an untrusted JPEG. It checks the size in the header before it
// allocates memory for the pixels.
func decode(data []byte) (image.RGBA64Image, error) {
	const op = "decode frame"
	if len(data) > maxBytes {
		return nil, fault.New(fault.Input, op, "", "the JPEG is larger than 32 MiB")
	}
	head, err := jpeg.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return nil, fault.Wrap(fault.Input, op, "", err)
	}
	if head.Width < 1 || head.Height < 1 || head.Width > maxPixels/head.Height {
		return nil, fault.New(fault.Input, op, "", "the JPEG has no pixels, or more than 24 million")
	}
	img, err := jpeg.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, fault.Wrap(fault.Input, op, "", err)
	}
	pixels, ok := img.(image.RGBA64Image) // grey, YCbCr and CMYK images all implement it
	if !ok {
		return nil, fault.New(fault.Input, op, "", "unknown kind of JPEG")
	}
	return pixels, nil
}

// grid is a small version of a frame in OKLab, where distances are close to
// the differences that people see.
type grid struct {
	w, h  int
	cells []lab // row by row
}

func (g grid) at(x, y int) lab { return g.cells[y*g.w+x] }

// shrink averages the frame over the cells of a grid. At most 16 samples a cell
// are read, so that large frames cost no more than small ones.
func shrink(img image.RGBA64Image) grid {
	b := img.Bounds()
	long := max(b.Dx(), b.Dy())
	g := grid{
		w: max(1, min(b.Dx(), b.Dx()*gridWidth/long)),
		h: max(1, min(b.Dy(), b.Dy()*gridWidth/long)),
	}
	g.cells = make([]lab, 0, g.w*g.h)
	for y := range g.h {
		for x := range g.w {
			r := image.Rect(
				b.Min.X+x*b.Dx()/g.w, b.Min.Y+y*b.Dy()/g.h,
				b.Min.X+(x+1)*b.Dx()/g.w, b.Min.Y+(y+1)*b.Dy()/g.h,
			)
			g.cells = append(g.cells, average(img, r))
		}
	}
	return g
}

func average(img image.RGBA64Image, r image.Rectangle) lab {
	stepX, stepY := max(1, r.Dx()/4), max(1, r.Dy()/4)
	var sum [3]uint64
	n := uint64(0)
	for y := r.Min.Y; y < r.Max.Y; y += stepY {
		for x := r.Min.X; x < r.Max.X; x += stepX {
			c := img.RGBA64At(x, y) // does not allocate, unlike At
			sum[0] += uint64(c.R >> 8)
			sum[1] += uint64(c.G >> 8)
			sum[2] += uint64(c.B >> 8)
			n++
		}
	}
	return oklab(float64(sum[0])/float64(n), float64(sum[1])/float64(n), float64(sum[2])/float64(n))
}
