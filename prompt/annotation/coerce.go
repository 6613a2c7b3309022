package annotation

import (
	"errors"
	"fmt"
	"math/big"
	"reflect"
	"slices"
	"strings"

	"github.com/cogniverse/cogflow/prompt/image"
	"github.com/cogniverse/cogflow/prompt/python"
)

// exactness is how closely a value fits a type; a union uses the type that fits most closely.
type exactness int

const (
	lax    exactness = iota // converted
	strict                  // an integer as a float
	exact                   // already a value of the type
)

// match is how closely a value and the values in it fit a type.
type match struct {
	exactness exactness
	fields    int // members of objects with a class that are set
	classes   bool
}

func (m *match) floor(e exactness) { m.exactness = min(m.exactness, e) }

// Coerce converts v to the type, as pydantic does when it is not strict: "5" and 5.0 are
// integers, "yes" is a boolean, and numbers are not converted to text.
func (t *Type) Coerce(v any) (any, error) { return t.coerce(v, &match{exactness: exact}) }

func (t *Type) coerce(v any, m *match) (any, error) {
	switch t.Base() {
	case List:
		return t.coerceList(v, m)
	case Dict:
		return t.coerceDict(v, m)
	case Union, Optional:
		return t.coerceUnion(v, m)
	case Image:
		return image.Of(v)
	default:
	}
	made, e, ok := t.scalar(v)
	if !ok {
		return nil, fmt.Errorf("%s is not a %s", python.Repr(v), t.Annotation())
	}
	m.floor(e)
	return made, nil
}

// scalar converts a value that contains no other values.
func (t *Type) scalar(v any) (made any, e exactness, ok bool) {
	e = lax
	if b, ok := v.(python.Bytes); ok && slices.Contains([]Kind{Str, Int, Float, Date, Datetime}, t.Base()) {
		made, _, ok = t.scalar(string(b))
		return made, lax, ok
	}
	switch t.Base() {
	case Str:
		made, ok = v.(string)
		e = exact
	case Null:
		ok, e = v == nil, exact
	case Int:
		made, ok = toInt(v)
		e = ifSame(made, v)
	case Float:
		if made, ok = toFloat(v); isInt(v) {
			return made, strict, ok
		}
		e = ifSame(made, v)
	case Bool:
		made, ok = toBool(v)
		e = ifSame(made, v)
	case Literal:
		made, ok = t.option(v)
		e = exact
	case Enum:
		made, ok = t.option(v)
	case Date:
		made, ok = toDate(v)
	case Datetime:
		made, ok = toDatetime(v)
	default:
	}
	return made, e, ok
}

func isInt(v any) bool {
	switch v.(type) {
	case int64, *big.Int:
		return true
	}
	return false
}

// ifSame is exact if a conversion kept the type of a value.
func ifSame(made, v any) exactness {
	if reflect.TypeOf(made) == reflect.TypeOf(v) {
		return exact
	}
	return lax
}

// coerceUnion uses the alternative that fits most closely; in a tie, the first one. Objects
// with classes are first compared by their number of members.
func (t *Type) coerceUnion(v any, m *match) (any, error) {
	var best any
	var found *match
	var reasons []string
	for _, a := range t.alternatives() {
		if a.Base() == Null && v != nil && t.HoldsImages() {
			continue // the reason is that of the image
		}
		now := &match{exactness: exact}
		made, err := a.coerce(v, now)
		if err != nil {
			reasons = append(reasons, err.Error())
			continue
		}
		if now.exactness == exact && !now.classes {
			best, found = made, now
			break
		}
		if found == nil || found.less(now) {
			best, found = made, now
		}
	}
	if found == nil {
		return nil, errors.New(strings.Join(reasons, ", and "))
	}
	m.floor(found.exactness)
	m.fields, m.classes = m.fields+found.fields, m.classes || found.classes
	return best, nil
}

func (m *match) less(other *match) bool {
	if m.classes && other.classes && m.fields != other.fields {
		return m.fields < other.fields
	}
	return m.exactness < other.exactness
}

// option finds the option with the value and the type of v, or else the last option that
// equals v, as pydantic does: 1 equals True and 1.0.
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

// Offers reports whether an option equals v.
func (t *Type) Offers(v any) bool {
	_, ok := t.option(v)
	return ok
}

func (t *Type) coerceList(v any, m *match) (any, error) {
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
		if made[i], err = t.Items.coerce(item, m); err != nil {
			return nil, fmt.Errorf("item %d: %w", i+1, err)
		}
	}
	return made, nil
}

func (t *Type) coerceDict(v any, m *match) (any, error) {
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
			value, err := f.coerce(member, m)
			if err != nil {
				return nil, fmt.Errorf("%s.%s: %w", t.Class, f.Name, err)
			}
			made.Set(f.Name, value)
		}
		m.floor(strict)
		m.fields, m.classes = m.fields+len(t.Fields), true
		return made, nil
	}
	for _, k := range dict.Keys() {
		member, _ := dict.Get(k)
		if t.Items != nil {
			value, err := t.Items.coerce(member, m)
			if err != nil {
				return nil, fmt.Errorf("key %q: %w", k, err)
			}
			member = value
		}
		made.Set(k, member)
	}
	return made, nil
}

// FindMember finds the option of an enum that equals v, or whose member name is v.
func (t *Type) FindMember(v any) (any, error) {
	for _, o := range t.Options {
		if python.Equal(o, v) {
			return o, nil
		}
	}
	for i, o := range t.Options {
		if v == any(t.member(i)) {
			return o, nil
		}
	}
	return nil, fmt.Errorf("%s is not a value or a member of %s", python.Repr(v), t.Class)
}
