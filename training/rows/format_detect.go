package rows

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/training/rows/fieldname"
)

// The first rows decide the format.
const (
	formatRows  = 20
	formatLooks = 200 // rows, including unreadable ones
)

// DetectFormat returns the format of most of the first rows, the earlier one of a tie, for the
// method that is asked for; "" = any. The survey reports rows that cannot be read.
func DetectFormat(open func() (Table, error), m training.Method) (Format, error) {
	rows, err := open()
	if err != nil {
		return "", err
	}
	defer rows.Close()
	votes := map[Format]int{}
	var order []Format
	var unknown *RowError
	known := 0
	for looks := 0; known < formatRows && looks < formatLooks; looks++ {
		raw, err := rows.Next()
		if fatal, ok := errors.AsType[*RowError](err); errors.Is(err, io.EOF) || ok && (known > 0 || unknown != nil) {
			break
		} else if ok {
			return "", fatal
		}
		if err != nil {
			return "", err
		}
		at := raw
		fields, err := RowFields(&at)
		if err != nil {
			continue
		}
		in := &RowInput{Fields: fields}
		format := FormatOf(in, m)
		if format == "" {
			if unknown == nil {
				unknown = unknownFormat(in, raw)
			}
			continue
		}
		if votes[format] == 0 {
			order = append(order, format)
		}
		votes[format]++
		known++
	}
	if known == 0 && unknown != nil {
		return "", unknown
	}
	return mostVotes(votes, order), nil
}

// mostVotes returns "" without votes.
func mostVotes(votes map[Format]int, order []Format) (most Format) {
	for _, format := range order {
		if votes[format] > votes[most] {
			most = format
		}
	}
	return most
}

// unknownFormat reports that a row has no known format, and which one it may be.
func unknownFormat(in *RowInput, raw RawRow) *RowError {
	var names []string
	for _, f := range in.Fields[:min(len(in.Fields), 8)] {
		names = append(names, shortName(f.key))
	}
	f := &RowError{
		Code: "unknown_format", Fatal: true, Line: raw.Line, Row: raw.Row,
		Reason: "its fields (" + strings.Join(names, ", ") + ") fit no format",
		Fix:    `write rows like {"prompt", "completion"}, {"messages"}, {"text"}, {"prompt", "chosen", "rejected"}, {"prompt", "completion", "label"} or {"anchor", "positive", "negative"}`,
	}
	if len(names) == 0 {
		f.Reason = "the row has no fields"
	}
	for _, format := range []Format{FormatPreference, FormatTriplet, FormatPair, FormatPrompt, FormatAlpaca, FormatMessages, FormatText} {
		if renames := in.renames(format); renames != "" {
			f.Fix = fmt.Sprintf("for the format %s rename %s", format, renames)
			break
		}
	}
	return f
}

// KnownColumns reports whether the names of a heading are the fields of one format, or more.
func KnownColumns(names []string) bool {
	for _, format := range Formats() {
		if needed := format.needed(); len(needed) > 1 && !slices.ContainsFunc(needed, func(key string) bool { return !slices.Contains(names, key) }) {
			return true
		}
	}
	return len(names) > 1 && (slices.Contains(names, KeyMessages) || slices.Contains(names, "conversations") || slices.Contains(names, KeyText))
}

// renames says how to rename the fields of a row to match the format; "" if that is not
// enough.
func (in *RowInput) renames(format Format) string {
	var said []string
	for _, key := range format.needed() {
		if in.get(key) != nil {
			continue
		}
		i := slices.IndexFunc(in.Fields, func(f Field) bool { return fieldname.Similar(f.key, key) })
		if i < 0 {
			return ""
		}
		said = append(said, fmt.Sprintf("%s to %q", quotedName(in.Fields[i].key), key))
	}
	return strings.Join(said, " and ")
}

func (f Format) needed() []string {
	switch f {
	case FormatAlpaca:
		return []string{"instruction", "output"}
	case FormatPair:
		return []string{KeyAnchor, KeyPositive}
	case FormatPreference, FormatTriplet:
		return f.knownFields()[:3]
	default:
		return f.knownFields()[:min(2, len(f.knownFields()))]
	}
}
