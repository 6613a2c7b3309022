package table

import (
	"bytes"
	"strings"

	"github.com/cogniverse/cogflow/training/rows"
)

// spreadsheet recognizes what spreadsheet programs write in place of commas: a first line that
// names the separator, and semicolons between cells in double quotes. nil if there is neither.
func spreadsheet(first []byte, kind string) *rows.RowError {
	line, _, _ := bytes.Cut(first, []byte("\n"))
	text := strings.TrimRight(string(line), "\r")
	f := &rows.RowError{Code: "heading", Fix: separateBy(kind), Fatal: true, Line: 1}
	if name, found := strings.CutPrefix(strings.ToLower(strings.Trim(text, `"`)), "sep="); found && len(name) == 1 {
		f.Reason = "its first line, " + quoted(text) + ", is for spreadsheet programs"
		f.Fix = "remove this line, and " + f.Fix
		return f
	}
	if _, err := newReader(bytes.NewReader(first), kind).Read(); err == nil {
		return nil
	}
	for _, other := range separators() {
		in := newReader(bytes.NewReader(first), kind)
		in.Comma = other.mark
		if names, err := in.Read(); err == nil && len(names) > 1 {
			f.Reason = "the columns of its first line seem to be separated by " + other.name
			return f
		}
	}
	return nil
}

type separator struct {
	mark rune
	name string
}

func separators() []separator {
	return []separator{{';', "semicolons"}, {'\t', "tabs"}, {',', "commas"}, {'|', "vertical bars"}}
}
