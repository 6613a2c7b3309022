// Package repair reads the broken JSON that models write: with missing or stray quotes,
// brackets and commas, comments, code fences, surrounding prose, or Python's syntax. Its
// decisions equal those of json_repair, with which DSPy reads answers, so that cogflow and
// DSPy score an answer equally.
//
// The rules are those of json_repair by Stefano Baccianella, under the MIT License; see
// prompt/NOTICE. The code is new, and package conformance compares the two.
package repair

import (
	"errors"
	"slices"
	"unicode"

	"github.com/cogniverse/cogflow/prompt/python"
)

const (
	maxRunes = 1 << 18 // of broken text
	maxDepth = 200
	maxWork  = 1 << 24 // characters that are inspected: the search for a missing quote looks ahead repeatedly
)

// The reasons why a text is rejected.
var (
	errTooLong = errors.New("repair: the broken JSON is too long")
	errTooDeep = errors.New("repair: the broken JSON is nested too deeply")
	errTooHard = errors.New("repair: the broken JSON is too broken")
)

// Loads returns the value in text, as values of package python; "" if there is none.
func Loads(text string) (any, error) {
	if v, err := python.Decode(text); err == nil {
		return v, nil
	}
	p := &parser{s: []rune(text)}
	if len(p.s) > maxRunes {
		return nil, errTooLong
	}
	v := p.all()
	return v, p.err
}

// where is the kind of value that the parser is in.
type where int

const (
	inKey where = iota + 1
	inValue
	inArray
)

const eof = rune(-1)

type parser struct {
	s        []rune
	i        int
	stack    []where
	deferred []where // entered with the next value, after an object that turned out to be a set
	tried    bool    // goodJSON was already tried
	depth    int
	work     int
	err      error
}

// all reads every value in the text; it returns more than one value as a list.
func (p *parser) all() any {
	v := p.value()
	if p.i >= len(p.s) {
		return v
	}
	list := []any{v}
	for p.i < len(p.s) && p.err == nil {
		p.stack, p.deferred = nil, nil
		comma := p.afterComma()
		next := p.value()
		if !truthy(next) {
			p.i++
			continue
		}
		last := list[len(list)-1]
		if !comma && sameShape(last, next) || !truthy(last) { // a repetition, or an empty value
			list = list[:len(list)-1]
		}
		list = append(list, next)
	}
	if len(list) == 1 {
		return list[0]
	}
	return list
}

func (p *parser) afterComma() bool {
	if p.at(p.scroll(0)) == ',' {
		return true
	}
	i := p.i - 1
	for i >= 0 && python.IsSpace(p.s[i]) {
		i--
	}
	return i >= 0 && p.s[i] == ','
}

// value reads the next value; "" if there is none.
func (p *parser) value() any {
	p.depth++
	defer func() { p.depth-- }()
	if p.depth > maxDepth {
		p.err = errTooDeep
		p.i = len(p.s)
		return ""
	}
	if len(p.deferred) > 0 {
		entered := p.deferred
		p.deferred = nil
		p.stack = append(p.stack, entered...)
		v := p.value()
		p.stack = p.stack[:max(0, len(p.stack)-len(entered))]
		return v
	}
	first := p.i == 0 && len(p.stack) == 0
	for {
		c := p.at(0)
		if c == eof {
			return ""
		}
		if (c == '{' || c == '[') && p.proseAround() {
			if v, ok := p.goodJSON(); ok {
				return v
			}
		}
		inside := len(p.stack) > 0
		switch {
		case c == '{':
			p.i++
			return p.object()
		case c == '[':
			p.i++
			return p.array(']')
		case c == '(' && (inside || p.standsAlone()):
			return p.parentheses()
		case inside && (isQuote(c) || unicode.IsLetter(c)):
			return p.text()
		case inside && (unicode.IsDigit(c) || c == '-' || c == '.'):
			return p.number()
		case c == '#' || c == '/':
			return p.comment()
		case isQuote(c) && first:
			first = false
			if v, ok := p.lostBrace(c); ok {
				return v
			}
		}
		p.i++
	}
}

// comment skips comments; outside of any value it then continues reading.
func (p *parser) comment() any {
	for {
		p.skipComment()
		if len(p.stack) > 0 {
			return ""
		}
		p.skipSpace()
		if c := p.at(0); c != '#' && c != '/' {
			return p.value()
		}
	}
}

// proseAround reports whether anything except a comma surrounds the text's first array or
// object.
func (p *parser) proseAround() bool {
	if p.i != 0 {
		return true
	}
	var open []rune
	quoted, escaped := false, false
	for i, c := range p.s {
		switch {
		case quoted && escaped:
			escaped = false
		case quoted:
			escaped = c == '\\'
			quoted = c != '"'
		case c == '"':
			quoted = true
		case c == '{' || c == '[':
			open = append(open, c+2) // the closing bracket, in ASCII
		case c == '}' || c == ']':
			if len(open) == 0 || open[len(open)-1] != c {
				return false
			}
			if open = open[:len(open)-1]; len(open) > 0 {
				continue
			}
			behind := slices.IndexFunc(p.s[i+1:], func(c rune) bool { return !python.IsSpace(c) })
			return behind >= 0 && p.s[i+1+behind] != ','
		}
	}
	return false
}

// goodJSON reads a valid value here, once per text.
func (p *parser) goodJSON() (any, bool) {
	if p.tried || len(p.stack) > 0 {
		return nil, false
	}
	p.tried = true
	rest := string(p.s[p.i:])
	v, end, err := python.DecodePrefix(rest)
	if err != nil {
		return nil, false
	}
	p.i += len([]rune(rest[:end]))
	return v, true
}

// lostBrace reads a text that lacks only the brace before its first key.
func (p *parser) lostBrace(quote rune) (any, bool) {
	if p.scroll(-p.i) != 0 {
		return nil, false
	}
	off := p.skipTo(1, quote)
	if p.at(off) == eof || p.at(p.scroll(off+1)) != ':' {
		return nil, false
	}
	v, err := python.Decode("{" + string(p.s))
	if err != nil {
		return nil, false
	}
	p.i = len(p.s)
	return v, true
}

func truthy(v any) bool {
	switch x := v.(type) {
	case string:
		return x != ""
	case []any:
		return len(x) > 0
	case *python.Object:
		return x.Len() > 0
	}
	return v != nil && !python.Equal(v, false)
}

// sameShape reports whether two values have the same structure, regardless of their content.
func sameShape(a, b any) bool {
	switch x := a.(type) {
	case []any:
		y, ok := b.([]any)
		if !ok || len(x) != len(y) {
			return false
		}
		for i := range x {
			if !sameShape(x[i], y[i]) {
				return false
			}
		}
		return true
	case *python.Object:
		y, ok := b.(*python.Object)
		if !ok || x.Len() != y.Len() {
			return false
		}
		for _, k := range x.Keys() {
			v, _ := x.Get(k)
			w, ok := y.Get(k)
			if !ok || !sameShape(v, w) {
				return false
			}
		}
		return true
	}
	return kindOf(a) == kindOf(b)
}

func kindOf(v any) int {
	switch v.(type) {
	case nil:
		return 0
	case bool:
		return 1
	case string:
		return 2
	case float64:
		return 3
	case []any:
		return 5
	case *python.Object:
		return 6
	}
	return 4 // integers of either size
}
