package repair

import (
	"slices"
	"strings"
	"unicode"

	"github.com/cogniverse/cogflow/prompt/python"
)

// str is a string that is being read.
type str struct {
	*parser
	left, right rune // the quotes that it opened with and closes with
	bare        bool // it has no opening quote
	doubled     bool // its quotes are doubled
	unmatched   bool // a quotation within it is open
	pending     bool // a comma came just before a container that belongs to the text
	lastQuote   bool // the text has no further quote
	containers  []rune
	braces      int // number of open braces in the text
	class       int // start of a character class of a regular expression; -1 = none
	text        []rune
}

// text reads a string or an unquoted word, including true, false and null.
func (p *parser) text() any {
	if p.is(0, '#', '/') {
		return p.comment()
	}
	for c := p.at(0); c != eof && !isQuote(c) && !python.IsAlnum(c); c = p.at(0) {
		p.i++
	}
	if p.at(0) == eof {
		return ""
	}
	if v, ok := p.simple(); ok {
		return v
	}
	s := &str{parser: p, left: '"', right: '"', class: -1}
	switch c := p.at(0); {
	case c == '\'':
		s.left, s.right = c, c
	case c == '“':
		s.left, s.right = c, '”'
	case python.IsAlnum(c):
		if p.current() != inKey {
			if v, ok := p.constant(); ok {
				return v
			}
		}
		s.bare = true
	}
	if !s.bare {
		p.i++
	}
	if p.at(0) == '`' {
		if v, ok := p.fenced(); ok {
			return v
		}
	}
	if p.at(0) == s.left {
		if done := s.opening(); done {
			return ""
		}
	}
	return s.finish(s.scan())
}

// simple reads a string without any ambiguity.
func (p *parser) simple() (string, bool) {
	if p.at(0) != '"' {
		return "", false
	}
	end := slices.Index(p.s[p.i+1:], '"')
	if end < 0 {
		return "", false
	}
	value := p.s[p.i+1 : p.i+1+end]
	if slices.ContainsFunc(value, func(c rune) bool { return c == '\\' || c == '\n' || c == '\r' }) {
		return "", false
	}
	follows := map[where]string{inKey: ":", inValue: ",}", inArray: ",]"}[p.current()]
	next := p.at(p.scroll(end + 2))
	if !strings.ContainsRune(follows, next) && (next != eof || p.current() == inKey) {
		return "", false
	}
	p.i += end + 2
	return string(value), true
}

// constant reads true, false, null and None in any case.
func (p *parser) constant() (any, bool) {
	for _, c := range []struct {
		name  string
		value any
	}{{"true", true}, {"false", false}, {"null", nil}, {"none", nil}} {
		end := p.i + len(c.name)
		if end > len(p.s) || !strings.EqualFold(string(p.s[p.i:end]), c.name) {
			continue
		}
		next := p.at(len(c.name))
		if next == eof || python.IsSpace(next) || strings.ContainsRune(",)]}", next) {
			p.i = end
			return c.value, true
		}
	}
	return nil, false
}

// fenced reads the value of a code block at the beginning of a string.
func (p *parser) fenced() (any, bool) {
	const opening, closing = "```json", "```"
	if !p.has(0, opening) || !p.has(p.skipTo(len(opening), '`'), closing) {
		return nil, false
	}
	p.i += len(opening)
	return p.value(), true
}

func (p *parser) has(off int, text string) bool {
	for i, c := range []rune(text) {
		if p.at(off+i) != c {
			return false
		}
	}
	return true
}

