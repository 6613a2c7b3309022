package rows

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/cogniverse/cogflow/training/rows/charset"
)

// Source opens a dataset at its beginning. Prepare calls it up to three times, so that a
// file of any size needs only about 100 bytes of memory per row. What it returns must be an
// io.ReaderAt and an io.Seeker, too, for files that are not read from their beginning.
type Source func() (io.ReadCloser, error)

// Table is one pass over the rows of a file.
type Table interface {
	// Next returns the next row, whose text is valid until the next call; io.EOF after the
	// last one; a fatal *RowError; or an error of the file itself.
	Next() (RawRow, error)
	Container() string
	Count() int     // rows so far
	Bytes() int64   // of the file, as far as it was read
	SHA256() string // of all bytes of the file, after io.EOF
	Close() error
}

// RawRow is one row as it is in the file.
type RawRow struct {
	Line int // where it begins, from 1; 0 = the file has no lines
	Row  int // from 1
	Text []byte
	Err  *RowError // the row cannot be read, but the next one can; Text is not set
	cut  bool      // the file ends directly after it, without a line end
}

// RowError is a problem of a row or, if fatal, of the file from there on.
type RowError struct {
	Code, Field, Reason, Fix string

	Fatal     bool
	Line, Row int // of fatal ones only
}

func (f *RowError) Error() string { return f.Reason }

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

// ReadAhead is how much of a file is read to detect its container.
const ReadAhead = 64 << 10 // bytes

// NewReader reads the first bytes of a file.
func NewReader(r io.Reader, limit int) (*Reader, error) {
	d := &Reader{sum: sha256.New(), limit: limit, line: 1}
	d.in = bufio.NewReaderSize(io.TeeReader(r, d), ReadAhead)
	head, err := d.in.Peek(8)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if bytes.HasPrefix(head, []byte(charset.ByteOrderMark)) {
		_, _ = d.in.Discard(3) // it was peeked at
	} else if f := Foreign(head); f != nil {
		return nil, f
	}
	first, err := d.peekNonSpace()
	switch {
	case errors.Is(err, io.EOF):
		return nil, &RowError{Code: "empty_file", Reason: "it has no rows", Fix: "put one JSON object on each line", Fatal: true}
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

// How a file holds its rows.
const (
	JSONLines = "jsonl"
	JSONArray = "json"
	CSV       = "csv"
	TSV       = "tsv"
	Parquet   = "parquet"
)

// ByRow reports whether people find a row of a container by its number, not by its line.
func ByRow(container string) bool { return container == JSONArray || container == Parquet }

// Container is how the file holds its rows.
func (d *Reader) Container() string {
	if d.array {
		return JSONArray
	}
	return JSONLines
}

// Foreign recognizes files without UTF-8 text by their first bytes.
func Foreign(head []byte) *RowError {
	code, what, fix := charset.Foreign(head)
	if code == "" {
		return nil
	}
	return &RowError{Code: code, Reason: "it is " + what, Fix: fix, Fatal: true, Line: 1}
}

func quoteByte(b byte) string {
	if b < 0x20 || b > 0x7e {
		return fmt.Sprintf("the byte 0x%02x", b)
	}
	return fmt.Sprintf("%q", string(rune(b)))
}

// fatal is a problem after which nothing more can be read.
func (d *Reader) fatal(code, reason, fix string) *RowError {
	return &RowError{Code: code, Reason: reason, Fix: fix, Fatal: true, Line: d.line, Row: d.row}
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
// one; a fatal *RowError; or an error of the file itself.
func (d *Reader) Next() (RawRow, error) {
	if d.array {
		return d.element()
	}
	for {
		text, whole, err := d.textLine()
		if err != nil {
			return RawRow{}, err
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
				return RawRow{}, &RowError{
					Code: "not_json", Reason: "a JSON object begins on this line and continues on the next lines",
					Fix: "put each object on one line, or all of them in one array", Fatal: true, Line: at, Row: d.row,
				}
			}
			return RawRow{Line: at, Row: d.row, Text: text, cut: !whole}, nil
		}
		if !whole {
			return RawRow{}, io.EOF
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

func (d *Reader) tooLong() *RowError {
	f := TooLong(d.limit, "split the row; if the file is one array without line ends, let it begin with [")
	f.Line, f.Row = d.line, d.row+1
	return f
}

// TooLong is the error of a row that is longer than a limit.
func TooLong(limit int, fix string) *RowError {
	return &RowError{Code: "row_too_long", Reason: "the row is longer than " + limitText(limit) + "; the rest was not read", Fix: fix, Fatal: true}
}

func limitText(n int) string {
	if n >= 1<<20 && n%(1<<20) == 0 {
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d bytes", n)
}
