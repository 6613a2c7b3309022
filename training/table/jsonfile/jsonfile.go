// Package jsonfile splits a file of JSON lines, or of one JSON array, into rows.
package jsonfile

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/cogniverse/cogflow/training/rows"
	"github.com/cogniverse/cogflow/training/rows/charset"
)

// Reader splits a file into rows: JSON lines, or the elements of one JSON array. It holds
// one row, and no row larger than limit.
type Reader struct {
	in        *bufio.Reader
	sum       hash.Hash
	limit     int
	array     bool
	line, row int
	size      int64
	buffer    []byte
}

// NewReader reads the first bytes of a file.
func NewReader(r io.Reader, limit int) (*Reader, error) {
	d := &Reader{sum: sha256.New(), limit: limit, line: 1}
	d.in = bufio.NewReaderSize(io.TeeReader(r, d), rows.ReadAhead)
	head, err := d.in.Peek(8)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if bytes.HasPrefix(head, []byte(charset.ByteOrderMark)) {
		_, _ = d.in.Discard(3) // it was peeked at
	} else if f := rows.Foreign(head); f != nil {
		return nil, f
	}
	first, err := d.peekNonSpace()
	switch {
	case errors.Is(err, io.EOF):
		return nil, &rows.RowError{Code: "empty_file", Reason: "it has no rows", Fix: "put one JSON object on each line", Fatal: true}
	case err != nil:
		return nil, err
	case first == '[':
		d.array = true
		_, _ = d.in.Discard(1)
	case first == '#' || first == '/':
		return nil, d.fatal("not_json", "it begins with a comment", "remove the comments: JSON has none")
	case first != '{':
		return nil, d.fatal("not_json", "it is neither JSON lines nor a JSON array: it begins with "+quoteByte(first),
			"put one JSON object on each line, or all of them in one array; a CSV file has the name of each field in its first line")
	}
	return d, nil
}

// Write receives the bytes that are read from the file.
func (d *Reader) Write(p []byte) (int, error) {
	d.size += int64(len(p))
	return d.sum.Write(p)
}

// Count is the number of rows so far.
func (d *Reader) Count() int { return d.row }

// Bytes is how much of the file was read.
func (d *Reader) Bytes() int64 { return d.size }

// SHA256 is the hash of all bytes read.
func (d *Reader) SHA256() string { return hex.EncodeToString(d.sum.Sum(nil)) }

// Container is how the file holds its rows.
func (d *Reader) Container() string {
	if d.array {
		return rows.JSONArray
	}
	return rows.JSONLines
}

func quoteByte(b byte) string {
	if b < 0x20 || b > 0x7e {
		return fmt.Sprintf("the byte 0x%02x", b)
	}
	return fmt.Sprintf("%q", string(rune(b)))
}

// fatal is a problem after which nothing more can be read.
func (d *Reader) fatal(code, reason, fix string) *rows.RowError {
	return &rows.RowError{Code: code, Reason: reason, Fix: fix, Fatal: true, Line: d.line, Row: d.row}
}

func isSpace(b byte) bool { return b == ' ' || b == '\t' || b == '\r' || b == '\n' }

// peekNonSpace skips white space and returns the next byte, which stays unread.
func (d *Reader) peekNonSpace() (byte, error) {
	for {
		b, err := d.in.ReadByte()
		if err != nil {
			return 0, err
		}
		if !isSpace(b) {
			return b, d.in.UnreadByte()
		}
		if b == '\n' {
			d.line++
		}
	}
}

// Next returns the next row, whose text is valid until the next call; io.EOF after the last
// one; a fatal *rows.RowError; or an error of the file itself.
func (d *Reader) Next() (rows.RawRow, error) {
	if d.array {
		return d.element()
	}
	for {
		text, whole, err := d.textLine()
		if err != nil {
			return rows.RawRow{}, err
		}
		at := d.line
		if whole {
			d.line++
		}
		text = bytes.Trim(text, " \t\r\n")
		if joined, found := bytes.CutPrefix(text, []byte(charset.ByteOrderMark)); found {
			text = bytes.TrimLeft(joined, " \t") // of a file that was appended to another
		}
		if len(text) > 0 {
			d.row++
			if string(text) == "{" {
				return rows.RawRow{}, &rows.RowError{
					Code: "not_json", Reason: "a JSON object begins on this line and continues on the next lines",
					Fix: "put each object on one line, or all of them in one array", Fatal: true, Line: at, Row: d.row,
				}
			}
			return rows.RawRow{Line: at, Row: d.row, Text: text, Cut: !whole}, nil
		}
		if !whole {
			return rows.RawRow{}, io.EOF
		}
	}
}

// textLine reads up to and including the next line end; whole = there was one.
func (d *Reader) textLine() (text []byte, whole bool, err error) {
	d.buffer = d.buffer[:0]
	for {
		piece, err := d.in.ReadSlice('\n')
		if len(d.buffer)+len(piece) > d.limit+2 { // a line end is not part of the row
			return nil, false, d.tooLong()
		}
		d.buffer = append(d.buffer, piece...)
		switch {
		case err == nil:
			return d.buffer, true, nil
		case errors.Is(err, bufio.ErrBufferFull):
		case errors.Is(err, io.EOF):
			if len(d.buffer) == 0 {
				return nil, false, io.EOF
			}
			return d.buffer, false, nil
		default:
			return nil, false, err
		}
	}
}

func (d *Reader) tooLong() *rows.RowError {
	f := rows.TooLong(d.limit, "split the row; if the file is one array without line ends, let it begin with [")
	f.Line, f.Row = d.line, d.row+1
	return f
}
