package python

import (
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Bytes is a bytes literal of ASCII characters. Only BytesLiteral returns one.
type Bytes string

var bytesPrefix = regexp.MustCompile(`^(?i:b|br|rb)["']`)

// BytesLiteral reads adjacent bytes literals and concatenates them.
func BytesLiteral(text string) (Bytes, bool) {
	p := &literalParser{text: strings.TrimSpace(text)}
	var b strings.Builder
	for first := true; first || p.at < len(p.text); first = false {
		prefix := bytesPrefix.FindString(p.text[p.at:])
		if prefix == "" {
			return "", false
		}
		p.at += len(prefix) - 1
		if p.oneString(&b, len(prefix) > len(`b"`)) != nil {
			return "", false
		}
		p.space(false)
	}
	ascii := !strings.ContainsFunc(b.String(), func(r rune) bool { return r >= utf8.RuneSelf })
	return Bytes(b.String()), ascii
}

// strings reads adjacent string literals and concatenates them.
func (p *literalParser) strings() (any, error) {
	var b strings.Builder
	for first := true; ; first = false {
		start := p.at
		raw := false
		if c := p.peek() | 0x20; c == 'r' || c == 'u' {
			raw = c == 'r'
			p.at++
		}
		if q := p.peek(); q != '"' && q != '\'' {
			p.at = start
			if first {
				return nil, errLiteral
			}
			return b.String(), nil
		}
		if err := p.oneString(&b, raw); err != nil {
			return nil, err
		}
		p.space(false)
	}
}

func (p *literalParser) oneString(b *strings.Builder, raw bool) error {
	quote := p.text[p.at : p.at+1]
	if long := strings.Repeat(quote, 3); strings.HasPrefix(p.text[p.at:], long) {
		quote = long
	}
	p.at += len(quote)
	for p.at < len(p.text) {
		rest := p.text[p.at:]
		switch {
		case strings.HasPrefix(rest, quote):
			p.at += len(quote)
			return nil
		case rest[0] == '\n' && len(quote) == 1:
			return errLiteral
		case rest[0] == '\\' && len(rest) > 1 && raw:
			b.WriteString(rest[:2])
			p.at += 2
		case rest[0] == '\\' && len(rest) > 1:
			if err := p.escape(b); err != nil {
				return err
			}
		default:
			_, n := utf8.DecodeRuneInString(rest)
			b.WriteString(rest[:n])
			p.at += n
		}
	}
	return errLiteral
}

// The escapes of one character, and their values in the same order.
const escapeLetters, escapeValues = "abfnrtv\\'\"", "\a\b\f\n\r\t\v\\'\""

func (p *literalParser) escape(b *strings.Builder) error {
	c := p.text[p.at+1]
	p.at += 2
	if i := strings.IndexByte(escapeLetters, c); i >= 0 {
		b.WriteByte(escapeValues[i])
		return nil
	}
	digits, base := 0, 16
	switch {
	case c == '\n':
		return nil // a line continuation
	case c == 'x':
		digits = 2
	case c == 'u':
		digits = 4
	case c == 'U':
		digits = 8
	case c >= '0' && c <= '7':
		p.at--
		for base = 8; digits < 3 && p.at+digits < len(p.text) && p.text[p.at+digits] >= '0' && p.text[p.at+digits] <= '7'; {
			digits++
		}
	default: // an unknown escape is kept unchanged
		b.WriteByte('\\')
		p.at--
		return nil
	}
	if p.at+digits > len(p.text) {
		return errLiteral
	}
	code, err := strconv.ParseUint(p.text[p.at:p.at+digits], base, 32)
	if err != nil || code > utf8.MaxRune {
		return errLiteral
	}
	p.at += digits
	b.WriteRune(rune(code))
	return nil
}
