package python

import (
	"errors"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"
)

// errLiteral is returned for a text that is not a literal; its callers need no details.
var errLiteral = errors.New("python: not a literal")

// Literal is ast.literal_eval(text) for the values that this package knows: None, booleans,
// numbers, strings, lists, dicts with string keys, and tuples and sets, which become lists.
func Literal(text string) (any, error) {
	p := &literalParser{text: strings.TrimLeft(text, " \t")}
	p.space(false)
	v, err := p.value()
	if err != nil {
		return nil, err
	}
	if p.peek() == ',' { // a tuple needs no parentheses
		list := []any{v}
		for p.take(',') {
			if p.end() {
				break
			}
			item, err := p.value()
			if err != nil {
				return nil, err
			}
			list = append(list, item)
		}
		v = list
	}
	if !p.end() {
		return nil, errLiteral
	}
	return v, nil
}

type literalParser struct {
	text   string
	at     int
	nested int // open brackets, within which a line may end
}

func (p *literalParser) peek() byte {
	if p.at < len(p.text) {
		return p.text[p.at]
	}
	return 0
}

// space skips blanks and comments, and line ends within brackets.
func (p *literalParser) space(lines bool) {
	for p.at < len(p.text) {
		switch c := p.text[p.at]; {
		case c == ' ' || c == '\t' || c == '\f':
			p.at++
		case (c == '\n' || c == '\r') && (lines || p.nested > 0):
			p.at++
		case c == '#':
			for p.at < len(p.text) && p.text[p.at] != '\n' {
				p.at++
			}
		default:
			return
		}
	}
}

func (p *literalParser) end() bool {
	p.space(true)
	return p.at == len(p.text)
}

func (p *literalParser) take(c byte) bool {
	if p.peek() != c {
		return false
	}
	p.at++
	p.space(false)
	return true
}

func (p *literalParser) value() (any, error) {
	if p.nested > 90 { // Python's parser has a limit too
		return nil, errLiteral
	}
	switch c := p.peek(); {
	case c == '[':
		return p.list(']')
	case c == '(':
		return p.parenthesized()
	case c == '{':
		return p.dict()
	case c == '+' || c == '-':
		p.at++
		p.space(false)
		v, err := p.number()
		if err != nil || c == '+' {
			return v, err
		}
		return negative(v), nil
	case c == '.' || c >= '0' && c <= '9':
		return p.number()
	}
	for name, v := range map[string]any{"None": nil, "True": true, "False": false} {
		if rest, ok := strings.CutPrefix(p.text[p.at:], name); ok {
			if r, _ := utf8.DecodeRuneInString(rest); rest != "" && (IsAlnum(r) || r == '_') {
				break
			}
			p.at += len(name)
			p.space(false)
			return v, nil
		}
	}
	return p.strings()
}

func negative(v any) any {
	switch x := v.(type) {
	case int64:
		return -x
	case *big.Int:
		return new(big.Int).Neg(x)
	case float64:
		return -x
	}
	return v
}

func (p *literalParser) list(closing byte) ([]any, error) {
	p.nested++
	p.at++
	p.space(true)
	list := []any{}
	for p.peek() != closing {
		item, err := p.value()
		if err != nil {
			return nil, err
		}
		list = append(list, item)
		if !p.take(',') && p.peek() != closing {
			return nil, errLiteral
		}
	}
	p.close()
	return list, nil
}

func (p *literalParser) close() {
	p.at++
	p.nested--
	p.space(false)
}

func (p *literalParser) parenthesized() (any, error) {
	start := p.at
	list, err := p.list(')')
	if err != nil {
		return nil, err
	}
	inside := strings.TrimRight(p.text[start:p.at], " \t\f\n\r")
	inside = strings.TrimRight(strings.TrimSuffix(inside, ")"), " \t\f\n\r")
	if len(list) == 1 && !strings.HasSuffix(inside, ",") {
		return list[0], nil // parentheses that only group
	}
	return list, nil
}

func (p *literalParser) dict() (any, error) {
	p.nested++
	p.at++
	p.space(true)
	dict, set := &Object{}, []any{}
	for p.peek() != '}' {
		key, err := p.value()
		if err != nil {
			return nil, err
		}
		if p.take(':') {
			name, ok := key.(string)
			if !ok || len(set) > 0 {
				return nil, errLiteral
			}
			v, err := p.value()
			if err != nil {
				return nil, err
			}
			dict.Set(name, v)
		} else {
			if dict.Len() > 0 {
				return nil, errLiteral
			}
			set = append(set, key)
		}
		if !p.take(',') && p.peek() != '}' {
			return nil, errLiteral
		}
	}
	p.close()
	if len(set) > 0 {
		return set, nil
	}
	return dict, nil
}

func (p *literalParser) number() (any, error) {
	start := p.at
	for p.at < len(p.text) {
		c := p.text[p.at]
		exponentSign := (c == '+' || c == '-') && p.at > start && (p.text[p.at-1]|0x20) == 'e' && !strings.HasPrefix(p.text[start:], "0x")
		if word := c == '.' || c == '_' || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'; !word && !exponentSign {
			break
		}
		p.at++
	}
	text := p.text[start:p.at]
	p.space(false)
	return pythonNumber(text)
}

func pythonNumber(text string) (any, error) {
	lower := strings.ToLower(text)
	prefixed := len(lower) > 1 && lower[0] == '0' && strings.ContainsRune("xob", rune(lower[1]))
	if text == "" || strings.HasPrefix(text, "_") || strings.HasSuffix(text, "_") || strings.Contains(text, "__") {
		return nil, errLiteral
	}
	if !prefixed && strings.ContainsAny(lower, ".e") {
		if strings.ContainsAny(lower, "xpinf") || strings.Contains(text, "_.") || strings.Contains(text, "._") {
			return nil, errLiteral
		}
		f, err := strconv.ParseFloat(strings.ReplaceAll(text, "_", ""), 64)
		if err != nil && !errors.Is(err, strconv.ErrRange) {
			return nil, errLiteral
		}
		return f, nil
	}
	if !prefixed && text[0] == '0' && strings.Trim(text, "0_") != "" {
		return nil, errLiteral // 007
	}
	base := 10
	if prefixed {
		base = 0
	}
	i, ok := new(big.Int).SetString(strings.ReplaceAll(text, "_", ""), base)
	switch {
	case !ok:
		return nil, errLiteral
	case i.IsInt64():
		return i.Int64(), nil
	}
	return i, nil
}
