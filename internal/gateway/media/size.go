// Package media reads the media in requests before a model server does: it measures images without
// decoding them, and refuses what would make a server open an address or a file. It knows no model
// and no route.
package media

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
)

// Kinds of images. The servers' libraries read many more, some of them by programs like
// Ghostscript.
const (
	PNG  = "image/png"
	JPEG = "image/jpeg"
	GIF  = "image/gif"
	WebP = "image/webp"
)

var (
	errKind      = errors.New("the data is not a PNG, JPEG, GIF or WebP image")
	errTruncated = errors.New("the image is truncated")
	errTwice     = errors.New("the image declares its size twice")
	errDamaged   = errors.New("the image is damaged")
)

// Size is the kind of an image and its size in pixels. It reads the headers only. A file that other
// readers could take for a larger image is an error: they read the last of several headers, or make
// the canvas of a GIF larger for a frame.
func Size(from io.Reader) (kind string, width, height int, err error) {
	r := bufio.NewReaderSize(from, 4<<10)
	head, err := r.Peek(12)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", 0, 0, err
	}
	is := func(text string) bool { return len(head) >= len(text) && string(head[:len(text)]) == text }
	var size func(*bufio.Reader) (int, int, error)
	switch {
	case is("\x89PNG\r\n\x1a\n"):
		kind, size = PNG, sizePNG
	case is("\xff\xd8\xff"):
		kind, size = JPEG, sizeJPEG
	case is("GIF87a"), is("GIF89a"):
		kind, size = GIF, sizeGIF
	case is("RIFF") && len(head) == 12 && string(head[8:]) == "WEBP":
		kind, size = WebP, sizeWebP
	default:
		return "", 0, 0, errKind
	}
	width, height, err = size(r)
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		err = errTruncated
	case err == nil && (width < 1 || height < 1):
		err = errDamaged
	}
	return kind, width, height, err
}

// take reads n bytes.
func take(r *bufio.Reader, n int) ([]byte, error) {
	p := make([]byte, n)
	_, err := io.ReadFull(r, p)
	return p, err
}

func skip(r *bufio.Reader, n int64) error {
	for n > 0 {
		step := min(n, 1<<30) // Discard takes an int
		if _, err := r.Discard(int(step)); err != nil {
			return err
		}
		n -= step
	}
	return nil
}

// sizePNG reads the chunks up to the first one with pixels.
func sizePNG(r *bufio.Reader) (width, height int, err error) {
	if err := skip(r, 8); err != nil {
		return 0, 0, err
	}
	for seen := false; ; {
		head, err := take(r, 8)
		if err != nil {
			return 0, 0, err
		}
		length, name := binary.BigEndian.Uint32(head), string(head[4:])
		switch {
		case name == "IHDR" && seen:
			return 0, 0, errTwice
		case !seen && (name != "IHDR" || length != 13), length > 1<<31-1:
			return 0, 0, errDamaged
		case name == "IHDR":
			p, err := take(r, 13+4)
			if err != nil {
				return 0, 0, err
			}
			seen = true
			width, height = big(p[0:4]), big(p[4:8])
			continue
		case name == "IDAT":
			return width, height, nil
		case name == "IEND":
			return 0, 0, errTruncated
		}
		if err := skip(r, int64(length)+4); err != nil {
			return 0, 0, err
		}
	}
}

// big is an unsigned number, -1 if it is too large for a size.
func big(p []byte) int {
	n := binary.BigEndian.Uint32(p)
	if n > 1<<31-1 {
		return -1
	}
	return int(n)
}

// sizeJPEG reads the segments up to the first scan.
func sizeJPEG(r *bufio.Reader) (width, height int, err error) {
	if err := skip(r, 2); err != nil {
		return 0, 0, err
	}
	for seen := false; ; {
		b, err := r.ReadByte()
		if err != nil {
			return 0, 0, err
		}
		if b != 0xff {
			return 0, 0, errDamaged
		}
		marker := byte(0xff)
		for marker == 0xff { // padding
			if marker, err = r.ReadByte(); err != nil {
				return 0, 0, err
			}
		}
		switch {
		case marker == 0x01, marker >= 0xd0 && marker <= 0xd7:
			continue // it has no length
		case marker == 0x00, marker == 0xd8, marker == 0xd9:
			return 0, 0, errDamaged
		case marker == 0xda && !seen:
			return 0, 0, errDamaged
		case marker == 0xda:
			return width, height, nil
		case marker == 0xdc: // the number of lines, after the first scan
			return 0, 0, errTwice
		}
		head, err := take(r, 2)
		if err != nil {
			return 0, 0, err
		}
		length := int64(binary.BigEndian.Uint16(head)) - 2
		if length < 0 {
			return 0, 0, errDamaged
		}
		if frame := marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc; frame {
			if seen {
				return 0, 0, errTwice
			}
			if length < 6 {
				return 0, 0, errDamaged
			}
			p, err := take(r, 5)
			if err != nil {
				return 0, 0, err
			}
			seen, length = true, length-5
			height, width = int(binary.BigEndian.Uint16(p[1:])), int(binary.BigEndian.Uint16(p[3:]))
		}
		if err := skip(r, length); err != nil {
			return 0, 0, err
		}
	}
}

// sizeGIF reads all frames: the canvas grows with them in some readers.
func sizeGIF(r *bufio.Reader) (width, height int, err error) {
	p, err := take(r, 13)
	if err != nil {
		return 0, 0, err
	}
	width, height = little(p[6:8]), little(p[8:10])
	if err := skip(r, colours(p[10])); err != nil {
		return 0, 0, err
	}
	for frames := 0; ; {
		kind, err := r.ReadByte()
		if errors.Is(err, io.EOF) && frames > 0 {
			return width, height, nil // without a trailer, which readers tolerate
		}
		if err != nil {
			return 0, 0, err
		}
		switch kind {
		case ';':
			return width, height, nil
		case 0x21:
			err = skip(r, 1)
		case 0x2c:
			frames++
			var d []byte
			if d, err = take(r, 9); err == nil {
				width, height = max(width, little(d[0:2])+little(d[4:6])), max(height, little(d[2:4])+little(d[6:8]))
				err = skip(r, colours(d[8])+1)
			}
		default:
			return 0, 0, errDamaged
		}
		for size := byte(1); err == nil && size > 0; {
			if size, err = r.ReadByte(); err == nil {
				err = skip(r, int64(size))
			}
		}
		if err != nil {
			return 0, 0, err
		}
	}
}

// colours is the length of a colour table.
func colours(flags byte) int64 {
	if flags&0x80 == 0 {
		return 0
	}
	return 3 << (flags&7 + 1)
}

func little(p []byte) (n int) {
	for i, b := range p {
		n |= int(b) << (8 * i)
	}
	return n
}

// sizeWebP reads the first chunk: a lossy image, a lossless one, or the canvas of an extended file,
// which no frame exceeds.
func sizeWebP(r *bufio.Reader) (width, height int, err error) {
	p, err := take(r, 30)
	if err != nil {
		return 0, 0, err
	}
	switch string(p[12:16]) {
	case "VP8 ":
		return little(p[26:28]) & 0x3fff, little(p[28:30]) & 0x3fff, nil
	case "VP8L":
		size := little(p[21:25])
		return size&0x3fff + 1, size>>14&0x3fff + 1, nil
	case "VP8X":
		return little(p[24:27]) + 1, little(p[27:30]) + 1, nil
	}
	return 0, 0, errDamaged
}
