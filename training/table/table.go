// Package table opens the file of a dataset, whatever holds its rows: JSON, CSV, TSV or
// Parquet. Rows of CSV and Parquet become the JSON objects that JSON lines would have, so
// that every check of package dataset holds for them. It knows no method of training.
package table

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"path"
	"strings"

	"github.com/cogniverse/cogflow/training/rows"
	"github.com/cogniverse/cogflow/training/table/jsonfile"
	"github.com/cogniverse/cogflow/training/table/parquet"
)

// Open begins one pass over a file. The content decides what it is; the name only for CSV,
// whose content may be any text. maxRow bounds the bytes of a row.
func Open(name string, open rows.Source, maxRow int) (rows.Table, error) {
	file, err := open()
	if err != nil {
		return nil, err
	}
	t, err := newTable(name, file, maxRow)
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	return &closed{t, file}, nil
}

// unclosed is a table that does not own its file.
type unclosed interface {
	Next() (rows.RawRow, error)
	Container() string
	Count() int
	Bytes() int64
	SHA256() string
}

// closed closes the file of a table with it.
type closed struct {
	unclosed
	file io.Closer
}

func (c *closed) Close() error { return c.file.Close() }

func newTable(name string, file io.Reader, maxRow int) (unclosed, error) {
	head := bufio.NewReaderSize(file, rows.ReadAhead)
	magic, err := head.Peek(8)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if parquet.Is(magic) {
		return newParquet(file, maxRow)
	}
	if rows.Foreign(magic) == nil {
		first, err := head.Peek(rows.ReadAhead)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		if kind := separated(name, first); kind != "" {
			return newCSV(head, kind, maxRow)
		}
	}
	return jsonfile.NewReader(head, maxRow)
}

// separated tells CSV and TSV from JSON: by the name of the file, else by a first line that
// has the fields of a format. Text that begins as JSON does is JSON.
func separated(name string, first []byte) string {
	first = bytes.TrimPrefix(first, []byte(mark))
	text := bytes.TrimLeft(first, " \t\r\n")
	if len(text) == 0 || text[0] == '{' || text[0] == '[' {
		return ""
	}
	name, _, _ = strings.Cut(name, "?")
	switch strings.ToLower(path.Ext(name)) {
	case ".csv":
		return rows.CSV
	case ".tsv", ".tab":
		return rows.TSV
	}
	for _, kind := range []string{rows.CSV, rows.TSV} {
		if names, err := newReader(bytes.NewReader(first), kind).Read(); err == nil && rows.KnownColumns(names) {
			return kind
		}
	}
	return ""
}

// mark is the byte order mark of UTF-8.
const mark = "\xef\xbb\xbf"

func newReader(in io.Reader, kind string) *csv.Reader {
	r := csv.NewReader(in)
	r.FieldsPerRecord = -1 // compared with the heading here
	r.ReuseRecord = true
	if kind == rows.TSV {
		r.Comma = '\t'
	}
	return r
}
