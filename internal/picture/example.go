package picture

import (
	"bytes"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"math"

	"golang.org/x/image/draw"
	"golang.org/x/image/webp"

	"github.com/cogniverse/cogflow/fault"
)

const opRead = "read picture"

// MaxFile is the maximum size of a picture that JPEG reads, in bytes.
const MaxFile = 64 << 20

// maxSide is the largest side that WebP has, and a quarter of that of JPEG.
const maxSide = 16383

// examplePixels is the size to which larger pictures are scaled down. Few models look at more.
const examplePixels = 1 << 22

// format is a kind of picture that JPEG reads.
type format struct {
	is     func(data []byte) bool
	config func(r io.Reader) (image.Config, error)
	decode func(r io.Reader) (image.Image, error)
}

func begins(text string) func(data []byte) bool {
	return func(data []byte) bool { return bytes.HasPrefix(data, []byte(text)) }
}

func isWebP(data []byte) bool {
	return len(data) >= 12 && string(data[:4]) == "RIFF" && string(data[8:12]) == "WEBP"
}

// JPEG makes a JPEG of at most a number of bytes from a picture of a user: a JPEG, PNG or
// WebP. A JPEG that is small enough and upright is returned unchanged, so that a stored frame
// stays the same frame. name is for errors, which are input faults.
func JPEG(name string, data []byte, most int) ([]byte, error) {
	bad := func(reason string) error { return fault.New(fault.Input, opRead, name, reason) }
	if len(data) > MaxFile {
		return nil, bad("the file is larger than 64 MiB")
	}
	var f *format
	for _, known := range []format{
		{begins("\xff\xd8\xff"), jpeg.DecodeConfig, jpeg.Decode},
		{begins("\x89PNG\r\n\x1a\n"), png.DecodeConfig, png.Decode},
		{isWebP, webp.DecodeConfig, webp.Decode},
	} {
		if known.is(data) {
			f = &known
		}
	}
	if f == nil {
		return nil, bad("the file is not a JPEG, PNG or WebP picture")
	}
	head, err := f.config(bytes.NewReader(data))
	switch {
	case err != nil:
		return nil, unreadable(name, err)
	case head.Width < 1 || head.Height < 1 || head.Width > maxPixels/head.Height:
		return nil, bad("the picture has no pixels, or more than 67 million")
	case max(head.Width, head.Height) > maxSide:
		return nil, bad("a side of the picture has more than 16383 pixels")
	}
	full, err := f.decode(bytes.NewReader(data))
	if err != nil {
		return nil, unreadable(name, err)
	}
	if isWebP(data) {
		stretch(full)
	}
	turn := 1
	if begins("\xff\xd8\xff")(data) {
		turn = orientation(data)
		if turn == 1 && len(data) <= most && head.Width*head.Height <= examplePixels {
			return data, nil
		}
	}
	var out bytes.Buffer
	if err := jpeg.Encode(&out, upright(small(full), turn), &jpeg.Options{Quality: quality}); err != nil {
		return nil, unreadable(name, err)
	}
	if out.Len() > most {
		return nil, bad("the picture is too large; make it smaller")
	}
	return out.Bytes(), nil
}

// stretch brings the brightness and colours of lossy WebP, 16 to 235 and 16 to 240, into the range
// that package image takes all of them to have, in place.
func stretch(m image.Image) {
	var c *image.YCbCr
	switch m := m.(type) {
	case *image.YCbCr:
		c = m
	case *image.NYCbCrA:
		c = &m.YCbCr
	default:
		return // lossless: RGB
	}
	for i, y := range c.Y {
		c.Y[i] = clamp((float64(y) - 16) * 255 / 219)
	}
	for _, plane := range [][]byte{c.Cb, c.Cr} {
		for i, v := range plane {
			plane[i] = clamp((float64(v)-128)*255/224 + 128)
		}
	}
}

func clamp(v float64) byte { return byte(math.Round(min(max(v, 0), 255))) }

func unreadable(name string, err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return fault.New(fault.Input, opRead, name, "the file is truncated")
	}
	return &fault.Error{Class: fault.Input, Op: opRead, Subject: name, Reason: "the file is damaged, or of a kind that is not supported", Err: err}
}

// small scales a picture down to examplePixels, on white where it is transparent.
func small(full image.Image) *image.RGBA {
	b := full.Bounds()
	width, height := b.Dx(), b.Dy()
	if scale := math.Sqrt(float64(examplePixels) / float64(width*height)); scale < 1 {
		width, height = max(1, int(float64(width)*scale)), max(1, int(float64(height)*scale))
	}
	out := image.NewRGBA(image.Rect(0, 0, width, height))
	draw.Draw(out, out.Bounds(), image.NewUniform(color.White), image.Point{}, draw.Src)
	draw.CatmullRom.Scale(out, out.Bounds(), full, b, draw.Over, nil)
	return out
}

// upright turns a picture as its EXIF orientation says: cameras store what the sensor saw.
func upright(m *image.RGBA, turn int) *image.RGBA {
	if turn <= 1 || turn > 8 {
		return m
	}
	w, h := m.Rect.Dx(), m.Rect.Dy()
	outW, outH := w, h
	if turn >= 5 {
		outW, outH = h, w
	}
	out := image.NewRGBA(image.Rect(0, 0, outW, outH))
	for y := range outH {
		for x := range outW {
			fromX, fromY := x, y
			if turn >= 5 {
				fromX, fromY = y, x
			}
			if turn == 2 || turn == 3 || turn == 7 || turn == 8 {
				fromX = w - 1 - fromX
			}
			if turn == 3 || turn == 4 || turn == 6 || turn == 7 {
				fromY = h - 1 - fromY
			}
			out.SetRGBA(x, y, m.RGBAAt(fromX, fromY))
		}
	}
	return out
}
