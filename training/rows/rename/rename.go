// Package rename replaces the names of images in the rows of a dataset, so that a worker finds
// them elsewhere. Everything else in a row stays as it is, and so does its line.
package rename

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/training/rows"
)

// Images writes the rows of a dataset as JSON, with the names of images that to gives, and
// returns how many names it changed. Rows with errors are copied, because whoever trains on them
// reports those; a file that cannot be read to its end changes nothing.
func Images(name string, open func() (rows.Table, error), w io.Writer, to func(uri string) (string, error)) (changed int, err error) {
	format, err := rows.DetectFormat(open, training.SFT) // rated answers have no images
	if err != nil {
		return 0, unreadable(err)
	}
	d, err := open()
	if err != nil {
		return 0, unreadable(err)
	}
	defer d.Close()
	c := &copier{name: name, format: format, to: to, out: bufio.NewWriter(w), line: 1, array: d.Container() == rows.JSONArray}
	for {
		raw, err := d.Next()
		if errors.Is(err, io.EOF) {
			return c.changed, c.end()
		}
		if err == nil && raw.Err != nil {
			err = raw.Err
		}
		if err != nil {
			return 0, unreadable(err)
		}
		if err := c.row(raw); err != nil {
			return 0, err
		}
	}
}

// unreadable is nil for a file that is refused as a whole: it is used as it is.
func unreadable(err error) error {
	if _, ok := errors.AsType[*rows.RowError](err); ok {
		return nil
	}
	return err
}

type copier struct {
	name    string
	format  rows.Format
	to      func(uri string) (string, error)
	out     *bufio.Writer
	line    int
	rows    int
	changed int
	array   bool
}

func (c *copier) row(raw rows.RawRow) error {
	if c.array {
		between := ","
		if c.rows == 0 {
			between = "["
		}
		_, _ = c.out.WriteString(between) // a failed write is reported by the last one
	}
	if raw.Line == 0 { // the file has no lines
		raw.Line = c.rows + 1
	}
	for ; c.line < raw.Line; c.line++ {
		_ = c.out.WriteByte('\n')
	}
	c.rows++
	text, err := c.renamed(raw)
	if err != nil {
		return err
	}
	for _, b := range text {
		if b == '\n' {
			c.line++
		}
	}
	_, err = c.out.Write(text)
	return fault.Disk("write rows of", c.name, err)
}

func (c *copier) end() error {
	last := "\n"
	if c.array {
		last = "]\n"
	}
	_, _ = c.out.WriteString(last)
	return fault.Disk("write rows of", c.name, c.out.Flush())
}

// renamed is the text of a row with other names.
func (c *copier) renamed(raw rows.RawRow) ([]byte, error) {
	text := slices.Clone(raw.Text)
	fields, err := rows.RowFields(&rows.RawRow{Text: text})
	if err != nil {
		return text, nil //nolint:nilerr // whoever trains on it reports it
	}
	in := &rows.RowInput{Fields: fields, Images: func(string) (string, error) { return "image", nil }}
	_, _ = in.Convert(c.format)
	out, from := make([]byte, 0, len(text)), 0
	for _, r := range in.References {
		uri, err := c.to(r.URI)
		if err != nil {
			return nil, &fault.Error{Class: fault.ClassOf(err), Op: "read the images of", Subject: fmt.Sprintf("%s, row %d", c.name, raw.Row), Err: err}
		}
		at, end := r.Span(text)
		if uri == r.URI || at < from {
			continue
		}
		quoted, err := json.Marshal(uri)
		if err != nil {
			return nil, err
		}
		out, from = append(append(out, text[from:at]...), quoted...), end
		c.changed++
	}
	return append(out, text[from:]...), nil
}
