package repair

import (
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/cogniverse/cogflow/prompt/python"
)

// object reads members up to and including the closing brace.
func (p *parser) object() any {
	o := &python.Object{}
	start := p.i
	isValue := p.current() == inValue
	for p.err == nil {
		p.skipSpaceAndComments()
		if c := p.at(0); c == eof || c == '}' {
			break
		} else if c == ',' {
			p.i++
			continue
		} else if c == ':' {
			p.i++
		}
		key, keyAt := p.key(o)
		if _, twice := o.Get(key); twice && p.within(inArray) && !isValue && p.beginsNext(keyAt) {
			p.i = keyAt - 1 // another object, whose brace is missing
			p.s = slices.Insert(p.s, keyAt, '{')
			p.work += len(p.s) / 16
			break
		}
		p.skipSpaceAndComments()
		if c := p.at(0); c == eof || c == '}' {
			continue
		}
		p.i++ // the colon, or what replaces it
		o.Set(key, p.member())
		if p.is(0, ',', '\'', '"') {
			p.i++
		}
		if p.at(0) == ']' && p.within(inArray) {
			p.i--
			break
		}
	}
	p.i++
	if v, ok := p.notAnObject(o, start); ok {
		return v
	}
	return p.closeObject(o)
}

// closeObject handles the text after the end of an object.
func (p *parser) closeObject(o *python.Object) any {
	if len(p.stack) > 0 {
		if p.at(0) == '}' && p.current() == inArray {
			p.i++
		}
		return o
	}
	p.skipSpace()
	if p.at(0) != ',' {
		return o
	}
	p.i++
	p.skipSpace()
	if isQuote(p.at(0)) { // the members after the brace belong to the object
		if more, ok := p.object().(*python.Object); ok {
			for _, k := range more.Keys() {
				v, _ := more.Get(k)
				o.Set(k, v)
			}
		}
	}
	return o
}

// beginsNext reports whether a repeated key begins another object, instead of repeating a
// member.
func (p *parser) beginsNext(keyAt int) bool {
	i := keyAt - 1
	for i >= 0 && python.IsSpace(p.s[i]) {
		i--
	}
	ordinary := i >= 0 && p.s[i] == ',' && keyAt < len(p.s) && isQuote(p.s[keyAt]) && p.at(p.scroll(0)) == ':'
	return !ordinary
}

// key reads a key and returns where it began.
func (p *parser) key(o *python.Object) (string, int) {
	p.enter(inKey)
	defer p.leave()
	key, at := "", p.i
	for p.at(0) != eof && p.err == nil {
		at = p.i
		if p.at(0) == '[' && p.moreRows(o) {
			continue
		}
		raw := p.text()
		key, _ = raw.(string)
		if key == "" {
			p.skipSpaceAndComments()
		}
		if key != "" || p.is(0, ':', '}') {
			break
		}
		if p.i == at { // nothing was read: skip a character instead of looping
			p.i++
		}
	}
	return key, at
}

// moreRows reads an array in the place of a key, and appends it to the array of the previous
// member.
func (p *parser) moreRows(o *python.Object) bool {
	if o.Len() == 0 {
		return false
	}
	key := o.Keys()[o.Len()-1]
	before, _ := o.Get(key)
	list, ok := before.([]any)
	if !ok || key == "" {
		return false
	}
	p.i++
	o.Set(key, joinRows(list, p.array(']')))
	p.skipSpaceAndComments()
	if p.at(0) == ',' {
		p.i++
	}
	p.skipSpaceAndComments()
	return true
}

// joinRows appends more to list. If list is a table, its rows stay complete.
func joinRows(list, more []any) []any {
	width := 0
	for _, item := range list {
		if row, ok := item.([]any); ok {
			if width != 0 && len(row) != width {
				width = 0
				break
			}
			width = len(row)
		}
	}
	if width == 0 {
		if len(more) == 1 {
			if row, ok := more[0].([]any); ok {
				more = row
			}
		}
		return append(list, more...)
	}
	end := len(list)
	for end > 0 {
		if _, ok := list[end-1].([]any); ok {
			break
		}
		end--
	}
	if tail := slices.Clone(list[end:]); len(tail) > 0 && len(tail)%width == 0 {
		list = list[:end]
		for row := range slices.Chunk(tail, width) {
			list = append(list, slices.Clone(row))
		}
	}
	if len(more) == 0 {
		return list
	}
	for _, item := range more {
		if _, ok := item.([]any); !ok {
			return append(list, more)
		}
	}
	return append(list, more...)
}

// member reads a member's value.
func (p *parser) member() any {
	p.enter(inValue)
	defer p.leave()
	p.skipSpaceAndComments()
	if p.is(0, ',', '}') {
		return ""
	}
	return p.value()
}

