package repair

import (
	"slices"
	"strings"
	"unicode"

	"github.com/cogniverse/cogflow/prompt/python"
)

// parentheses reads a tuple; one value in parentheses is that value.
func (p *parser) parentheses() any {
	tuple := p.isTuple()
	p.i++
	list := p.array(')')
	if tuple || len(list) != 1 {
		return list
	}
	return list[0]
}

// nesting tracks brackets and quotes through a text.
type nesting struct {
	round, square, brace int
	quote                rune
	slashes              int
}

// outside reports whether c is outside of quotes, and updates the state.
func (n *nesting) outside(c rune) bool {
	if c == '\\' {
		n.slashes++
		return false
	}
	escaped := n.slashes%2 == 1
	n.slashes = 0
	switch {
	case n.quote != 0:
		if c == n.quote && !escaped {
			n.quote = 0
		}
		return false
	case isQuote(c) && !escaped:
		n.quote = c
		return false
	case c == '[':
		n.square++
	case c == ']' && n.square > 0:
		n.square--
	case c == '{':
		n.brace++
	case c == '}' && n.brace > 0:
		n.brace--
	}
	return true
}

func (n *nesting) flat() bool { return n.round == 0 && n.square == 0 && n.brace == 0 }

// isTuple reports whether this parenthesis opens a tuple: it is empty or has a comma
// outside of nested brackets.
func (p *parser) isTuple() bool {
	n := nesting{}
	content := false
	for _, c := range p.s[min(p.i+1, len(p.s)):] {
		flat := n.flat()
		plain := n.outside(c)
		if !plain {
			content = content || flat && n.quote != 0
			continue
		}
		content = content || flat && !python.IsSpace(c) && c != ',' && c != ')'
		switch {
		case c == '(':
			n.round++
		case c == ')' && n.flat():
			return !content
		case c == ')' && n.round > 0:
			n.round--
		case c == ',' && n.flat():
			return true
		}
	}
	return !content
}

// standsAlone reports whether this parenthesis is a value on a line of its own instead of
// part of a sentence.
func (p *parser) standsAlone() bool {
	for i := p.i - 1; i >= 0 && p.s[i] != '\n' && p.s[i] != '\r'; i-- {
		if !python.IsSpace(p.s[i]) {
			return false
		}
	}
	off := p.scroll(1)
	c := p.at(off)
	if c == eof {
		return false
	}
	inner := strings.ToLower(string(p.s[p.i+off : min(p.i+off+5, len(p.s))]))
	known := slices.ContainsFunc([]string{"true", "null", "none", "false"}, func(w string) bool {
		return strings.HasPrefix(inner, w)
	})
	if !known && !isQuote(c) && !unicode.IsDigit(c) && !strings.ContainsRune("){[(-.", c) {
		return false
	}
	n := nesting{}
	for i := p.i + 1; i < len(p.s); i++ {
		c := p.s[i]
		if !n.outside(c) {
			continue
		}
		switch {
		case c == '(':
			n.round++
		case c == ')' && n.flat():
			for i++; i < len(p.s) && p.s[i] != '\n' && p.s[i] != '\r'; i++ {
				if !python.IsSpace(p.s[i]) {
					return false
				}
			}
			return true
		case c == ')':
			n.round--
		}
	}
	return true
}
