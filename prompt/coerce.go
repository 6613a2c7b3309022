package prompt

import (
	"fmt"
	"math"
	"math/big"
	"reflect"
	"strconv"
	"strings"

	"github.com/cogniverse/cogflow/prompt/python"
)

// coerce converts v to the type, as pydantic does when it is not strict: "5" and 5.0 are
// integers, "yes" is a boolean, nothing becomes text.
func (t *Type) coerce(v any) (any, error) {
	var made any
	ok := false
	switch t.kind() {
	case Str:
		made, ok = v.(string)
	case Int:
		made, ok = toInt(v)
	case Float:
		made, ok = toFloat(v)
	case Bool:
		made, ok = toBool(v)
	case Literal:
		made, ok = t.option(v)
	case List:
		return t.coerceList(v)
	case Dict:
		return t.coerceDict(v)
	}
	if !ok {
		return nil, fmt.Errorf("%s is not a %s", python.Repr(v), t.Annotation())
	}
	return made, nil
}

// option finds the option that is v, or else the last one that equals it, as pydantic does:
// 1 and True are equal, and so are 1 and 1.0.
func (t *Type) option(v any) (found any, ok bool) {
	for _, o := range t.Options {
		if !python.Equal(o, v) {
			continue
		}
		if reflect.TypeOf(o) == reflect.TypeOf(v) {
			return o, true
		}
		found, ok = o, true
	}
	return found, ok
}

// offers says whether an option equals v.
func (t *Type) offers(v any) bool {
	_, ok := t.option(v)
	return ok
}

func toInt(v any) (any, bool) {
	switch x := v.(type) {
	case bool:
		if x {
			return int64(1), true
		}
		return int64(0), true
	case int64, *big.Int:
		return x, true
	case float64:
		if x != math.Trunc(x) || math.IsInf(x, 0) {
			return nil, false
		}
		if math.Abs(x) < 1<<63 {
			return int64(x), true
		}
		i, _ := big.NewFloat(x).Int(nil)
		return i, true
	case string:
		return intOfText(x)
	}
	return nil, false
}

// intOfText reads an integer: spaces around it, a sign, underscores between digits and a
// fraction of zeros are allowed.
func intOfText(text string) (any, bool) {
	digits, ok := plainNumber(text)
	if !ok {
		return nil, false
	}
	if whole, fraction, dot := strings.Cut(digits, "."); dot {
		if strings.Trim(fraction, "0") != "" || fraction == "" {
			return nil, false
		}
		digits = whole
	}
	sign := strings.TrimPrefix(digits, "+")
	if unsigned := strings.TrimPrefix(sign, "-"); unsigned == "" || strings.Trim(unsigned, "0123456789") != "" {
		return nil, false
	}
	v, err := python.Number(sign)
	return v, err == nil
}

// plainNumber strips spaces, and underscores that stand between digits.
func plainNumber(text string) (string, bool) {
	text = python.Strip(text)
	if strings.HasPrefix(text, "_") || strings.HasSuffix(text, "_") || strings.Contains(text, "__") ||
		strings.Contains(text, "-_") || strings.Contains(text, "+_") || strings.Contains(text, "_.") || strings.Contains(text, "._") {
		return "", false
	}
	return strings.ReplaceAll(text, "_", ""), true
}

func toFloat(v any) (any, bool) {
	switch x := v.(type) {
	case bool:
		if x {
			return 1.0, true
		}
		return 0.0, true
	case int64:
		return float64(x), true
	case *big.Int:
		f, _ := new(big.Float).SetInt(x).Float64()
		return f, !math.IsInf(f, 0)
	case float64:
		return x, true
	case string:
		text, ok := plainNumber(x)
		if !ok || strings.ContainsAny(text, "xXpP") {
			return nil, false
		}
		f, err := strconv.ParseFloat(text, 64)
		return f, err == nil || math.IsInf(f, 0) && strings.ContainsAny(text, "0123456789")
	}
	return nil, false
}

func toBool(v any) (any, bool) {
	switch x := v.(type) {
	case bool:
		return x, true
	case int64, float64:
		if python.Equal(x, int64(0)) || python.Equal(x, int64(1)) {
			return python.Equal(x, int64(1)), true
		}
	case string:
		switch strings.ToLower(x) {
		case "0", "off", "f", "false", "n", "no":
			return false, true
		case "1", "on", "t", "true", "y", "yes":
			return true, true
		}
	}
	return nil, false
}

func (t *Type) coerceList(v any) (any, error) {
	list, ok := v.([]any)
	if !ok {
		return nil, fmt.Errorf("%s is not a list", python.Repr(v))
	}
	if t.Items == nil {
		return list, nil
	}
	made := make([]any, len(list))
	for i, item := range list {
		var err error
		if made[i], err = t.Items.coerce(item); err != nil {
			return nil, fmt.Errorf("item %d: %w", i+1, err)
		}
	}
	return made, nil
}

func (t *Type) coerceDict(v any) (any, error) {
	dict, ok := v.(*Object)
	if !ok {
		return nil, fmt.Errorf("%s is not a %s", python.Repr(v), t.Annotation())
	}
	made := &Object{}
	if len(t.Fields) > 0 {
		for i := range t.Fields {
			f := &t.Fields[i]
			member, ok := dict.Get(f.Name)
			if !ok {
				return nil, fmt.Errorf("%s lacks %q", t.Class, f.Name)
			}
			value, err := f.coerce(member)
			if err != nil {
				return nil, fmt.Errorf("%s.%s: %w", t.Class, f.Name, err)
			}
			made.Set(f.Name, value)
		}
		return made, nil
	}
	for _, k := range dict.Keys() {
		member, _ := dict.Get(k)
		if t.Items != nil {
			value, err := t.Items.coerce(member)
			if err != nil {
				return nil, fmt.Errorf("key %q: %w", k, err)
			}
			member = value
		}
		made.Set(k, member)
	}
	return made, nil
}
