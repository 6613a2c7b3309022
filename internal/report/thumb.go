package report

import (
	"bytes"
	"image"
	"image/jpeg"

	"github.com/cogniverse/cogflow/fault"
)

const (
	maxPixels    = 1 << 26 // about 100 MB decoded; a larger frame is rejected before it is decoded
	thumbQuality = 72
)

// Thumb returns a JPEG for embedding that is at most width pixels wide and
// high, and never enlarged. The picture is always re-encoded, so that no metadata
// gets into a report. Errors are input faults.
func Thumb(data []byte, width int) ([]byte, error) {
	bad := func(reason string) error { return fault.New(fault.Input, "shrink frame", "", reason) }
	if width < 1 {
		return nil, bad("the width must be at least one pixel")
	}
	head, err := jpeg.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return nil, fault.Wrap(fault.Input, "shrink frame", "", err)
	}
	if head.Width < 1 || head.Height < 1 || head.Width > maxPixels/head.Height {
		return nil, bad("the JPEG has no pixels, or too many")
	}
	full, err := jpeg.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, fault.Wrap(fault.Input, "shrink frame", "", err)
	}
	small := shrink(full, fit(head.Width, head.Height, width))
	if small == nil {
		return nil, bad("must be a grey or YCbCr JPEG")
	}
	var out bytes.Buffer
	if err := jpeg.Encode(&out, small, &jpeg.Options{Quality: thumbQuality}); err != nil {
		return nil, fault.Wrap(fault.Input, "shrink frame", "", err)
	}
	return out.Bytes(), nil
}

// fit is the largest rectangle of the shape w × h within a square of side limit.
func fit(w, h, limit int) image.Rectangle {
	if longest := max(w, h); longest > limit {
		w, h = max(1, w*limit/longest), max(1, h*limit/longest)
	}
	return image.Rect(0, 0, w, h)
}

// shrink averages each plane separately, without colour conversion. It returns
// nil for colour models that video frames never have.
func shrink(full image.Image, to image.Rectangle) image.Image {
	switch src := full.(type) {
	case *image.Gray:
		dst := image.NewGray(to)
		average(plane{dst.Pix, dst.Stride, to.Dx(), to.Dy()},
			plane{src.Pix, src.Stride, src.Rect.Dx(), src.Rect.Dy()})
		return dst
	case *image.YCbCr:
		dst := image.NewYCbCr(to, image.YCbCrSubsampleRatio420)
		w, h := src.Rect.Dx(), src.Rect.Dy()
		average(plane{dst.Y, dst.YStride, to.Dx(), to.Dy()}, plane{src.Y, src.YStride, w, h})
		cw, ch := chroma(src.SubsampleRatio, w, h)
		tw, th := chroma(dst.SubsampleRatio, to.Dx(), to.Dy())
		average(plane{dst.Cb, dst.CStride, tw, th}, plane{src.Cb, src.CStride, cw, ch})
		average(plane{dst.Cr, dst.CStride, tw, th}, plane{src.Cr, src.CStride, cw, ch})
		return dst
	}
	return nil
}

// chroma is the size of the colour planes of a w × h picture.
func chroma(ratio image.YCbCrSubsampleRatio, w, h int) (int, int) {
	empty := image.YCbCr{SubsampleRatio: ratio, YStride: w, CStride: w, Rect: image.Rect(0, 0, w, h)}
	last := empty.COffset(w-1, h-1)
	return last%w + 1, last/w + 1
}

type plane struct {
	pix    []byte
	stride int
	w, h   int
}

// average sets each cell of dst to the mean of the cells of src that it covers.
func average(dst, src plane) {
	for y := range dst.h {
		y0 := y * src.h / dst.h
		y1 := max(y0+1, (y+1)*src.h/dst.h)
		for x := range dst.w {
			x0 := x * src.w / dst.w
			x1 := max(x0+1, (x+1)*src.w/dst.w)
			sum := 0
			for row := y0; row < y1; row++ {
				for _, v := range src.pix[row*src.stride+x0 : row*src.stride+x1] {
					sum += int(v)
				}
			}
			n := (x1 - x0) * (y1 - y0)
			dst.pix[y*dst.stride+x] = byte((sum + n/2) / n)
		}
	}
}
