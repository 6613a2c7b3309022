package image

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"mime"
	"strings"
	"unique"
)

// Limits of an image.
const (
	MaxBytes  = 8 << 20 // of its data
	maxPixels = 1 << 26
)

// FromBytes makes an image of a file's content, as DSPy's Image.from_path does. The type is that
// of the content, whatever the file is called.
func FromBytes(data []byte) (Image, error) {
	format, err := formatOf(data)
	if err != nil {
		return Image{}, err
	}
	return ofData("data:" + format.mime + ";base64," + base64.StdEncoding.EncodeToString(data))
}

// ofData reads a data URI, and checks that its data is a complete image of the declared type.
func ofData(text string) (Image, error) {
	head, encoded, ok := strings.Cut(strings.TrimPrefix(text, "data:"), ",")
	declared, marked := strings.CutSuffix(head, ";base64")
	if !ok || !marked {
		return Image{}, errors.New("the data URI of an image must begin with data:image/…;base64,")
	}
	kind, _, err := mime.ParseMediaType(declared)
	if err != nil || !strings.HasPrefix(kind, "image/") {
		return Image{}, fmt.Errorf("the data URI of an image must have the type of an image, not %.40q", declared)
	}
	if len(encoded) > base64.StdEncoding.EncodedLen(MaxBytes) {
		return Image{}, fmt.Errorf("the image has over %d MiB; make it smaller", MaxBytes>>20)
	}
	data, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || strings.ContainsAny(encoded, "\r\n") {
		return Image{}, errors.New("the data of the image is not valid base64")
	}
	format, err := formatOf(data)
	if err != nil {
		return Image{}, err
	}
	if kind != format.mime && (kind != "image/jpg" || format.mime != "image/jpeg") {
		return Image{}, fmt.Errorf("the image is declared as %s and is %s", kind, format.mime)
	}
	width, height, err := format.size(data)
	if err != nil {
		return Image{}, err
	}
	// A row becomes a demo of many candidates; all copies of its image share one text.
	return Image{url: unique.Make(text).Value(), width: width, height: height, bytes: len(data)}, nil
}

// format is a file format that models of all vendors read.
type format struct {
	mime    string
	magic   string
	measure func(data []byte) (width, height int, err error)
}

// Check checks that a file's content is a complete image, as FromBytes does.
func Check(data []byte) error {
	format, err := formatOf(data)
	if err == nil {
		_, _, err = format.size(data)
	}
	return err
}

// size is that of a complete image within the limits.
func (f format) size(data []byte) (width, height int, err error) {
	width, height, err = f.measure(data)
	switch {
	case err != nil:
		return 0, 0, fmt.Errorf("the %s image is damaged: %w", f.mime, err)
	case width < 1 || height < 1 || width > maxPixels/height:
		return 0, 0, fmt.Errorf("the image has %d × %d pixels; at most %d million pixels are supported", width, height, maxPixels/1_000_000)
	}
	return width, height, nil
}

// Animated reports whether an image has several frames.
func Animated(data []byte) bool {
	switch {
	case bytes.HasPrefix(data, []byte("GIF8")):
		return gifFrames(data) > 1
	case bytes.HasPrefix(data, []byte("RIFF")) && len(data) > 20:
		return string(data[12:16]) == "VP8X" && data[20]&0x02 != 0
	case bytes.HasPrefix(data, []byte("\x89PNG")):
		head, _, _ := bytes.Cut(data, []byte("IDAT"))
		return bytes.Contains(head, []byte("acTL"))
	}
	return false
}

