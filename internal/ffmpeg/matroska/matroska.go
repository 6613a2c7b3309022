// Package matroska reads packets from the container in which ffmpeg hands them over. It does not
// know what the tracks hold.
package matroska

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
)

// Element ids of Matroska, the container in which ffmpeg hands packets over: it
// gives each its track, its timestamp in milliseconds and its length.
const (
	idSegment      = 0x18538067
	idCluster      = 0x1F43B675
	idTimestamp    = 0xE7
	idSimpleBlock  = 0xA3
	idBlockGroup   = 0xA0
	idBlock        = 0xA1
	idTracks       = 0x1654AE6B
	idTrackEntry   = 0xAE
	idCodecPrivate = 0x63A2
)

// maxElement bounds what is kept in memory of one element.
const maxElement = 64 << 20

// ErrDamaged is the error of a stream that is not Matroska.
var ErrDamaged = errors.New("ffmpeg wrote a damaged stream")

// Packet is one frame of a track; tracks count from 1.
type Packet struct {
	Track int
	PTSMS int64
	Data  []byte
}

// Demuxer reads Matroska from a pipe. The writer is not trusted: it processes untrusted
// input.
type Demuxer struct {
	r       *bufio.Reader
	cluster int64
	// Private is the codec header of the last track that has one.
	Private []byte
}

// New makes a Demuxer.
func New(r io.Reader) *Demuxer { return &Demuxer{r: bufio.NewReaderSize(r, 64<<10)} }

// Next returns the next packet, or io.EOF where a stream may end; a stream that
// is cut elsewhere gives io.ErrUnexpectedEOF.
func (d *Demuxer) Next() (Packet, error) {
	for {
		id, err := d.number(false)
		if err != nil {
			return Packet{}, err
		}
		size, err := d.number(true)
		if err != nil {
			return Packet{}, unexpected(err)
		}
		switch id {
		case idSegment, idCluster, idBlockGroup, idTracks, idTrackEntry:
			continue // look into it; sizes of these can be unknown
		case idTimestamp, idSimpleBlock, idBlock, idCodecPrivate:
		default:
			if err := d.skip(size); err != nil {
				return Packet{}, err
			}
			continue
		}
		if size > maxElement {
			return Packet{}, fmt.Errorf("%w: an element of %d bytes", ErrDamaged, size)
		}
		body := make([]byte, size)
		if _, err := io.ReadFull(d.r, body); err != nil {
			return Packet{}, unexpected(err)
		}
		switch id {
		case idTimestamp:
			if err := d.timestamp(body); err != nil {
				return Packet{}, err
			}
		case idCodecPrivate:
			d.Private = body
		default:
			return d.block(body)
		}
	}
}

// block splits "track, relative timestamp, flags, data".
func (d *Demuxer) block(body []byte) (Packet, error) {
	if len(body) < 4 || body[0]&0x80 == 0 || body[3]&0x06 != 0 {
		return Packet{}, fmt.Errorf("%w: an unknown kind of block", ErrDamaged)
	}
	relative := int16(binary.BigEndian.Uint16(body[1:3])) //nolint:gosec // two's complement is meant
	return Packet{
		Track: int(body[0] & 0x7F),
		PTSMS: d.cluster + int64(relative),
		Data:  body[4:],
	}, nil
}

func (d *Demuxer) timestamp(body []byte) error {
	if len(body) > 8 {
		return fmt.Errorf("%w: a timestamp of %d bytes", ErrDamaged, len(body))
	}
	var t uint64
	for _, b := range body {
		t = t<<8 | uint64(b)
	}
	if t > 1<<50 {
		return fmt.Errorf("%w: timestamp %d", ErrDamaged, t)
	}
	d.cluster = int64(t)
	return nil
}

// number reads a variable-length number: an id keeps its length marker, a size
// does not.
func (d *Demuxer) number(size bool) (uint64, error) {
	first, err := d.r.ReadByte()
	if err != nil {
		return 0, err
	}
	length := bits.LeadingZeros8(first) + 1
	if length > 8 || (!size && length > 4) {
		return 0, fmt.Errorf("%w: no element begins with %#x", ErrDamaged, first)
	}
	value := uint64(first)
	if size {
		value &= 0xFF >> length
	}
	for range length - 1 {
		b, err := d.r.ReadByte()
		if err != nil {
			return 0, unexpected(err)
		}
		value = value<<8 | uint64(b)
	}
	return value, nil
}

func (d *Demuxer) skip(size uint64) error {
	if size > maxElement {
		return fmt.Errorf("%w: an element of %d bytes", ErrDamaged, size)
	}
	_, err := d.r.Discard(int(size))
	return unexpected(err)
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
