package parquet

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
)

const (
	magic     = "PAR1"
	maxFooter = 32 << 20
)

// Limits of what a file expands to. Real files expand to a few times their size, those with
// one long text in every row to about a hundred times.
const (
	minExpanded   = 256 << 20
	timesExpanded = 200
)

// Is reports whether a file begins as a Parquet file does.
func Is(head []byte) bool { return bytes.HasPrefix(head, []byte(magic)) }

// File reads the rows of a file in turn.
type File struct {
	in     io.ReaderAt
	size   int64
	rowMax int

	root   *node
	leaves []*node
	groups []value

	cursors []*cursor
	rows    int64 // left of the row group
	held    int   // bytes of open pages
	buffer  []byte
	row     []byte
	bad     *Error // of a value of the row
	total   int64
}

// Open reads the metadata of a file. rowMax bounds the JSON of a row.
func Open(in io.ReaderAt, size int64, rowMax int) (f *File, err error) {
	defer guard(&err)
	footer, err := readFooter(in, size)
	if err != nil {
		return nil, err
	}
	meta, _, err := readStruct(footer)
	if err != nil {
		return nil, err
	}
	if meta.has(8) {
		return nil, encrypted()
	}
	f = &File{in: in, size: size, rowMax: rowMax, groups: meta.get(4).items}
	f.root, f.leaves, err = readSchema(meta.get(2).items)
	return f, err
}

func encrypted() error {
	return &Error{Kind: Unsupported, Reason: "it is encrypted", Fix: "write it without encryption"}
}

func readFooter(in io.ReaderAt, size int64) ([]byte, error) {
	var tail [8]byte
	if size < 12 {
		return nil, errTruncated
	}
	if _, err := in.ReadAt(tail[:], size-8); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	switch string(tail[4:]) {
	case magic:
	case "PARE":
		return nil, encrypted()
	default:
		return nil, errTruncated
	}
	length := int64(binary.LittleEndian.Uint32(tail[:]))
	if length > size-12 {
		return nil, errTruncated
	}
	if length > maxFooter {
		return nil, limit("its metadata is larger than 32 MiB; write it with larger row groups")
	}
	footer := make([]byte, length)
	if _, err := in.ReadAt(footer, size-8-length); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return footer, nil
}

// guard turns a panic about a damaged file into an error.
func guard(err *error) {
	if p := recover(); p != nil {
		*err = corrupt(fmt.Sprintf("it cannot be read (%v)", p))
	}
}

// Next returns the next row as a JSON object, which is valid until the next call; io.EOF
// after the last one. After an *Error of the kind BadValue the next row can be read.
func (f *File) Next() (row []byte, err error) {
	defer guard(&err)
	for f.rows == 0 {
		if err := f.nextGroup(); err != nil {
			return nil, err
		}
	}
	f.rows--
	f.row, f.bad = append(f.row[:0], '{'), nil
	for _, c := range f.cursors {
		if rep, err := c.nextRep(); err != nil || rep != 0 {
			return nil, in(c.node.path, orElse(err, corrupt("its rows are damaged")))
		}
	}
	if err := f.object(f.root); err != nil {
		return nil, err
	}
	if f.total += int64(len(f.row)); f.total > minExpanded+timesExpanded*f.size {
		return nil, limit("its rows are more than 200 times as large as the file")
	}
	if f.bad != nil {
		return nil, f.bad
	}
	return f.row, nil
}

func orElse(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

// nextGroup begins the next row group with rows.
func (f *File) nextGroup() error {
	for _, c := range f.cursors {
		if !c.done() {
			return in(c.node.path, corrupt("it has more values than its rows"))
		}
	}
	f.cursors, f.held = nil, 0
	if len(f.groups) == 0 {
		return io.EOF
	}
	group := &f.groups[0]
	f.groups = f.groups[1:]
	f.rows = group.get(3).number
	if f.rows == 0 {
		return nil
	}
	chunks := group.get(1).items
	if f.rows < 0 || len(chunks) != len(f.leaves) {
		return corrupt("a row group is damaged")
	}
	for i := range chunks {
		c, err := f.open(f.leaves[i], &chunks[i])
		if err != nil {
			return in(f.leaves[i].path, err)
		}
		f.cursors = append(f.cursors, c)
	}
	return nil
}

func (f *File) open(n *node, chunk *value) (*cursor, error) {
	meta := chunk.get(3)
	switch {
	case chunk.has(8) || chunk.has(9):
		return nil, encrypted()
	case len(chunk.get(1).bytes) > 0:
		return nil, &Error{Kind: Unsupported, Reason: "its values are in another file", Fix: "write one file"}
	case meta.get(1).number != int64(n.physical):
		return nil, corrupt("its type differs from the schema")
	}
	if err := supportedCodec(meta.get(4).number); err != nil {
		return nil, err
	}
	at, length := meta.get(9).number, meta.get(7).number
	if d := meta.get(11).number; d > 0 && d < at {
		at = d
	}
	if at < 4 || length < 0 || at > f.size-8 || length > f.size-8-at || meta.get(5).number < 0 {
		return nil, corrupt("its place in the file is invalid")
	}
	return &cursor{node: n, file: f, at: at, end: at + length, codec: meta.get(4).number, left: meta.get(5).number}, nil
}

// scratch returns a buffer that holds a page as it is in the file.
func (f *File) scratch(n int) []byte {
	f.buffer = slices.Grow(f.buffer[:0], n)[:n]
	return f.buffer
}
