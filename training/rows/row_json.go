package rows

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/training/rows/charset"
	"github.com/cogniverse/cogflow/training/rows/plain"
)

// Limits of a row, so that no row expands to much more than its bytes.
const (
	maxKeys     = 200  // of an object
	maxMessages = 4000 // of a conversation
	maxQuoted   = 40   // bytes of a name in a problem
)

// Field is one key and the JSON of its value.
type Field struct {
	key   string
	value []byte
}

// RowFields returns the fields of a raw row, or its first JSON error. An error within
// several lines sets raw.Line to its line.
func RowFields(raw *RawRow) ([]Field, error) {
	if raw.Err != nil {
		return nil, raw.Err
	}
	text := raw.Text
	if i := bytes.IndexByte(text, 0); i >= 0 {
		return nil, &RowError{Code: "encoding", Reason: fmt.Sprintf("byte %d is NUL", i+1), Fix: "save the file as UTF-8, without binary data"}
	}
	if !utf8.Valid(text) {
		return nil, NotUTF8(text)
	}
	if reason, fix := charset.Escaped(text); reason != "" {
		return nil, &RowError{Code: "encoding", Reason: reason, Fix: fix}
	}
	if !json.Valid(text) {
		return nil, syntaxFlaw(raw)
	}
	if text[0] != '{' {
		return nil, &RowError{Code: "wrong_type", Reason: "must be an object, not " + jsonKind(text), Fix: `write rows like {"prompt": "…", "completion": "…"}`}
	}
	return objectFields(text)
}

// NotUTF8 is the error of a text that is not UTF-8. It names the encoding if the bytes show it.
func NotUTF8(text []byte) *RowError {
	reason, fix := charset.NotUTF8(text)
	return &RowError{Code: "encoding", Reason: reason, Fix: fix}
}

// syntaxFlaw is the JSON library's error about a row.
func syntaxFlaw(raw *RawRow) *RowError {
	err := json.Unmarshal(raw.Text, new(json.RawMessage))
	syntax, ok := errors.AsType[*json.SyntaxError](err)
	if !ok {
		return &RowError{Code: "syntax", Reason: "it is not JSON"}
	}
	at := min(int(syntax.Offset), len(raw.Text))
	if strings.Contains(syntax.Error(), "unexpected end") {
		f := &RowError{Code: "truncated_json", Reason: "the JSON object is not closed", Fix: "write each object on one line of its own"}
		if raw.Cut {
			f.Fix = "the file is cut off within its last line: write it again"
		}
		return f
	}
	raw.Line += bytes.Count(raw.Text[:at], []byte("\n"))
	return &RowError{Code: "syntax", Reason: fmt.Sprintf("%s (byte %d of the row)", syntax, at), Fix: syntaxFix(raw.Text, at, syntax.Error())}
}

// syntaxFix says how to correct a row that is not JSON; at is behind the byte that is wrong.
func syntaxFix(text []byte, at int, reason string) string {
	more := strings.Contains(reason, "after top-level value")
	switch {
	case at > 0 && (text[at-1] == 'N' || text[at-1] == 'I'):
		return "JSON has no NaN and no Infinity: write null, or leave the field out"
	case text[0] == '#' || bytes.HasPrefix(text, []byte("//")) || bytes.HasPrefix(text, []byte("/*")):
		return "JSON has no comments: remove the line"
	case bytes.IndexByte(text, '\'') >= 0 && bytes.IndexByte(text, '"') < 0:
		return `JSON quotes with ", not with '`
	case more && bytes.IndexByte(text, '\r') >= 0:
		return "save the file with line feeds as line ends; it has carriage returns"
	case more:
		return "put each object on a line of its own"
	}
	return "write the rows by a JSON library, such as json.dumps in Python"
}

// objectFields splits a valid JSON object.
func objectFields(object []byte) ([]Field, error) {
	var fields []Field
	for rest := inside(object); rest[0] != '}'; {
		raw, behind := cutValue(rest)
		key, _ := jsonText(raw)
		rest = skipSpace(skipSpace(behind)[1:]) // the colon
		raw, behind = cutValue(rest)
		if slices.ContainsFunc(fields, func(f Field) bool { return f.key == key }) {
			return nil, &RowError{Code: "duplicate_key", Field: shortName(key), Reason: "the key is listed twice", Fix: "keep one"}
		}
		if len(fields) == maxKeys {
			return nil, &RowError{Code: "too_many_keys", Reason: fmt.Sprintf("an object has more than %d keys", maxKeys)}
		}
		fields = append(fields, Field{key, raw})
		rest = nextItem(behind)
	}
	return fields, nil
}

// listItems splits a valid JSON array, up to limit items.
func listItems(list []byte, limit int) (items [][]byte, more bool) {
	for rest := inside(list); rest[0] != ']'; {
		if len(items) == limit {
			return items, true
		}
		raw, behind := cutValue(rest)
		items = append(items, raw)
		rest = nextItem(behind)
	}
	return items, false
}

func skipSpace(text []byte) []byte { return bytes.TrimLeft(text, " \t\r\n") }

// inside skips an opening bracket.
func inside(text []byte) []byte { return skipSpace(skipSpace(text)[1:]) }

// nextItem skips the comma, if there is one.
func nextItem(text []byte) []byte {
	if text = skipSpace(text); text[0] == ',' {
		return skipSpace(text[1:])
	}
	return text
}

// cutValue cuts off the valid JSON value at the beginning of text. It does not recurse,
// because rows are untrusted.
func cutValue(text []byte) (value, rest []byte) {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch text[i] {
		case '"':
			for i++; text[i] != '"'; i++ {
				if text[i] == '\\' {
					i++
				}
			}
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		default:
			if depth > 0 || i+1 < len(text) && !bytes.ContainsRune([]byte(",]} \t\r\n"), rune(text[i+1])) {
				continue
			}
		}
		if depth == 0 {
			return text[:i+1], text[i+1:]
		}
	}
	return text, nil
}

// jsonText returns the text of a JSON string; false if raw is not a string.
func jsonText(raw []byte) (string, bool) {
	if len(raw) == 0 || raw[0] != '"' {
		return "", false
	}
	if body := raw[1 : len(raw)-1]; bytes.IndexByte(body, '\\') < 0 {
		return string(body), true
	}
	var text string
	return text, json.Unmarshal(raw, &text) == nil
}

// halfPair reports whether a text that was read from raw contains half of a surrogate pair
// (\ud83d alone), which the JSON library replaces.
func halfPair(text string, raw []byte) bool {
	return strings.ContainsRune(text, utf8.RuneError) && !bytes.ContainsRune(raw, utf8.RuneError) &&
		!bytes.Contains(bytes.ToLower(raw), []byte(`\ufffd`))
}

func isNull(raw []byte) bool { return string(raw) == "null" }

// jsonKind names the kind of a JSON value for people.
func jsonKind(raw []byte) string {
	if len(raw) == 0 {
		return "nothing"
	}
	switch raw[0] {
	case '"':
		return "a text"
	case '{':
		return "an object"
	case '[':
		return "a list"
	case 't', 'f':
		return "true or false"
	case 'n':
		return "null"
	default:
		return "a number"
	}
}

// shortName truncates a key from a file for a message.
func shortName(s string) string {
	return safetext.Line(s, maxQuoted)
}

// quotedName quotes a key for a message, with what is invisible around it.
func quotedName(key string) string {
	if plain.Trim(key) == key || len(key) > maxQuoted {
		return strconv.Quote(shortName(key))
	}
	return strconv.QuoteToASCII(key)
}
