package ffmpeg

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
)

// streamInfoEnd is where the first metadata block of a FLAC file ends.
const streamInfoEnd = 4 + 4 + 34

// writeFLAC makes a FLAC file of the packets that ffmpeg writes to a pipe, and
// returns how many samples it holds. It writes here and not in the child, so
// that the child need not write any file. A stream that ends early gives the
// file of what came.
func writeFLAC(file *os.File, r io.Reader) (samples uint64, err error) {
	d := newDemuxer(r)
	for {
		p, err := d.next()
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			break
		}
		if err != nil {
			return samples, err
		}
		if samples == 0 {
			if len(d.private) < streamInfoEnd || string(d.private[:4]) != "fLaC" {
				return 0, fmt.Errorf("%w: sound without a FLAC header", errStream)
			}
			if _, err := file.Write(d.private); err != nil {
				return 0, err
			}
		}
		n, err := blockSize(p.data)
		if err != nil {
			return samples, err
		}
		samples += n
		if _, err := file.Write(p.data); err != nil {
			return samples, err
		}
	}
	if samples == 0 {
		return 0, nil
	}
	return samples, writeTotal(file, d.private, samples)
}

// writeTotal puts the number of samples, 36 bits, into the header. The encoder
// could not: it wrote to a pipe.
func writeTotal(file *os.File, header []byte, samples uint64) error {
	field := binary.BigEndian.Uint64(header[18:26])
	field = field&^(1<<36-1) | samples&(1<<36-1)
	var raw [8]byte
	binary.BigEndian.PutUint64(raw[:], field)
	_, err := file.WriteAt(raw[:], 18)
	return err
}

// blockSize reads how many samples a FLAC frame holds from its header.
func blockSize(frame []byte) (uint64, error) {
	bad := fmt.Errorf("%w: a damaged FLAC frame", errStream)
	if len(frame) < 6 || frame[0] != 0xFF || frame[1]&0xFC != 0xF8 {
		return 0, bad
	}
	code := frame[2] >> 4
	at := 5 // after the frame number, one byte of UTF-8 or more
	for mask := byte(0x40); frame[4]&0x80 != 0 && frame[4]&mask != 0; mask >>= 1 {
		at++
	}
	if len(frame) < at+2 {
		return 0, bad
	}
	switch {
	case code == 0:
		return 0, bad
	case code == 1:
		return 192, nil
	case code <= 5:
		return 576 << (code - 2), nil
	case code == 6:
		return uint64(frame[at]) + 1, nil
	case code == 7:
		return uint64(binary.BigEndian.Uint16(frame[at:])) + 1, nil
	}
	return 256 << (code - 8), nil
}