// gifFrames counts the frames of a GIF, which are not decoded: a small file may hold many large
// ones.
func gifFrames(data []byte) (frames int) {
	const header, descriptor = 13, 10
	if len(data) < header {
		return 0
	}
	table := func(flags byte) int { // bytes of a color table
		if flags&0x80 == 0 {
			return 0
		}
		return 3 << (flags&7 + 1)
	}
	rest := cut(data, header+table(data[10]))
	for len(rest) > descriptor {
		switch rest[0] {
		case 0x21: // an extension and its label
			rest = cut(rest, 2)
		case 0x2c: // a frame, and the size of its codes
			frames++
			rest = cut(rest, descriptor+table(rest[9])+1)
		default:
			return frames
		}
		for len(rest) > 0 && rest[0] != 0 {
			rest = cut(rest, 1+int(rest[0]))
		}
		rest = cut(rest, 1)
	}
	return frames
}

func cut(data []byte, n int) []byte { return data[min(n, len(data)):] }

func formatOf(data []byte) (format, error) {
	for _, f := range []format{
		{"image/png", "\x89PNG\r\n\x1a\n", measurePNG},
		{"image/jpeg", "\xff\xd8\xff", measureJPEG},
		{"image/gif", "GIF8", measureGIF},
		{"image/webp", "RIFF", measureWebP},
	} {
		if bytes.HasPrefix(data, []byte(f.magic)) {
			return f, nil
		}
	}
	return format{}, errors.New("the data is not a PNG, JPEG, GIF or WebP image")
}

var errTruncated = errors.New("it is truncated")

func sized(c image.Config, err error) (int, int, error) { return c.Width, c.Height, err }

// measurePNG also checks that the chunks are complete up to the last one.
func measurePNG(data []byte) (int, int, error) {
	for rest := data[8:]; ; {
		if len(rest) < 12 {
			return 0, 0, errTruncated
		}
		size := uint64(binary.BigEndian.Uint32(rest)) + 12
		if size > uint64(len(rest)) {
			return 0, 0, errTruncated
		}
		if string(rest[4:8]) == "IEND" {
			return sized(png.DecodeConfig(bytes.NewReader(data)))
		}
		rest = rest[size:]
	}
}

// measureJPEG also checks that the image has an end.
func measureJPEG(data []byte) (int, int, error) {
	w, h, err := sized(jpeg.DecodeConfig(bytes.NewReader(data)))
	if scan := bytes.LastIndex(data, []byte{0xff, 0xda}); err == nil && (scan < 0 || !bytes.Contains(data[scan:], []byte{0xff, 0xd9})) {
		err = errTruncated
	}
	return w, h, err
}

func measureGIF(data []byte) (int, int, error) {
	w, h, err := sized(gif.DecodeConfig(bytes.NewReader(data)))
	if err == nil && !bytes.HasSuffix(bytes.TrimRight(data, "\x00"), []byte{';'}) {
		err = errTruncated
	}
	return w, h, err
}

// measureWebP reads the size from the first chunk: a lossy image, a lossless one, or the header
// of an extended file.
func measureWebP(data []byte) (int, int, error) {
	if len(data) < 30 || string(data[8:12]) != "WEBP" || uint64(binary.LittleEndian.Uint32(data[4:]))+8 > uint64(len(data)) {
		return 0, 0, errTruncated
	}
	little := func(at, bytes int) (n int) {
		for i := range bytes {
			n |= int(data[at+i]) << (8 * i)
		}
		return n
	}
	switch string(data[12:16]) {
	case "VP8 ":
		return little(26, 2) & 0x3fff, little(28, 2) & 0x3fff, nil
	case "VP8L":
		size := little(21, 4)
		return size&0x3fff + 1, size>>14&0x3fff + 1, nil
	case "VP8X":
		return little(24, 3) + 1, little(27, 3) + 1, nil
	}
	return 0, 0, errors.New("its first chunk is not an image")
}

// Sample returns a grey square that every model which takes images can read.
func Sample() (Image, error) {
	const side = 64 // Qwen refuses images with a side below 28
	grey := image.NewGray(image.Rect(0, 0, side, side))
	for i := range grey.Pix {
		grey.Pix[i] = 0x80
	}
	var data bytes.Buffer
	if err := png.Encode(&data, grey); err != nil {
		return Image{}, err
	}
	return FromBytes(data.Bytes())
}
