package repair

import (
	"slices"
	"unicode"

	"github.com/cogniverse/cogflow/prompt/python"
)

// scan reads to the end of the string and returns the character at that position.
func (s *str) scan() rune {
	for {
		c := s.at(0)
		if c == eof || c == s.right || s.bareEnd(c) {
			return c
		}
		if s.swallowContainer(c) {
			continue
		}
		value := s.current() == inValue
		if value && c == ',' && !s.pending && len(s.containers) == 0 {
			if s.comma() {
				return c
			}
			continue
		}
		if s.followContainer(c) {
			s.keep()
			continue
		}
		if value && c == '}' && s.last() != s.right {
			if s.braces > 0 {
				s.keep()
				continue
			}
			s.skipSpace()
			if s.braceEnds() {
				return s.at(0)
			}
		}
		if c == ']' && s.within(inArray) && s.last() != s.right && s.at(s.skipTo(0, s.right)) == eof {
			return c
		}
		if value && c == '}' {
			if stop, kept := s.lastBrace(); stop {
				return s.at(0)
			} else if kept {
				continue
			}
		}
		s.keep()
		if stop, c := s.afterChar(); stop {
			return c
		}
	}
}

// bareEnd reports whether an unquoted word ends at c.
func (s *str) bareEnd(c rune) bool {
	if !s.bare {
		return false
	}
	return s.current() == inKey && (c == ':' || python.IsSpace(c)) || s.current() == inArray && (c == ']' || c == ',')
}

// afterChar inspects the character after one that was read.
func (s *str) afterChar() (stop bool, c rune) {
	c = s.at(0)
	if c == eof {
		return true, c
	}
	if s.last() == '\\' && s.escape(c) {
		return false, c
	}
	c = s.at(0)
	if c == ':' && !s.bare && s.current() == inKey && s.keyEnds() {
		return true, c
	}
	if c != s.right {
		return false, c
	}
	if s.current() == inValue && s.inClass() {
		s.keep()
		return false, c
	}
	if len(s.text) > 0 && s.last() != '\\' {
		return s.quote()
	}
	return false, c
}

// inClass reports whether this quote is in a character class of a regular expression: it
// follows an opening bracket without a space, and a closing bracket follows.
func (s *str) inClass() bool {
	return s.class >= 0 && !slices.ContainsFunc(s.text[s.class:], python.IsSpace) && s.at(s.skipTo(1, ']')) == ']'
}

// keyEnds reports whether this colon ends a key whose closing quote is missing.
func (s *str) keyEnds() bool {
	off := s.skipTo(1, s.left)
	if s.at(off) == eof {
		return true
	}
	off = s.skipTo(off+1, s.right)
	if s.at(off) == eof {
		return false
	}
	c := s.at(s.scroll(off + 1))
	return c == ',' || c == '}'
}

// swallowContainer consumes a whole balanced container that belongs to the text.
func (s *str) swallowContainer(c rune) bool {
	if !isOpener(c) || s.last() == '\\' {
		return false
	}
	object := s.current() == inValue && c == '{' && s.at(-1) != '\\' && s.bareKeyAt(s.scroll(1))
	if !s.pending && !object {
		return false
	}
	end, ok := s.skipContainer(0)
	if !ok {
		return false
	}
	s.pending, s.containers = false, nil
	s.add(s.s[s.i : s.i+end]...)
	s.i += end
	return true
}

// followContainer tracks a container that belongs to the text, and reports whether c closes
// one.
func (s *str) followContainer(c rune) bool {
	if c == '{' || c == '[' {
		if s.pending {
			s.containers = append(s.containers, c)
			s.pending = false
			return false
		}
		if len(s.containers) > 0 {
			s.containers = append(s.containers, c)
		}
	}
	if n := len(s.containers); n > 0 && (c == '}' || c == ']') && s.containers[n-1] == c-2 {
		s.containers = s.containers[:n-1]
		return true
	}
	return false
}

// comma handles a comma in a member's text; end = the next member begins after it.
func (s *str) comma() (end bool) {
	if !s.lastQuote {
		switch s.behindComma() {
		case member:
			return true
		case container:
			s.pending = true
		case noQuote:
			s.lastQuote = true
		case prose:
		}
	}
	s.keep()
	return false
}

// behind is what follows a comma in a member's text.
type behind int

const (
	prose behind = iota
	member
	container
	noQuote // prose without a further quote
)

func (s *str) behindComma() behind {
	is := func(yes bool) behind {
		if yes {
			return member
		}
		return prose
	}
	next := s.scroll(1)
	c := s.at(next)
	switch {
	case c == '}' || c == eof:
		return member
	case isQuote(c):
		end := s.skipTo(next+1, c)
		return is(s.at(end) != eof && s.at(s.scroll(end+1)) == ':')
	case c == '`':
		return is(s.at(s.scroll(s.afterWord(next+1))) == ':')
	case python.IsAlnum(c) || c == '_':
		if colon := s.scroll(s.afterWord(next)); s.at(colon) == ':' && s.goodValueAt(colon+1) {
			return member
		}
	case c == '{' || c == '[':
		return container
	}
	special := s.skipTo(next, '"', '\'', '“', '”', '{', '[')
	switch c := s.at(special); c {
	case eof:
		return noQuote
	case '{', '[':
		return prose
	default:
		end := s.skipTo(special+1, c)
		return is(s.at(end) != eof && s.at(s.scroll(end+1)) == ':')
	}
}

// goodValueAt reports whether the text at off can only be a member's value.
func (s *str) goodValueAt(off int) bool {
	off = s.scroll(off)
	c := s.at(off)
	if isQuote(c) || c == '{' || c == '[' || c == '-' || unicode.IsDigit(c) {
		return true
	}
	for _, word := range []string{"true", "false", "null"} {
		if end := s.at(off + len(word)); s.has(off, word) && (end == eof || python.IsSpace(end) || end == ',' || end == '}' || end == ']') {
			return true
		}
	}
	return s.at(s.skipTo(off, '"', '\'', '“', '”', '}')) == '}'
}
