package repair

import (
	"unicode"
)

// braceEnds reports whether this brace closes the object around a text whose closing quote
// is missing.
func (s *str) braceEnds() bool {
	missing := s.at(1) != '\\'
	off := s.skipTo(1, s.right)
	if s.at(off) == eof {
		if s.at(s.skipTo(1, ':')) != eof {
			return true
		}
		space := s.scroll(1)
		return missing && s.skipTo(space, '}')-space <= 1
	}
	off = s.scroll(off + 1)
	if c := s.at(off); c == eof || c == ',' || c == '}' {
		return false
	}
	off = s.skipTo(off, s.left)
	if s.at(off) == eof {
		return false
	}
	c := s.at(s.scroll(off + 1))
	return missing && (c == eof || c == ':')
}

// lastBrace handles a brace at the end of the text or of a code block: stop = it
// closes the object, kept = it is text.
func (s *str) lastBrace() (stop, kept bool) {
	off := s.scroll(1)
	if s.has(off, "```") {
		if s.fenceIsText(off) {
			s.keep()
			return false, true
		}
		return true, false
	}
	return s.at(off) == eof, false
}

// fenceIsText reports whether the fence at off, after a brace, is part of the text instead
// of the end of the enclosing block.
func (s *str) fenceIsText(off int) bool {
	search := off + 3
	container := false
	if next := s.afterComments(search); isOpener(s.at(next)) {
		if end, ok := s.skipContainer(next); ok {
			if s.memberFollows(end) {
				return false
			}
			container, search = true, end
		}
	}
	for quote := s.skipTo(search, s.right); s.at(quote) == s.right; quote = s.skipTo(quote+1, s.right) {
		if c := s.at(s.scroll(quote + 1)); c == ',' || c == '}' || c == ']' || c == eof {
			s.pending = s.pending || container
			return true
		}
	}
	return false
}

// memberFollows reports whether the object ends or continues after the container that ends
// at off.
func (s *str) memberFollows(off int) bool {
	off = s.scroll(off)
	if c := s.at(off); c != ',' {
		return c == '}' || c == eof
	}
	next := s.afterComments(off + 1)
	c := s.at(next)
	return c == '}' || c == eof || s.memberAt(next)
}

// quote decides whether a quote ends the string or belongs to it. A quote that belongs to
// it is consumed.
func (s *str) quote() (stop bool, c rune) {
	c = s.right
	switch {
	case s.doubled && s.at(1) == s.right:
		s.i++
		return false, c
	case s.bare && s.current() == inValue:
		if off := s.nextQuote(1); s.at(off) != eof && s.at(s.scroll(off+1)) == ':' {
			s.i-- // it opens the next key
			return true, s.at(0)
		}
		return false, c
	case s.unmatched:
		s.unmatched = false
		s.keep()
		return false, c
	}
	off := s.nextStop()
	next := s.at(off)
	if next == ',' && s.current() == inValue {
		off = s.skipTo(off+1, s.right)
		if c := s.at(s.scroll(off + 1)); c == '}' || c == ',' {
			s.keep() // another quote ends this member
		}
		return false, c
	}
	if next == s.right && s.at(off-1) != '\\' {
		return s.secondQuote(off)
	}
	return false, c
}

func (s *str) nextQuote(off int) int {
	for c := s.at(off); c != eof && c != s.right && c != s.left && s.spend(); c = s.at(off) {
		off++
	}
	return off
}

// nextStop returns the offset of the next quote, or of a character that may end the value
// before it.
func (s *str) nextStop() int {
	commaEnds := true
	for off := 1; ; off++ {
		c := s.at(off)
		if c == eof || c == s.right || c == s.left || !s.spend() {
			return off
		}
		commaEnds = commaEnds && !unicode.IsLetter(c)
		if s.within(inKey) && (c == ':' || c == '}') || s.within(inValue) && c == '}' ||
			s.within(inArray) && (c == ']' || c == ',') || commaEnds && s.current() == inValue && c == ',' {
			return off
		}
	}
}

// secondQuote handles a quote that is followed by another quote, at off, before any
// character that could end the value.
func (s *str) secondQuote(off int) (stop bool, c rune) {
	c = s.right
	value := s.current() == inValue
	follows := value && s.quotedMemberFollows(off)
	switch {
	case s.blankUntil(off) && !follows:
		return true, c
	case follows:
		s.keep()
	case value:
		off = s.skipTo(off+1, s.right) + 1
		for next := s.at(off); next != eof && next != ':'; next = s.at(off) {
			if next == ',' || next == ']' || next == '}' || next == s.right && s.at(off-1) != '\\' {
				break
			}
			off++
		}
		if s.at(off) != ':' {
			s.unmatched = !s.unmatched
			s.keep()
		}
	case s.current() == inArray:
		if !s.evenQuotes(off) {
			return true, c
		}
		s.unmatched = !s.unmatched
		s.keep()
	case s.current() == inKey:
		s.keep()
	}
	return false, c
}

// evenQuotes reports whether quotes come in pairs from off to the array's end.
func (s *str) evenQuotes(off int) bool {
	for {
		if off = s.skipTo(off+1, s.right, ']'); s.at(off) != s.right {
			return false
		}
		if off = s.skipTo(off+1, s.right, ']'); s.at(off) != s.right {
			return true
		}
	}
}

// quotedMemberFollows reports whether the next member follows the quote at off.
func (s *str) quotedMemberFollows(off int) bool {
	comma := s.scroll(off + 1)
	return s.at(comma) == ',' && s.memberAt(s.afterComments(comma+1))
}
