package table

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/training/rows"
	"github.com/cogniverse/cogflow/training/rows/plain"
)

// Limits of a heading.
const (
	maxColumns = 200
	maxName    = 40 // bytes of a name in a message
)

// csvTable reads CSV and TSV as RFC 4180 has them: cells in double quotes may have
// separators, line ends and doubled quotes. The first row names the columns.
type csvTable struct {
	in     *csv.Reader
	meter  *meter
	kind   string
	limit  int
	names  []string
	cells  []cell // how each column is read
	row    int
	line   int // where the next row begins
	buffer []byte
}

// meter counts and hashes what is read, and stops within a row that is too long.
type meter struct {
	in      io.Reader
	sum     hash.Hash
	read    int64
	allowed int64
}

var errTooLong = errors.New("the row is too long")

func (m *meter) Read(p []byte) (int, error) {
	if m.read >= m.allowed {
		return 0, errTooLong
	}
	n, err := m.in.Read(p[:min(int64(len(p)), m.allowed-m.read)])
	m.read += int64(n)
	m.sum.Write(p[:n])
	return n, err
}

func newCSV(in io.Reader, kind string, limit int) (*csvTable, error) {
	t := &csvTable{line: 1, kind: kind, limit: limit, meter: &meter{in: in, sum: sha256.New(), allowed: int64(limit) + rows.ReadAhead}}
	text := bufio.NewReaderSize(t.meter, rows.ReadAhead)
	if head, err := text.Peek(len(mark)); err == nil && string(head) == mark {
		_, _ = text.Discard(len(mark)) // it was peeked at
	}
	first, err := text.Peek(rows.ReadAhead)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, errTooLong) {
		return nil, err
	}
	if f := spreadsheet(first, kind); f != nil {
		return nil, f
	}
	t.in = newReader(text, kind)
	names, err := t.in.Read()
	if errors.Is(err, io.EOF) {
		return nil, &rows.RowError{Code: "empty_file", Reason: "it has no rows", Fix: "put the names of the fields in the first line, and one row in each line behind it", Fatal: true}
	}
	if err != nil {
		return nil, t.failure(err)
	}
	t.names = slices.Clone(names)
	t.begin(names)
	if err := t.heading(); err != nil {
		return nil, err
	}
	for _, name := range t.names {
		t.cells = append(t.cells, cellOf(name, t.names))
	}
	return t, nil
}

// heading checks the names of the columns.
func (t *csvTable) heading() error {
	refuse := func(reason, fix string) error {
		return &rows.RowError{Code: "heading", Reason: reason, Fix: fix, Fatal: true, Line: 1}
	}
	if len(t.names) > maxColumns {
		return refuse(fmt.Sprintf("it has more than %d columns", maxColumns), "keep the columns that a format has")
	}
	if only := t.names[0]; len(t.names) == 1 {
		for _, other := range separators() {
			if strings.ContainsRune(only, other.mark) && !strings.Contains(only, "\n") {
				return refuse("its first line is one column, "+quoted(only)+": the columns seem to be separated by "+other.name, separateBy(t.kind))
			}
		}
	}
	for i, name := range t.names {
		switch {
		case !utf8.ValidString(name):
			f := rows.NotUTF8([]byte(name))
			f.Fatal, f.Line = true, 1
			return f
		case strings.ContainsAny(name, "\r\n"):
			return refuse("the name of column "+fmt.Sprint(i+1)+" has a line end", "save the file with line feeds as line ends, and put the names of the fields in the first line")
		case strings.TrimSpace(name) == "":
			return refuse(fmt.Sprintf("column %d has no name", i+1), "put the name of each field in the first line, or remove the column")
		case plain.Trim(name) != name:
			return refuse("the name "+quoted(plain.Trim(name))+fmt.Sprintf(" of column %d has white space or an invisible character before or behind it", i+1), "remove it")
		case slices.Contains(t.names[:i], name):
			return refuse("the column "+quoted(name)+" is listed twice", "keep one")
		}
	}
	return nil
}

func separateBy(kind string) string {
	if kind == rows.TSV {
		return "separate the columns by tabs, or let the name of the file end in .csv if they are separated by commas"
	}
	return "separate the columns by commas, or let the name of the file end in .tsv if they are separated by tabs"
}

func quoted(name string) string { return `"` + safetext.Line(name, maxName) + `"` }

// Next returns the next row. A row with more or fewer cells than the heading has an error.
func (t *csvTable) Next() (rows.RawRow, error) {
	t.meter.allowed = t.in.InputOffset() + int64(t.limit) + 2*rows.ReadAhead
	record, err := t.in.Read()
	if errors.Is(err, io.EOF) {
		return rows.RawRow{}, io.EOF
	}
	if err != nil {
		return rows.RawRow{}, t.failure(err)
	}
	t.row++
	line := t.begin(record)
	raw := rows.RawRow{Line: line, Row: t.row}
	if len(record) != len(t.names) {
		raw.Err = &rows.RowError{
			Code: "columns", Reason: fmt.Sprintf("the number of its cells is %d; the first line names %d columns", len(record), len(t.names)),
			Fix: "put a text with a separator, a line end or a double quote in double quotes",
		}
		return raw, nil
	}
	if t.isHeading(record) {
		raw.Err = &rows.RowError{Code: "heading_again", Reason: "the row is the first line of the file again, as in files that were joined", Fix: "remove it"}
		return raw, nil
	}
	raw.Text, raw.Err = t.object(record)
	if raw.Err == nil && len(raw.Text) > t.limit {
		return rows.RawRow{}, t.tooLong(line)
	}
	return raw, nil
}

