package python

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode"
)

// Custom is a value of a class: how Python's str and repr write it. JSON has its text.
type Custom interface {
	Text() string
	Repr() string
}

// Str is str(v).
func Str(v any) string {
	switch x := v.(type) {
	case string:
		return x
	case Custom:
		return x.Text()
	}
	return Repr(v)
}

// Repr is repr(v).
func Repr(v any) string {
	switch x := v.(type) {
	case nil:
		return "None"
	case bool:
		if x {
			return "True"
		}
		return "False"
	case string:
		return reprString(x)
	case Bytes:
		return "b" + reprString(string(x))
	case Custom:
		return x.Repr()
	case int64:
		return strconv.FormatInt(x, 10)
	case *big.Int:
		return x.String()
	case float64:
		return reprFloat(x)
	case []any:
		items := make([]string, len(x))
		for i, item := range x {
			items[i] = Repr(item)
		}
		return "[" + strings.Join(items, ", ") + "]"
	case *Object:
		items := make([]string, 0, x.Len())
		for _, k := range x.Keys() {
			items = append(items, reprString(k)+": "+Repr(x.values[k]))
		}
		return "{" + strings.Join(items, ", ") + "}"
	}
	panic(fmt.Sprintf("python: %T is not a value", v))
}

// reprFloat writes the fewest digits that are parsed as x. It uses an exponent below 1e-4,
// and from 1e16.
func reprFloat(x float64) string {
	switch {
	case math.IsNaN(x):
		return "nan"
	case math.IsInf(x, 0):
		return strings.TrimPrefix(strconv.FormatFloat(x, 'f', -1, 64)[:1], "+") + "inf"
	}
	text := strconv.FormatFloat(x, 'e', -1, 64)
	mantissa, exponent, _ := strings.Cut(text, "e")
	if e, err := strconv.Atoi(exponent); err == nil && (e < -4 || e >= 16) {
		return mantissa + "e" + exponent
	}
	text = strconv.FormatFloat(x, 'f', -1, 64)
	if !strings.Contains(text, ".") {
		text += ".0"
	}
	return text
}

func reprString(s string) string {
	quote := '\''
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		quote = '"'
	}
	var b strings.Builder
	b.WriteRune(quote)
	for _, r := range s {
		switch {
		case r == quote || r == '\\':
			b.WriteRune('\\')
			b.WriteRune(r)
		case r == '\n':
			b.WriteString(`\n`)
		case r == '\r':
			b.WriteString(`\r`)
		case r == '\t':
			b.WriteString(`\t`)
		case unicode.IsPrint(r):
			b.WriteRune(r)
		case r < 0x100:
			fmt.Fprintf(&b, `\x%02x`, r)
		case r < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, r)
		default:
			fmt.Fprintf(&b, `\U%08x`, r)
		}
	}
	b.WriteRune(quote)
	return b.String()
}

// Dumps is json.dumps(v, ensure_ascii=False).
func Dumps(v any) string {
	var b strings.Builder
	dump(&b, v, -1, 0)
	return b.String()
}

// DumpsIndent is json.dumps(v, indent=indent, ensure_ascii=False).
func DumpsIndent(v any, indent int) string {
	var b strings.Builder
	dump(&b, v, indent, 0)
	return b.String()
}

func dump(b *strings.Builder, v any, indent, depth int) {
	switch x := v.(type) {
	case nil:
		b.WriteString("null")
	case bool:
		b.WriteString(strconv.FormatBool(x))
	case string:
		dumpString(b, x)
	case Custom:
		dumpString(b, x.Text())
	case float64:
		switch {
		case math.IsNaN(x):
			b.WriteString("NaN")
		case math.IsInf(x, 1):
			b.WriteString("Infinity")
		case math.IsInf(x, -1):
			b.WriteString("-Infinity")
		default:
			b.WriteString(reprFloat(x))
		}
	case []any:
		dumpAll(b, "[]", len(x), indent, depth, func(i int) { dump(b, x[i], indent, depth+1) })
	case *Object:
		dumpAll(b, "{}", x.Len(), indent, depth, func(i int) {
			dumpString(b, x.keys[i])
			b.WriteString(": ")
			dump(b, x.values[x.keys[i]], indent, depth+1)
		})
	default:
		b.WriteString(Repr(v)) // integers
	}
}

// dumpAll writes n items between two brackets; indent -1 = on one line.
func dumpAll(b *strings.Builder, brackets string, n, indent, depth int, item func(int)) {
	b.WriteByte(brackets[0])
	for i := range n {
		switch {
		case indent >= 0:
			if i > 0 {
				b.WriteByte(',')
			}
			b.WriteString("\n" + strings.Repeat(" ", indent*(depth+1)))
		case i > 0:
			b.WriteString(", ")
		}
		item(i)
	}
	if n > 0 && indent >= 0 {
		b.WriteString("\n" + strings.Repeat(" ", indent*depth))
	}
	b.WriteByte(brackets[1])
}

func dumpString(b *strings.Builder, s string) {
	b.WriteByte('"')
	for _, r := range s {
		switch r {
		case '"':
			b.WriteString(`\"`)
		case '\\':
			b.WriteString(`\\`)
		case '\n':
			b.WriteString(`\n`)
		case '\r':
			b.WriteString(`\r`)
		case '\t':
			b.WriteString(`\t`)
		case '\b':
			b.WriteString(`\b`)
		case '\f':
			b.WriteString(`\f`)
		default:
			if r < 0x20 {
				fmt.Fprintf(b, `\u%04x`, r)
			} else {
				b.WriteRune(r)
			}
		}
	}
	b.WriteByte('"')
}
