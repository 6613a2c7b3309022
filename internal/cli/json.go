package cli

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode"
)

// PrintJSON prints the one document. Characters that could steer a terminal
// are escaped; the document means the same.
func (a *App) PrintJSON(v any) error {
	a.printed = true
	return WriteJSON(a.Out, v)
}

// WriteJSON writes v as PrintJSON does.
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

// escapeJSON writes the steering characters of a JSON document as \u escapes.
// Outside strings a document holds none but newlines.
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

// steers reports whether r could steer a terminal or reorder what it shows.
// Names and captions come from strangers.
func steers(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029'
}
