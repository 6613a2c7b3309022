package jsonfile

import (
	"errors"
	"io"

	"github.com/cogniverse/cogflow/training/rows"
)

// element returns the next element of the array. Brackets and quotes alone decide where it
// ends; the parser checks its content.
func (d *Reader) element() (rows.RawRow, error) {
	first, err := d.separator()
	if err != nil {
		return rows.RawRow{}, err
	}
	d.row++
	start := d.line
	d.buffer = d.buffer[:0]
	err = d.value(first)
	if errors.Is(err, io.EOF) {
		f := d.fatal("truncated_json", "the file ends within this row", "the file is cut off: write it again")
		f.Line = start
		return rows.RawRow{}, f
	}
	if f, ok := errors.AsType[*rows.RowError](err); ok {
		f.Line, f.Row = start, d.row
	}
	if err != nil {
		return rows.RawRow{}, err
	}
	return rows.RawRow{Line: start, Row: d.row, Text: d.buffer}, nil
}

// separator skips the characters before an element and returns its first byte; io.EOF after
// the end of the array.
func (d *Reader) separator() (byte, error) {
	b, err := d.nonSpace("the closing ] is missing")
	if err != nil {
		return 0, err
	}
	if b == ']' {
		return 0, d.end()
	}
	if d.row == 0 {
		return b, nil
	}
	if b != ',' {
		return 0, d.fatal("syntax", "expected , or ] after the row, found "+quoteByte(b), "separate the rows by commas")
	}
	if b, err = d.nonSpace("the closing ] is missing"); err == nil && b == ']' {
		return 0, d.fatal("syntax", "there is a comma, but no row behind it", "take the last comma away")
	}
	return b, err
}

// nonSpace reads the next byte that is not white space, which is required.
func (d *Reader) nonSpace(missing string) (byte, error) {
	_, err := d.peekNonSpace()
	if errors.Is(err, io.EOF) {
		return 0, d.fatal("truncated_json", missing, "the file is cut off: write it again")
	}
	if err != nil {
		return 0, err
	}
	return d.in.ReadByte()
}

// end requires that nothing follows the array.
func (d *Reader) end() error {
	b, err := d.peekNonSpace()
	if err == nil {
		return d.fatal("trailing_data", "there is more behind the array: "+quoteByte(b),
			"keep one array, or put one JSON object on each line")
	}
	return err
}

// value appends the value that begins with b to the buffer.
func (d *Reader) value(b byte) error {
	depth, quoted, escaped := 0, false, false
	for {
		if len(d.buffer) == d.limit {
			return d.tooLong()
		}
		d.buffer = append(d.buffer, b)
		switch {
		case escaped:
			escaped = false
		case quoted:
			escaped, quoted = b == '\\', b != '"'
		case b == '"':
			quoted = true
		case b == '{' || b == '[':
			depth++
		case b == '}' || b == ']':
			depth--
		}
		if b == '\n' {
			d.line++
		}
		if depth == 0 && !quoted {
			over, err := d.over(b)
			if over || err != nil {
				return err
			}
		}
		var err error
		if b, err = d.in.ReadByte(); err != nil {
			return err
		}
	}
}

// over reports whether a value outside brackets and quotes ends with b.
func (d *Reader) over(b byte) (bool, error) {
	if b == '}' || b == ']' || b == '"' {
		return true, nil
	}
	next, err := d.in.Peek(1) // a number, true, false or null continues up to a separator
	if err != nil {
		return false, err
	}
	return isSpace(next[0]) || next[0] == ',' || next[0] == ']' || next[0] == '}', nil
}
