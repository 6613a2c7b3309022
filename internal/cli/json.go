package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode"
)

// PrintJSON prints the JSON document of a command. Control characters for terminals are
// escaped, which does not change the value of the document.
func (a *App) PrintJSON(v any) error {
	a.printed = true
	return WriteJSON(a.Out, v)
}

// WriteJSON writes v like PrintJSON.
func WriteJSON(w io.Writer, v any) error {
	var out strings.Builder
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return err
	}
	_, err := io.WriteString(w, escapeJSON(out.String()))
	return err
}

// escapeJSON writes control characters in a JSON document as \u escapes. Outside of strings,
// newlines are the only control characters of a document.
func escapeJSON(s string) string {
	var out strings.Builder
	for _, r := range s {
		if r != '\n' && steers(r) {
			fmt.Fprintf(&out, `\u%04x`, r)
			continue
		}
		out.WriteRune(r)
	}
	return out.String()
}

// steers reports whether r can control a terminal or reorder its text. Names and captions
// are not trusted.
func steers(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029'
}
