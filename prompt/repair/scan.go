package repair

import (
	"slices"

	"github.com/cogniverse/cogflow/prompt/python"
)

func isQuote(c rune) bool { return c == '"' || c == '\'' || c == '“' || c == '”' }

// at returns the character at offset off from the current one. A position before the
// beginning counts from the end, as a negative index does in Python.
func (p *parser) at(off int) rune {
	i := p.i + off
	if i < 0 {
		i += len(p.s)
	}
	if i < 0 || i >= len(p.s) {
		return eof
	}
	return p.s[i]
}

func (p *parser) is(off int, chars ...rune) bool { return slices.Contains(chars, p.at(off)) }

// scroll returns the first offset, starting at off, that is not at a space.
func (p *parser) scroll(off int) int {
	for p.i+off >= 0 && python.IsSpace(p.at(off)) {
		off++
	}
	return off
}

func (p *parser) skipSpace() {
	for p.i < len(p.s) && python.IsSpace(p.s[p.i]) {
		p.i++
	}
}

// spend counts a character that is inspected ahead. After maxWork characters, parsing ends
// with an error.
func (p *parser) spend() bool {
	if p.work++; p.work <= maxWork {
		return true
	}
	p.err = errTooHard
	p.i = len(p.s)
	return false
}

// skipTo returns the first offset, starting at off, with an unescaped target; the end of the
// text if there is none.
func (p *parser) skipTo(off int, targets ...rune) int {
	slashes := 0
	for i := p.i + off; i < len(p.s) && p.spend(); i++ {
		c := p.s[i]
		if c == '\\' {
			slashes++
			continue
		}
		if slashes%2 == 0 && slices.Contains(targets, c) {
			return i - p.i
		}
		slashes = 0
	}
	return len(p.s) - p.i
}

// current is the kind of value that the parser is in, 0 outside of any value.
func (p *parser) current() where {
	if len(p.stack) == 0 {
		return 0
	}
	return p.stack[len(p.stack)-1]
}

// within reports whether any enclosing value is of that kind.
func (p *parser) within(w where) bool { return slices.Contains(p.stack, w) }

func (p *parser) enter(w where) { p.stack = append(p.stack, w) }

func (p *parser) leave() {
	if len(p.stack) > 0 {
		p.stack = p.stack[:len(p.stack)-1]
	}
}

func (p *parser) skipSpaceAndComments() {
	for {
		p.skipSpace()
		if c := p.at(0); c != '#' && (c != '/' || !p.is(1, '/', '*')) {
			return
		}
		p.skipComment()
	}
}

func (p *parser) skipComment() {
	switch c := p.at(0); {
	case c == '#' || c == '/' && p.at(1) == '/':
		ends := []rune{'\n', '\r', eof}
		if c == '#' {
			if p.within(inArray) {
				ends = append(ends, ']')
			}
			if p.within(inValue) {
				ends = append(ends, '}')
			}
			if p.within(inKey) {
				ends = append(ends, ':')
			}
		}
		for !slices.Contains(ends, p.at(0)) {
			p.i++
		}
	case c == '/' && p.at(1) == '*':
		p.i += 2
		for previous := '*'; p.at(0) != eof; {
			c := p.at(0)
			p.i++
			if previous == '*' && c == '/' {
				break
			}
			previous = c
		}
	case c == '/':
		p.i++
	}
}

// afterComments is scroll that also skips comments.
func (p *parser) afterComments(off int) int {
	off = p.scroll(off)
	for {
		switch c := p.at(off); {
		case c == '#' || c == '/' && p.at(off+1) == '/':
			for !slices.Contains([]rune{'\n', '\r', eof}, p.at(off)) {
				off++
			}
		case c == '/' && p.at(off+1) == '*':
			for off += 2; p.at(off) != '*' || p.at(off+1) != '/'; off++ {
				if p.at(off) == eof {
					return off
				}
			}
			off += 2
		default:
			return off
		}
		off = p.scroll(off)
	}
}

// bareKeyAt reports whether an unquoted key and its colon are at off.
func (p *parser) bareKeyAt(off int) bool {
	c := p.at(off)
	if !python.IsAlnum(c) && c != '_' {
		return false
	}
	return p.at(p.scroll(p.afterWord(off))) == ':'
}

// afterWord returns the offset after letters, digits, underscores and hyphens.
func (p *parser) afterWord(off int) int {
	for c := p.at(off); python.IsAlnum(c) || c == '_' || c == '-'; c = p.at(off) {
		off++
	}
	return off
}

func closingQuote(c rune) rune {
	if c == '“' {
		return '”'
	}
	return c
}

// memberAt reports whether a key and its colon are at off.
func (p *parser) memberAt(off int) bool {
	c := p.at(off)
	if isQuote(c) {
		end := closingQuote(c)
		off = p.skipTo(off+1, end)
		return p.at(off) == end && p.at(p.scroll(off+1)) == ':'
	}
	return p.bareKeyAt(off)
}

func isOpener(c rune) bool { return c == '[' || c == '{' || c == '(' }

func closer(c rune) rune {
	if c == '(' {
		return ')'
	}
	return c + 2
}

// skipContainer returns the offset after the balanced container at off, and whether there
// is one.
func (p *parser) skipContainer(off int) (int, bool) {
	if !isOpener(p.at(off)) {
		return off, true
	}
	stack := []rune{closer(p.at(off))}
	for off++; ; off++ {
		switch c := p.at(off); {
		case c == eof || !p.spend():
			return 0, false
		case isQuote(c):
			end := closingQuote(c)
			if off = p.skipTo(off+1, end); p.at(off) != end {
				return 0, false
			}
		case isOpener(c) && p.opensNested(off):
			stack = append(stack, closer(c))
		case c == stack[len(stack)-1]:
			if stack = stack[:len(stack)-1]; len(stack) == 0 {
				return off + 1, true
			}
		}
	}
}

// opensNested reports whether the bracket at off opens a value instead of being prose.
func (p *parser) opensNested(off int) bool {
	opening := p.at(off)
	previous := off - 1
	for previous >= 0 && python.IsSpace(p.at(previous)) {
		previous--
	}
	if previous < 0 || p.at(previous) == eof || isOpener(p.at(previous)) {
		return true
	}
	if !p.is(previous, ',', ':') {
		return false
	}
	next := p.scroll(off + 1)
	c := p.at(next)
	if opening != '{' {
		return isQuote(c) || isOpener(c) || slices.Contains([]rune("])-tfn"), c) || c >= '0' && c <= '9'
	}
	return c == '}' || isQuote(c) || p.at(previous) == ':' && p.bareKeyAt(next)
}