// notAnObject reads braces without members again, as a set.
func (p *parser) notAnObject(o *python.Object, start int) (any, bool) {
	if o.Len() > 0 || p.i-start <= 2 {
		return nil, false
	}
	p.work += p.i - start
	body := string(p.s[start:min(p.i-1, len(p.s))])
	if p.at(-1) == '}' && python.Strip(stripComments(body)) == "" {
		return nil, false
	}
	// One character more than the braces: json_repair includes it.
	body = strings.TrimSuffix(string(p.s[start:min(p.i+1, len(p.s))]), "}")
	trimmed := strings.TrimLeftFunc(body, python.IsSpace)
	for _, quote := range []string{`\"`, `\'`} {
		if strings.HasPrefix(trimmed, quote) && strings.Contains(trimmed, quote+":") {
			end := min(p.i+1, len(p.s))
			clean := strings.NewReplacer(`\"`, `"`, `\'`, `'`).Replace(string(p.s[start:end]))
			p.s = slices.Concat(p.s[:start:start], []rune(clean), p.s[end:])
			p.i = start
			p.enter(inKey)
			v := p.object()
			p.leave()
			p.deferred = append(p.deferred, inKey)
			return v, true
		}
	}
	trimmed = strings.TrimLeftFunc(stripComments(trimmed), python.IsSpace)
	if trimmed == "" || hasOpenColon(trimmed) {
		return nil, false
	}
	p.i = start
	p.enter(inKey)
	v := p.array(']')
	p.leave()
	p.deferred = append(p.deferred, inKey)
	return v, true
}

// stripComments removes comments outside of quotes.
func stripComments(body string) string {
	p := &parser{s: []rune(body)}
	var b strings.Builder
	for quote, escaped := eof, false; p.i < len(p.s); {
		c := p.s[p.i]
		switch {
		case escaped:
			escaped = false
		case c == '\\':
			escaped = true
		case quote != eof && c == quote:
			quote = eof
		case quote == eof && isQuote(c):
			quote = c
		case quote == eof && (c == '#' || c == '/' && p.is(1, '/', '*')):
			p.skipComment()
			continue
		}
		b.WriteRune(c)
		p.i++
	}
	return b.String()
}

// hasOpenColon reports whether there is a colon outside of quotes.
func hasOpenColon(text string) bool {
	quote, escaped := eof, false
	for _, c := range text {
		switch {
		case escaped:
			escaped = false
		case c == '\\':
			escaped = true
		case quote != eof:
			if c == quote {
				quote = eof
			}
		case isQuote(c):
			quote = c
		case c == ':':
			return true
		}
	}
	return false
}

// array reads items up to the closing bracket.
func (p *parser) array(closing rune) []any {
	isValue := p.current() == inValue
	p.enter(inArray)
	defer p.leave()
	list := []any{}
	for p.err == nil {
		p.skipSpaceAndComments()
		c := p.at(0)
		if c == eof || c == closing || c == '}' {
			break
		}
		if c == ',' {
			p.i++
			continue
		}
		var item any
		switch {
		case !isQuote(c):
			item = p.value()
		case p.at(p.scroll(p.skipTo(1, c)+1)) != ':':
			item = p.text()
		case isValue && len(list) > 0 && allScalars(list): // the next member of the enclosing object
			return list
		default:
			item = p.object() // its brace is missing
		}
		switch {
		case isEmpty(item) && !p.is(0, closing, ','):
			p.i++
		case item == any("...") && p.at(-1) == '.':
		default:
			list = append(list, item)
		}
	}
	p.i++
	return list
}

func isEmpty(v any) bool {
	switch x := v.(type) {
	case string:
		return x == ""
	case []any:
		return len(x) == 0
	case *python.Object:
		return x.Len() == 0
	}
	return false
}

func allScalars(list []any) bool {
	return !slices.ContainsFunc(list, func(v any) bool {
		k := kindOf(v)
		return k == kindOf([]any(nil)) || k == kindOf(&python.Object{})
	})
}

// number reads a number. A number with thousands separators, or before letters, stays text.
func (p *parser) number() any {
	start := p.i
	var digits []rune
	for {
		c := p.at(0)
		exponentSign := c == '+' && len(digits) > 0 && (digits[len(digits)-1]|0x20) == 'e'
		if !strings.ContainsRune("0123456789-.eE/,_", c) && !exponentSign || c == ',' && p.current() == inArray {
			break
		}
		if c != '_' {
			digits = append(digits, c)
		}
		p.i++
	}
	if unicode.IsLetter(p.at(0)) {
		p.i = start
		return p.text()
	}
	if n := len(digits); n > 0 && strings.ContainsRune("+-eE/,", digits[n-1]) {
		digits = digits[:n-1]
		p.i--
	}
	text := string(digits)
	if strings.Contains(text, ",") {
		return text
	}
	if strings.ContainsAny(text, ".eE") {
		if f, err := strconv.ParseFloat(text, 64); err == nil {
			return f
		}
		return text
	}
	if v, err := python.Number(text); err == nil {
		return v
	}
	return text
}
