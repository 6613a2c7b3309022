// Package stills judges pictures: which show nothing that is worth a caption, and whether one
// is a blend of two others. It knows pixels, not videos.
package stills

import (
	"bytes"
	"image/jpeg"
	"math"
)

// Bounds of what counts as a picture with content. Brightness is 0 to 255.
const (
	flatDeviation = 5   // standard deviation of the brightness of a plain picture
	barDeviation  = 6   // of one column of colour bars
	minBars       = 5   // columns that differ from the one before
	sharpEdge     = 24  // second derivative of brightness at an edge that is in focus
	sharpShare    = 2e4 // one pixel in so many lies at such an edge, at least
	blendError    = 0.3 // of the difference to the nearer of the two pictures
)

// Plain reports a picture of about one brightness, such as black, by its pixels row by row.
func Plain(luma []byte) bool { return deviation(luma) < flatDeviation }

// Bars reports a test picture: upright bars, each of one brightness, in the upper half.
func Bars(luma []byte, width int) bool {
	rows := len(luma) / width / 2
	bars, before := 0, -1000.0
	column := make([]byte, rows)
	for x := range width {
		for y := range rows {
			column[y] = luma[y*width+x]
		}
		mean, off := moments(column)
		if off > barDeviation {
			return false
		}
		if math.Abs(mean-before) > 2*barDeviation {
			bars++
		}
		before = mean
	}
	return bars >= minBars && bars <= width/3
}

// Blurred reports a JPEG without any sharp edge. A picture that cannot be decoded counts as
// blurred.
func Blurred(picture []byte) bool {
	decoded, err := jpeg.Decode(bytes.NewReader(picture))
	if err != nil {
		return true
	}
	b := decoded.Bounds()
	at := func(x, y int) int { r, g, b, _ := decoded.At(x, y).RGBA(); return int(r+2*g+b) >> 10 }
	half := func(pixels int) int { return max(pixels-3, 0) / 2 } // every other pixel, without the border
	sharp, n := 0, half(b.Dx())*half(b.Dy())
	for y := b.Min.Y + 2; y < b.Max.Y-2; y += 2 {
		for x := b.Min.X + 2; x < b.Max.X-2; x += 2 {
			middle := 4 * at(x, y)
			if d := middle - at(x-2, y) - at(x+2, y) - at(x, y-2) - at(x, y+2); max(d, -d) > sharpEdge*2 {
				sharp++
			}
		}
		if float64(sharp)*sharpShare >= float64(n) {
			return false // most pictures are known after a few rows
		}
	}
	return float64(sharp)*sharpShare < float64(n)
}

// Blend reports that a picture is a mixture of two others, as in a dissolve: what moves in a
// shot is none.
func Blend(picture, from, to []byte) bool {
	var dot, square float64
	for i, v := range picture {
		d := float64(to[i]) - float64(from[i])
		dot += d * (float64(v) - float64(from[i]))
		square += d * d
	}
	if square == 0 {
		return false
	}
	share := dot / square
	if share < 0.03 || share > 0.97 {
		return false
	}
	var off float64
	for i, v := range picture {
		off += math.Abs(float64(from[i]) + share*(float64(to[i])-float64(from[i])) - float64(v))
	}
	var whole float64
	for i := range picture {
		whole += math.Abs(float64(to[i]) - float64(from[i]))
	}
	return off < blendError*whole*min(share, 1-share)+float64(len(picture))
}

func deviation(values []byte) float64 {
	_, off := moments(values)
	return off
}

// moments are the mean and the standard deviation.
func moments(values []byte) (mean, off float64) {
	var sum, squares float64
	for _, v := range values {
		sum += float64(v)
		squares += float64(v) * float64(v)
	}
	n := float64(max(len(values), 1))
	mean = sum / n
	return mean, math.Sqrt(max(squares/n-mean*mean, 0))
}
