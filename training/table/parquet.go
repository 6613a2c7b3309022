package table

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"

	"github.com/cogniverse/cogflow/training/rows"
	"github.com/cogniverse/cogflow/training/table/parquet"
)

// parquetTable reads the rows of a Parquet file.
type parquetTable struct {
	in    io.ReaderAt
	file  *parquet.File
	limit int
	size  int64
	row   int
	sum   string
}

var errNotSeekable = errors.New("a Parquet file can only be read from a file")

func newParquet(file io.Reader, limit int) (*parquetTable, error) {
	in, ok := file.(interface {
		io.ReaderAt
		io.Seeker
	})
	if !ok {
		return nil, errNotSeekable
	}
	size, err := in.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	t := &parquetTable{in: in, limit: limit, size: size}
	t.file, err = parquet.Open(in, size, limit)
	return t, t.failure(err)
}

// Next returns the next row.
func (t *parquetTable) Next() (rows.RawRow, error) {
	text, err := t.file.Next()
	if errors.Is(err, io.EOF) {
		return rows.RawRow{}, t.end()
	}
	bad, ok := errors.AsType[*parquet.Error](err)
	if err != nil && (!ok || bad.Kind != parquet.BadValue) {
		return rows.RawRow{}, t.failure(err)
	}
	t.row++
	raw := rows.RawRow{Row: t.row, Text: text}
	if ok {
		raw.Text, raw.Err = nil, &rows.RowError{Code: "value", Field: bad.Column, Reason: bad.Reason, Fix: bad.Fix}
	}
	return raw, nil
}

// end hashes the file, and returns io.EOF.
func (t *parquetTable) end() error {
	sum := sha256.New()
	if _, err := io.Copy(sum, io.NewSectionReader(t.in, 0, t.size)); err != nil {
		return err
	}
	t.sum = hex.EncodeToString(sum.Sum(nil))
	return io.EOF
}

// failure turns a fault of the file into one of a dataset.
func (t *parquetTable) failure(err error) error {
	e, ok := errors.AsType[*parquet.Error](err)
	if !ok {
		return err
	}
	if e.Kind == parquet.TooLong {
		f := rows.TooLong(t.limit, "split the row")
		f.Row = t.row + 1
		return f
	}
	f := &rows.RowError{Code: "parquet_" + string(e.Kind), Field: e.Column, Reason: e.Reason, Fix: e.Fix, Fatal: true}
	if t.row > 0 {
		f.Row = t.row + 1
	}
	if e.Kind == parquet.Corrupt && e.Column == "" {
		f.Reason = "the Parquet file cannot be read: " + e.Reason
	}
	return f
}

// Container is parquet.
func (t *parquetTable) Container() string { return rows.Parquet }

// Count is the number of rows so far.
func (t *parquetTable) Count() int { return t.row }

// Bytes is the size of the file.
func (t *parquetTable) Bytes() int64 { return t.size }

// SHA256 is the hash of the file.
func (t *parquetTable) SHA256() string { return t.sum }