// opening handles a quote directly after the opening quote; done = the string is
// empty.
func (s *str) opening() (done bool) {
	next := s.at(1)
	switch w := s.current(); {
	case w == inKey && next == ':', w == inValue && (next == ',' || next == '}'), w == inArray && (next == ',' || next == ']'):
		s.i++
		return true
	case next == s.left:
		return true
	}
	off := s.skipTo(1, s.right)
	if s.at(off+1) == s.right {
		s.doubled = true
		s.i++
		return false
	}
	if s.at(off) == s.right {
		outer := s.skipTo(off+1, s.right)
		after := s.at(s.scroll(outer + 1))
		if s.current() == inValue && !s.blankUntil(off) && s.at(outer) == s.right && (after == ',' || after == '}' || after == eof) {
			s.add(s.left) // it begins a quotation
			s.unmatched = true
			s.i++
			return false
		}
	}
	c := s.at(s.scroll(1))
	if isQuote(c) || c == '{' || c == '[' {
		s.i++
		return true
	}
	if c != ',' && c != ']' && c != '}' {
		s.i++
	}
	return false
}

func (p *parser) blankUntil(end int) bool {
	for off := 1; off < end; off++ {
		if c := p.at(off); c != eof && !python.IsSpace(c) {
			return false
		}
	}
	return true
}

// add appends characters to the text.
func (s *str) add(chars ...rune) {
	for _, c := range chars {
		s.text = append(s.text, c)
		switch c {
		case '{':
			s.braces++
		case '}':
			s.braces = max(0, s.braces-1)
		case '[':
			s.class = len(s.text)
		case ']':
			s.class = -1
		}
	}
}

// keep adds the current character to the text.
func (s *str) keep() {
	s.add(s.at(0))
	s.i++
}

// last is the last character of the text, 0 if it is empty.
func (s *str) last() rune {
	if len(s.text) == 0 {
		return 0
	}
	return s.text[len(s.text)-1]
}

// replaceLast puts characters in place of the backslash that ends the text.
func (s *str) replaceLast(chars ...rune) {
	s.text = s.text[:len(s.text)-1]
	s.add(chars...)
}

// finish returns the string, which ended at the character c.
func (s *str) finish(c rune) any {
	if s.bare && s.current() == inKey && c != eof && python.IsSpace(c) {
		s.skipSpace()
		if !s.is(0, ':', ',') {
			return "" // a comment instead of a key
		}
	}
	text := string(s.text)
	if c == s.right {
		s.i++
	} else {
		text = strings.TrimRightFunc(text, python.IsSpace)
	}
	if s.bare || strings.HasSuffix(text, "\n") {
		text = strings.TrimRightFunc(text, python.IsSpace)
	}
	return text
}

// escape handles the character c after a backslash; ok = it is consumed.
func (s *str) escape(c rune) (ok bool) {
	if c == '\\' && s.backslashes() {
		return true
	}
	values := map[rune]rune{'t': '\t', 'n': '\n', 'r': '\r', 'b': '\b', '\\': '\\', s.right: s.right}
	if v, known := values[c]; known {
		s.replaceLast(v)
		s.i++
		for s.last() == '\\' && s.is(0, s.right, '\\') {
			s.replaceLast(s.at(0))
			s.i++
		}
		return true
	}
	if c == 'u' || c == 'x' {
		digits := map[rune]int{'u': 4, 'x': 2}[c]
		code := rune(0)
		for off := 1; off <= digits; off++ {
			d := s.at(off)
			if d == eof || !unicode.Is(unicode.ASCII_Hex_Digit, d) {
				return false
			}
			code = code<<4 | hexValue(d)
		}
		s.replaceLast(code)
		s.i += 1 + digits
		return true
	}
	if isQuote(c) && c != s.right {
		s.replaceLast(c)
		s.i++
		return true
	}
	return false
}

func hexValue(d rune) rune {
	if d <= '9' {
		return d - '0'
	}
	return d&0xdf - 'A' + 10
}

// backslashes halves a run of an even number of backslashes.
func (s *str) backslashes() bool {
	end := 1
	for s.at(end) == '\\' {
		end++
	}
	run := end + 1 // with the one in the text
	after := s.at(s.scroll(end + 1))
	if run%2 != 0 || s.at(end) == s.right && after != eof && !strings.ContainsRune(",:}]", after) {
		return false
	}
	s.replaceLast([]rune(strings.Repeat(`\`, run/2))...)
	s.i += end
	return true
}
