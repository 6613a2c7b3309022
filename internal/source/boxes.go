package source

import (
	"context"
	"encoding/binary"
	"slices"
)

// An MP4 or QuickTime file is a sequence of boxes: size, name, content. Its index, moov, has
// everything that a probe needs, and may be anywhere: recorders write it last.

const (
	boxHeader = 16 // bytes, of the long form
	maxBoxes  = 64 // maximum number of boxes before the index
)

// index reads the index of an MP4 if it was not read yet; other formats have none.
func (p *peek) index(ctx context.Context) error {
	size := p.version.Bytes
	for at, n := int64(0), 0; at >= 0 && at <= size-boxHeader && n < maxBoxes; n++ {
		if !p.has(at, boxHeader) {
			if _, err := p.read(ctx, at, boxHeader); err != nil {
				return err
			}
		}
		header := make([]byte, boxHeader)
		if _, err := p.file.ReadAt(header, at); err != nil {
			return p.sources.writeFault(err)
		}
		name, length := box(header, size-at)
		switch {
		case length == 0, n == 0 && !slices.Contains([]string{"ftyp", "moov", "mdat", "free", "skip", "wide", "pnot"}, name):
			return nil
		case name == "moov":
			if length = min(length, peekIndex); p.has(at, length) {
				return nil
			}
			_, err := p.read(ctx, at, length)
			return err
		}
		at += length
	}
	return nil
}

// box reads the header of a box; length 0 = not a box. The last box may extend to the end of the file.
func box(header []byte, rest int64) (name string, length int64) {
	least := uint64(8)
	n := uint64(binary.BigEndian.Uint32(header))
	switch n {
	case 0:
		n = uint64(max(rest, 0)) //nolint:gosec // not negative
	case 1:
		n, least = binary.BigEndian.Uint64(header[8:]), boxHeader
	}
	if n < least || n > uint64(max(rest, 0)) { //nolint:gosec // not negative
		return "", 0
	}
	return string(header[4:8]), int64(n) //nolint:gosec // at most rest
}

// has reports whether a part of the file was read.
func (p *peek) has(offset, length int64) bool {
	return offset+length <= p.head || offset >= p.tail
}
