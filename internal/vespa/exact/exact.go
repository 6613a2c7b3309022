// Package exact keeps texts as they were although Vespa refuses some of their characters: a
// field has a clean text, and the original is kept beside it. The package does not know schemas.
package exact

import (
	"encoding/json"
	"strings"
	"unicode/utf8"

	"github.com/cogniverse/cogflow/fault"
)

// Clean replaces characters that a Vespa string must not contain (invalid UTF-8, control
// characters, non-characters) by a space or U+FFFD.
func Clean(s string) string {
	s = strings.ToValidUTF8(s, "\ufffd")
	for _, r := range s {
		if !allowed(r) {
			return strings.Map(func(r rune) rune {
				if allowed(r) {
					return r
				}
				return ' '
			}, s)
		}
	}
	return s
}

// allowed follows com.yahoo.text.Text.isTextCharacter.
func allowed(r rune) bool {
	switch {
	case r < 0x20:
		return r == '\t' || r == '\n' || r == '\r'
	case r >= 0xfdd0 && r <= 0xfddf:
		return false
	default:
		return r&0xfffe != 0xfffe && utf8.ValidRune(r)
	}
}

// Keep returns the original texts of fields that Clean changes, in base64; empty if none.
func Keep(texts map[string]string) string {
	kept := map[string][]byte{}
	for field, text := range texts {
		if Clean(text) != text {
			kept[field] = []byte(text)
		}
	}
	if len(kept) == 0 {
		return ""
	}
	out, err := json.Marshal(kept)
	if err != nil {
		panic("vespa: marshal base64 texts: " + err.Error())
	}
	return string(out)
}

// Restore returns the original text if Clean changed it, otherwise the stored text.
func Restore(kept, field, text string) (string, error) {
	if kept == "" {
		return text, nil
	}
	var texts map[string][]byte
	if err := json.Unmarshal([]byte(kept), &texts); err != nil {
		return "", &fault.Error{Class: fault.Transport, Op: "read document", Reason: "its verbatim texts are damaged", Err: err}
	}
	if exact, ok := texts[field]; ok {
		return string(exact), nil
	}
	return text, nil
}
