package ffmpeg

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

var errStream = errors.New("ffmpeg wrote a damaged stream")

// packet is one frame of a track; tracks count from 1.
type packet struct {
	track int
	ptsMS int64
	data  []byte
}

// demuxer reads Matroska from a pipe. The writer is not trusted: it processes untrusted
// input.
type demuxer struct {
	r       *bufio.Reader
	cluster int64
	private []byte // the codec header of the last track that has one
}

func newDemuxer(r io.Reader) *demuxer { return &demuxer{r: bufio.NewReaderSize(r, 64<<10)} }

// next returns the next packet, or io.EOF where a stream may end; a stream that
// is cut elsewhere gives io.ErrUnexpectedEOF.
func (d *demuxer) next() (packet, error) {
	for {
		id, err := d.number(false)
		if err != nil {
			return packet{}, err
		}
		size, err := d.number(true)
		if err != nil {
			return packet{}, unexpected(err)
		}
		switch id {
		case idSegment, idCluster, idBlockGroup, idTracks, idTrackEntry:
			continue // look into it; sizes of these can be unknown
		case idTimestamp, idSimpleBlock, idBlock, idCodecPrivate:
		default:
			if err := d.skip(size); err != nil {
				return packet{}, err
			}
			continue
		}
		if size > maxElement {
			return packet{}, fmt.Errorf("%w: an element of %d bytes", errStream, size)
		}
		body := make([]byte, size)
		if _, err := io.ReadFull(d.r, body); err != nil {
			return packet{}, unexpected(err)
		}
		switch id {
		case idTimestamp:
			if err := d.timestamp(body); err != nil {
				return packet{}, err
			}
		case idCodecPrivate:
			d.private = body
		default:
			return d.block(body)
		}
	}
}

// block splits "track, relative timestamp, flags, data".
func (d *demuxer) block(body []byte) (packet, error) {
	if len(body) < 4 || body[0]&0x80 == 0 || body[3]&0x06 != 0 {
		return packet{}, fmt.Errorf("%w: an unknown kind of block", errStream)
	}
	relative := int16(binary.BigEndian.Uint16(body[1:3])) //nolint:gosec // two's complement is meant
	return packet{
		track: int(body[0] & 0x7F),
		ptsMS: d.cluster + int64(relative),
		data:  body[4:],
	}, nil
}

func (d *demuxer) timestamp(body []byte) error {
	if len(body) > 8 {
		return fmt.Errorf("%w: a timestamp of %d bytes", errStream, len(body))
	}
	var t uint64
	for _, b := range body {
		t = t<<8 | uint64(b)
	}
	if t > 1<<50 {
		return fmt.Errorf("%w: timestamp %d", errStream, t)
	}
	d.cluster = int64(t)
	return nil
}

// number reads a variable-length number: an id keeps its length marker, a size
// does not.
func (d *demuxer) number(size bool) (uint64, error) {
	first, err := d.r.ReadByte()
	if err != nil {
		return 0, err
	}
	length := bits.LeadingZeros8(first) + 1
	if length > 8 || (!size && length > 4) {
		return 0, fmt.Errorf("%w: no element begins with %#x", errStream, first)
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

func (d *demuxer) skip(size uint64) error {
	if size > maxElement {
		return fmt.Errorf("%w: an element of %d bytes", errStream, size)
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
