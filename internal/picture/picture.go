// Package picture makes frames small enough for a model: fewer pixels are fewer visual
// tokens, and less to upload. It knows no model and no protocol.
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
	mostPixels = 1 << 26 // a larger picture is refused unread
	quality    = 90
)

// Fit returns a JPEG of at most so many pixels in the same shape. One that is
// small enough, or any if pixels is 0, is returned as it is, after a look at its
// header. Errors are input faults.
func Fit(data []byte, pixels int) ([]byte, error) {
	const op = "fit picture"
	head, err := jpeg.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return nil, fault.Wrap(fault.Input, op, "", err)
	}
	if head.Width < 1 || head.Height < 1 || head.Width > mostPixels/head.Height {
		return nil, fault.New(fault.Input, op, "", "it has no pixels or too many")
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
