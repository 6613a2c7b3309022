package ffmpeg

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/bits"
	"os"
	"path/filepath"
	"unicode/utf8"

	"github.com/cogniverse/cogflow/internal/ffmpeg/matroska"
	"github.com/cogniverse/cogflow/video"
)

// streamInfoEnd is where the first metadata block of a FLAC file ends.
const streamInfoEnd = 4 + 4 + 34

// pieceFrames is how many FLAC frames a piece of sound holds: the encoder is
// told to put soundFrame samples into each.
const (
	soundRate     = 16000
	soundFrame    = soundRate / 4
	pieceFrames   = video.AudioPieceMS / 1000 * soundRate / soundFrame
	overlapFrames = video.AudioOverlapMS / 1000 * soundRate / soundFrame
)

// AudioFile is the name of one piece of sound in Extract's directory.
func AudioFile(piece int) string { return fmt.Sprintf("audio-%06d.flac", piece) }

// soundWriter makes FLAC files of the packets that ffmpeg writes to a pipe. It
// writes here and not in the child, so that the child need not write any file. Each piece
// goes on for a while after the next one has begun, so that one of them has each sentence
// whole.
type soundWriter struct {
	dir    string
	pieces int

	header   []byte
	samples  uint64         // of the whole sound
	progress func(ms int64) // nil = nobody asks
	open     []*piece       // being written: one, or two where they overlap
}

// piece is one file of sound.
type piece struct {
	file    *os.File
	frames  int
	samples uint64
}

// write takes the whole stream. One that ends early gives the files of what came.
func (w *soundWriter) write(r io.Reader) (err error) {
	d := matroska.New(r)
	defer func() { err = errors.Join(err, w.finish()) }()
	for {
		p, err := d.Next()
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if w.header == nil {
			if len(d.Private) < streamInfoEnd || string(d.Private[:4]) != "fLaC" {
				return fmt.Errorf("%w: sound without a FLAC header", matroska.ErrDamaged)
			}
			w.header = d.Private
		}
		if err := w.frame(p.Data); err != nil {
			return err
		}
	}
}

// frame adds one FLAC frame, numbered from the start of each piece.
func (w *soundWriter) frame(data []byte) error {
	n, err := blockSize(data)
	if err != nil {
		return err
	}
	if len(w.open) == 0 || w.open[len(w.open)-1].frames == pieceFrames {
		if err := w.begin(); err != nil {
			return err
		}
	}
	w.samples += n
	if w.progress != nil {
		w.progress(w.lengthMS())
	}
	for _, p := range w.open {
		out := data
		if w.pieces > 1 { // the first piece is as it came
			if out, err = renumber(data, p.frames); err != nil {
				return err
			}
		}
		p.frames++
		p.samples += n
		if _, err := p.file.Write(out); err != nil {
			return err
		}
	}
	if w.open[0].frames == pieceFrames+overlapFrames {
		return w.end()
	}
	return nil
}

// lengthMS is the length of what was written.
func (w *soundWriter) lengthMS() int64 { return int64(w.samples * 1000 / soundRate) } //nolint:gosec // far below the maximum

// begin opens the next piece.
func (w *soundWriter) begin() error {
	file, err := os.OpenFile(filepath.Join(w.dir, AudioFile(w.pieces)), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	w.pieces++
	w.open = append(w.open, &piece{file: file})
	_, err = file.Write(w.header)
	return err
}

// end completes the earliest piece being written.
func (w *soundWriter) end() error {
	p := w.open[0]
	w.open = w.open[1:]
	return errors.Join(writeTotal(p.file, w.header, p.samples), p.file.Close())
}

// finish completes what is being written. A piece that has nothing that the one before does
// not have is dropped.
func (w *soundWriter) finish() (err error) {
	if len(w.open) > 1 {
		w.pieces--
		err = errors.Join(w.open[1].file.Close(), os.Remove(w.open[1].file.Name()))
		w.open = w.open[:1]
	}
	if len(w.open) > 0 {
		err = errors.Join(err, w.end())
	}
	return err
}

// remove deletes what was written.
func (w *soundWriter) remove() (err error) {
	for piece := range w.pieces {
		gone := os.Remove(filepath.Join(w.dir, AudioFile(piece)))
		if gone != nil && !errors.Is(gone, fs.ErrNotExist) {
			err = errors.Join(err, gone)
		}
	}
	return err
}

// renumber gives a FLAC frame another number and makes its two checksums right
// again. Decoders go by the numbers: a file that does not begin with 0 would
// begin with silence in some of them.
func renumber(frame []byte, number int) ([]byte, error) {
	old := utf8Length(frame[4])
	rest := 4 + old // block size and rate, if they are spelled out
	switch frame[2] >> 4 {
	case 6:
		rest++
	case 7:
		rest += 2
	}
	switch frame[2] & 0x0F {
	case 12:
		rest++
	case 13, 14:
		rest += 2
	}
	if len(frame) < rest+3 {
		return nil, fmt.Errorf("%w: a damaged FLAC frame", matroska.ErrDamaged)
	}
	out := append([]byte(nil), frame[:4]...)
	out = utf8.AppendRune(out, rune(number)) // at most 2,432: FLAC numbers as UTF-8 does
	out = append(out, frame[4+old:rest]...)
	out = append(out, crc8(out))
	out = append(out, frame[rest+1:len(frame)-2]...)
	return binary.BigEndian.AppendUint16(out, crc16(out)), nil
}

// utf8Length is how many bytes a number takes that begins with this one.
func utf8Length(first byte) int {
	n := bits.LeadingZeros8(^first)
	return max(n, 1)
}

// crc8 and crc16 are the checksums of the FLAC format (RFC 9639, 9.1.8 and 9.3).
func crc8(data []byte) (sum byte) {
	for _, b := range data {
		sum ^= b
		for range 8 {
			carry := sum&0x80 != 0
			if sum <<= 1; carry {
				sum ^= 0x07
			}
		}
	}
	return sum
}

func crc16(data []byte) (sum uint16) {
	for _, b := range data {
		sum ^= uint16(b) << 8
		for range 8 {
			carry := sum&0x8000 != 0
			if sum <<= 1; carry {
				sum ^= 0x8005
			}
		}
	}
	return sum
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
	bad := fmt.Errorf("%w: a damaged FLAC frame", matroska.ErrDamaged)
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
