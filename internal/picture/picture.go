// Package picture makes frames small enough for a model: fewer pixels are fewer visual
// tokens, and less to upload. It does not depend on any model or protocol.
package picture

import (
	"bytes"
	"image"
	"image/jpeg"
	"math"

	"golang.org/x/image/draw"

	"github.com/cogniverse/cogflow/fault"
)

const (
	maxPixels = 1 << 26 // a larger picture is refused before it is decoded
	quality   = 90
)

// Fit returns a JPEG of at most the given number of pixels with the same aspect ratio.
// If the picture is small enough, or pixels is 0, Fit checks its header and returns
// data unchanged. Errors are input faults.
func Fit(data []byte, pixels int) ([]byte, error) {
	const op = "fit picture"
	head, err := jpeg.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return nil, fault.Wrap(fault.Input, op, "", err)
	}
	if head.Width < 1 || head.Height < 1 || head.Width > maxPixels/head.Height {
		return nil, fault.New(fault.Input, op, "", "the JPEG has no pixels, or more than 67 million")
	}
	if pixels <= 0 || head.Width*head.Height <= pixels {
		return data, nil
	}
	full, err := jpeg.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, fault.Wrap(fault.Input, op, "", err)
	}
	scale := math.Sqrt(float64(pixels) / float64(head.Width*head.Height))
	small := image.NewRGBA(image.Rect(0, 0, max(1, int(float64(head.Width)*scale)), max(1, int(float64(head.Height)*scale))))
	draw.CatmullRom.Scale(small, small.Bounds(), full, full.Bounds(), draw.Src, nil)
	var out bytes.Buffer
	if err := jpeg.Encode(&out, small, &jpeg.Options{Quality: quality}); err != nil {
		return nil, fault.Wrap(fault.Input, op, "", err)
	}
	return out.Bytes(), nil
}
