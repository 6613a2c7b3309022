package report

import (
	"bytes"
	"image"
	"image/color"
	_ "image/gif" // the formats of images in rows
	"image/jpeg"
	_ "image/png" // the same

	"golang.org/x/image/draw"
	_ "golang.org/x/image/webp" // the same

	"github.com/cogniverse/cogflow/fault"
)

// maxSketched is the maximum number of pixels of an image of a row that is decoded for a report.
const maxSketched = 1 << 24

// Sketch is Thumb for a PNG, JPEG, GIF or WebP image. What is transparent becomes white.
func Sketch(data []byte, width int) ([]byte, error) {
	const op = "shrink image"
	head, _, err := image.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return nil, fault.Wrap(fault.Input, op, "", err)
	}
	if width < 1 || head.Width < 1 || head.Height < 1 || head.Width > maxSketched/head.Height {
		return nil, fault.New(fault.Input, op, "", "the image has no pixels, or too many")
	}
	full, _, err := image.Decode(bytes.NewReader(data))
	if err != nil {
		return nil, fault.Wrap(fault.Input, op, "", err)
	}
	small := image.NewRGBA(fit(head.Width, head.Height, width))
	draw.Draw(small, small.Bounds(), image.NewUniform(color.White), image.Point{}, draw.Src)
	draw.ApproxBiLinear.Scale(small, small.Bounds(), full, full.Bounds(), draw.Over, nil)
	var out bytes.Buffer
	if err := jpeg.Encode(&out, small, &jpeg.Options{Quality: thumbQuality}); err != nil {
		return nil, fault.Wrap(fault.Input, op, "", err)
	}
	return out.Bytes(), nil
}
