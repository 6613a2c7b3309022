package rows

import (
	"fmt"
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
	Cut  bool      // the file ends directly after it, without a line end
}

// RowError is a problem of a row or, if fatal, of the file from there on.
type RowError struct {
	Code, Field, Reason, Fix string

	Fatal     bool
	Line, Row int // of fatal ones only
}

func (f *RowError) Error() string { return f.Reason }

// ReadAhead is how much of a file is read to detect its container.
const ReadAhead = 64 << 10 // bytes

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

// Foreign recognizes files without UTF-8 text by their first bytes.
func Foreign(head []byte) *RowError {
	code, what, fix := charset.Foreign(head)
	if code == "" {
		return nil
	}
	return &RowError{Code: code, Reason: "it is " + what, Fix: fix, Fatal: true, Line: 1}
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