// isHeading reports whether a row has the names of the columns.
func (t *csvTable) isHeading(record []string) bool {
	return strings.TrimPrefix(record[0], mark) == t.names[0] && slices.Equal(record[1:], t.names[1:])
}

// begin returns the line of a row, and remembers that of the next one.
func (t *csvTable) begin(record []string) int {
	line, _ := t.in.FieldPos(0)
	last, _ := t.in.FieldPos(len(record) - 1)
	t.line = last + strings.Count(record[len(record)-1], "\n") + 1
	return line
}

// object writes a row as JSON.
func (t *csvTable) object(record []string) ([]byte, *rows.RowError) {
	t.buffer = append(t.buffer[:0], '{')
	for i, text := range record {
		if i > 0 {
			t.buffer = append(t.buffer, ',')
		}
		t.buffer, _ = jsontext.AppendQuote(t.buffer, t.names[i]) // it is UTF-8
		t.buffer = append(t.buffer, ':')
		if !utf8.ValidString(text) {
			f := rows.NotUTF8([]byte(text))
			f.Field = safetext.Line(t.names[i], maxName)
			return nil, f
		}
		var f *rows.RowError
		if t.buffer, f = t.cells[i].append(t.buffer, text); f != nil {
			f.Field = safetext.Line(t.names[i], maxName)
			return nil, f
		}
	}
	t.buffer = append(t.buffer, '}')
	return t.buffer, nil
}

func (t *csvTable) tooLong(line int) *rows.RowError {
	f := rows.TooLong(t.limit, "split the row; a double quote that is not closed joins all rows behind it")
	f.Line, f.Row = line, t.row
	return f
}

// failure turns an error of the reader into that of the row where it began.
func (t *csvTable) failure(err error) error {
	parse, ok := errors.AsType[*csv.ParseError](err)
	switch {
	case errors.Is(err, errTooLong):
		f := t.tooLong(t.line)
		f.Row++
		return f
	case !ok:
		return err
	}
	f := &rows.RowError{Code: "csv_quote", Fatal: true, Line: parse.StartLine, Row: t.row + 1, Fix: `put the cell in double quotes, and write each double quote in it twice`}
	f.Reason = fmt.Sprintf("a cell has a double quote that neither begins nor ends it (line %d, column %d)", parse.Line, parse.Column)
	if errors.Is(parse.Err, csv.ErrQuote) {
		f.Reason = fmt.Sprintf("a cell in double quotes does not end, or has a double quote that is not doubled (line %d, column %d)", parse.Line, parse.Column)
	}
	return f
}

// Container is csv or tsv.
func (t *csvTable) Container() string { return t.kind }

// Count is the number of rows so far.
func (t *csvTable) Count() int { return t.row }

// Bytes is how much of the file was read.
func (t *csvTable) Bytes() int64 { return t.meter.read }

// SHA256 is the hash of all bytes read.
func (t *csvTable) SHA256() string { return hex.EncodeToString(t.meter.sum.Sum(nil)) }

// cell is how the cells of a column are read.
type cell int

const (
	textCell   cell = iota
	jsonCell        // a list or an object
	scalarCell      // a number, or true or false
)

// cellOf decides by the name of the column: a cell is a text unless the field cannot be one.
func cellOf(name string, names []string) cell {
	switch name {
	case rows.KeyMessages, "conversations", "history", "pos", "neg", "tools":
		return jsonCell
	case rows.KeyChosen, rows.KeyRejected:
		if slices.Contains(names, "conversations") { // ShareGPT pairs have messages there
			return jsonCell
		}
	case "label", "weight":
		return scalarCell
	}
	return textCell
}

// append writes the JSON of a cell.
func (c cell) append(to []byte, text string) ([]byte, *rows.RowError) {
	trimmed := strings.TrimSpace(text)
	switch {
	case c != textCell && trimmed == "":
		return append(to, "null"...), nil
	case c == jsonCell:
		if json.Valid([]byte(trimmed)) {
			return append(to, trimmed...), nil
		}
		if isPython(trimmed) {
			return to, &rows.RowError{Code: "cell_json", Reason: "the cell is a list of Python, not JSON", Fix: "write it with json.dumps, or write the file as Parquet or as JSON lines"}
		}
		return to, &rows.RowError{Code: "cell_json", Reason: "the cell is not JSON", Fix: "write the list as JSON, or write the file as Parquet or as JSON lines"}
	case c == scalarCell:
		if word := strings.ToLower(trimmed); word == "true" || word == "false" {
			return append(to, word...), nil
		}
		if first := trimmed[0]; (first == '-' || first >= '0' && first <= '9') && json.Valid([]byte(trimmed)) {
			return append(to, trimmed...), nil
		}
	case isConversation(trimmed):
		return to, &rows.RowError{
			Code: "cell_conversation", Reason: "the text is a conversation, but the cells of this column are texts",
			Fix: "put conversations in the column messages, or write the file as Parquet or as JSON lines",
		}
	}
	to, _ = jsontext.AppendQuote(to, text) // it is UTF-8
	return to, nil
}

func isPython(text string) bool {
	return strings.HasPrefix(compact(text), "[{'") || strings.HasPrefix(compact(text), "{'") || strings.HasPrefix(compact(text), "['")
}

// isConversation recognizes messages, as JSON or as Python prints them.
func isConversation(text string) bool {
	first := strings.ReplaceAll(strings.TrimPrefix(compact(text), "["), "'", `"`)
	for _, key := range []string{"role", "content", "from", "value"} {
		if strings.HasPrefix(first, `{"`+key+`":`) {
			return true
		}
	}
	return false
}

// compact is the beginning of a text without white space.
func compact(text string) string {
	return string(bytes.Join(bytes.Fields([]byte(text[:min(len(text), 40)])), nil))
}
