package python

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
)

// errJSON is returned for a text that is not JSON; its callers need no details.
var errJSON = errors.New("python: not JSON")

const maxNesting = 900 // Python stops near its recursion limit

// Decode is json.loads: it reads one JSON text with only white space around it, and accepts
// NaN and the infinities. Integers stay integers, members keep their order, and a repeated
// key has its last value.
func Decode(text string) (any, error) {
	v, end, err := DecodePrefix(text)
	if err != nil {
		return nil, err
	}
	if strings.Trim(text[end:], " \t\r\n") != "" {
		return nil, errJSON
	}
	return v, nil
}

// DecodePrefix reads the JSON value at the beginning of text, and returns the offset of its
// end.
func DecodePrefix(text string) (any, int, error) {
	d := &decoder{text: text}
	v, err := d.value(0)
	return v, d.at, err
}

type decoder struct {
	text string
	at   int
}

// next skips space and returns the next character; 0 at the end.
func (d *decoder) next() byte {
	for d.at < len(d.text) && strings.IndexByte(" \t\r\n", d.text[d.at]) >= 0 {
		d.at++
	}
	if d.at == len(d.text) {
		return 0
	}
	return d.text[d.at]
}

func (d *decoder) take(c byte) bool {
	if d.next() != c {
		return false
	}
	d.at++
	return true
}

func (d *decoder) value(depth int) (any, error) {
	if depth > maxNesting {
		return nil, errJSON
	}
	switch c := d.next(); {
	case c == '{':
		return d.object(depth)
	case c == '[':
		return d.list(depth)
	case c == '"':
		return d.string()
	case c == '-' || c >= '0' && c <= '9':
		if strings.HasPrefix(d.text[d.at:], "-Infinity") {
			d.at += len("-Infinity")
			return math.Inf(-1), nil
		}
		return d.number()
	}
	for _, c := range []struct {
		word  string
		value any
	}{{"null", nil}, {"true", true}, {"false", false}, {"NaN", math.NaN()}, {"Infinity", math.Inf(1)}} {
		if strings.HasPrefix(d.text[d.at:], c.word) {
			d.at += len(c.word)
			return c.value, nil
		}
	}
	return nil, errJSON
}

func (d *decoder) object(depth int) (any, error) {
	d.at++
	o := &Object{}
	if d.take('}') {
		return o, nil
	}
	for {
		if d.next() != '"' {
			return nil, errJSON
		}
		key, err := d.string()
		if err != nil {
			return nil, err
		}
		if !d.take(':') {
			return nil, errJSON
		}
		v, err := d.value(depth + 1)
		if err != nil {
			return nil, err
		}
		o.Set(key, v)
		if d.take('}') {
			return o, nil
		}
		if !d.take(',') {
			return nil, errJSON
		}
	}
}

func (d *decoder) list(depth int) (any, error) {
	d.at++
	list := []any{}
	if d.take(']') {
		return list, nil
	}
	for {
		v, err := d.value(depth + 1)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
		if d.take(']') {
			return list, nil
		}
		if !d.take(',') {
			return nil, errJSON
		}
	}
}

// string reads a string; encoding/json decodes its escapes.
func (d *decoder) string() (string, error) {
	start := d.at
	escaped := false
	for i := start + 1; i < len(d.text); i++ {
		switch d.text[i] {
		case '\\':
			escaped = true
			i++
		case '"':
			d.at = i + 1
			if !escaped && strings.IndexFunc(d.text[start:d.at], func(r rune) bool { return r < ' ' }) < 0 {
				return d.text[start+1 : i], nil
			}
			var s string
			err := json.Unmarshal([]byte(d.text[start:d.at]), &s)
			return s, err
		}
	}
	return "", errJSON
}

func (d *decoder) number() (any, error) {
	start := d.at
	digits := func() bool {
		first := d.at
		for d.at < len(d.text) && d.text[d.at] >= '0' && d.text[d.at] <= '9' {
			d.at++
		}
		return d.at > first
	}
	if d.text[d.at] == '-' {
		d.at++
	}
	if strings.HasPrefix(d.text[d.at:], "0") {
		d.at++
	} else if !digits() {
		return nil, errJSON
	}
	whole := d.at
	if strings.HasPrefix(d.text[d.at:], ".") {
		d.at++
		if !digits() {
			d.at = whole
		}
	}
	end := d.at
	if d.at < len(d.text) && d.text[d.at]|0x20 == 'e' {
		d.at++
		if d.at < len(d.text) && (d.text[d.at] == '+' || d.text[d.at] == '-') {
			d.at++
		}
		if !digits() {
			d.at = end
		}
	}
	return Number(d.text[start:d.at])
}
