// Package python reproduces Python's text, numbers, JSON and random numbers, so that
// prompts, saved programs and searches equal DSPy's. It does not depend on prompts.
//
// A value is nil (None), bool, string, int64, *big.Int (an integer beyond
// int64), float64, []any (a list) or *Object (a dict that keeps its order).
package python

import (
	"encoding/json"
	"errors"
	"maps"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// Object is a dict with string keys in insertion order. The zero value is empty; a nil
// Object reads as empty.
type Object struct {
	keys   []string
	values map[string]any
}

// NewObject returns a dict of alternating keys and values.
func NewObject(pairs ...any) *Object {
	o := &Object{}
	for i := 0; i+1 < len(pairs); i += 2 {
		o.Set(pairs[i].(string), pairs[i+1])
	}
	return o
}

// Set sets a key; an existing key keeps its position.
func (o *Object) Set(key string, value any) {
	if o.values == nil {
		o.values = map[string]any{}
	}
	if _, ok := o.values[key]; !ok {
		o.keys = append(o.keys, key)
	}
	o.values[key] = value
}

// Get returns the value of key and whether it exists.
func (o *Object) Get(key string) (any, bool) {
	if o == nil {
		return nil, false
	}
	v, ok := o.values[key]
	return v, ok
}

// Delete removes key.
func (o *Object) Delete(key string) {
	if _, ok := o.Get(key); !ok {
		return
	}
	delete(o.values, key)
	o.keys = slices.DeleteFunc(o.keys, func(k string) bool { return k == key })
}

// Keys lists the keys in order; the caller must not change the slice.
func (o *Object) Keys() []string {
	if o == nil {
		return nil
	}
	return o.keys
}

// Len counts the keys.
func (o *Object) Len() int { return len(o.Keys()) }

// Copy returns a shallow copy.
func (o *Object) Copy() *Object {
	if o == nil {
		return &Object{}
	}
	return &Object{keys: slices.Clone(o.keys), values: maps.Clone(o.values)}
}

// MarshalJSON writes the members in order.
func (o *Object) MarshalJSON() ([]byte, error) {
	for _, k := range o.Keys() {
		if f, ok := o.values[k].(float64); ok && (math.IsNaN(f) || math.IsInf(f, 0)) {
			return nil, &json.UnsupportedValueError{Str: Str(f)}
		}
	}
	return []byte(Dumps(o)), nil
}

// IsFinite reports whether a value has no NaN and no infinity, which JSON files cannot have.
func IsFinite(v any) bool {
	switch x := v.(type) {
	case float64:
		return !math.IsNaN(x) && !math.IsInf(x, 0)
	case []any:
		return !slices.ContainsFunc(x, func(item any) bool { return !IsFinite(item) })
	case *Object:
		return !slices.ContainsFunc(x.Keys(), func(k string) bool { return !IsFinite(x.values[k]) })
	}
	return true
}

// UnmarshalJSON reads a JSON object and keeps its order.
func (o *Object) UnmarshalJSON(text []byte) error {
	v, err := Decode(string(text))
	if err != nil {
		return err
	}
	object, ok := v.(*Object)
	if !ok {
		return errors.New("it is not a JSON object")
	}
	*o = *object
	return nil
}

// Number reads a JSON number: an integer unless it has a fraction or exponent.
func Number(text string) (any, error) {
	if strings.ContainsAny(text, ".eE") {
		f, err := strconv.ParseFloat(text, 64)
		if err != nil && !errors.Is(err, strconv.ErrRange) { // a number that is too large becomes infinite, as in Python
			return nil, err
		}
		return f, nil
	}
	if i, err := strconv.ParseInt(text, 10, 64); err == nil {
		return i, nil
	}
	if i, ok := new(big.Int).SetString(text, 10); ok {
		return i, nil
	}
	return nil, strconv.ErrSyntax
}

// Equal is Python's ==: it compares numbers by value, regardless of their type, and dicts
// regardless of their order.
func Equal(a, b any) bool {
	switch x := a.(type) {
	case nil:
		return b == nil
	case string:
		y, ok := b.(string)
		return ok && x == y
	case Custom:
		y, ok := b.(Custom)
		return ok && x.Text() == y.Text()
	case []any:
		y, ok := b.([]any)
		return ok && slices.EqualFunc(x, y, Equal)
	case *Object:
		y, ok := b.(*Object)
		if !ok || x.Len() != y.Len() {
			return false
		}
		for _, k := range x.Keys() {
			if v, ok := y.Get(k); !ok || !Equal(x.values[k], v) {
				return false
			}
		}
		return true
	}
	x, ok1 := rational(a)
	y, ok2 := rational(b)
	if ok1 && ok2 {
		return x.Cmp(y) == 0
	}
	fa, ok1 := a.(float64) // an infinity; NaN equals nothing
	fb, ok2 := b.(float64)
	return ok1 && ok2 && fa == fb
}

// rational returns a finite number's exact value; True is 1.
func rational(v any) (*big.Rat, bool) {
	switch x := v.(type) {
	case bool:
		if x {
			return big.NewRat(1, 1), true
		}
		return new(big.Rat), true
	case int64:
		return new(big.Rat).SetInt64(x), true
	case *big.Int:
		return new(big.Rat).SetInt(x), true
	case float64:
		r := new(big.Rat).SetFloat64(x)
		return r, r != nil
	}
	return nil, false
}
