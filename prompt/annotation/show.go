package annotation

import (
	"reflect"
	"slices"
	"strings"

	"github.com/cogniverse/cogflow/prompt/python"
)

// Show is str(value) of a field's value in Python, where an object with fields
// is an instance of its class.
func (t *Type) Show(v any) string {
	if t.Base() == Enum {
		if i := t.place(v); i >= 0 {
			return t.Class + "." + t.member(i)
		}
	}
	dict, ok := v.(*Object)
	if !ok || t.Base() != Dict || len(t.Fields) == 0 {
		if text, isText := v.(string); isText {
			return text
		}
		return t.repr(v)
	}
	return strings.Join(t.members(dict), " ")
}

func (t *Type) members(dict *Object) []string {
	parts := make([]string, 0, len(t.Fields))
	for i := range t.Fields {
		f := &t.Fields[i]
		member, _ := dict.Get(f.Name)
		parts = append(parts, f.Name+"="+f.repr(member))
	}
	return parts
}

// repr is Python's repr of a value of the type.
func (t *Type) repr(v any) string {
	if t.Base() == Enum {
		if i := t.place(v); i >= 0 {
			return "<" + t.Class + "." + t.member(i) + ": " + python.Repr(t.Options[i]) + ">"
		}
	}
	for _, a := range t.alternatives() {
		if made, e, ok := a.scalar(v); ok && e == exact && a.Base() != Enum {
			return python.Repr(made)
		} else if _, err := a.Coerce(v); err == nil {
			return a.repr(v)
		}
	}
	switch x := v.(type) {
	case *Object:
		if t.Base() == Dict && len(t.Fields) > 0 {
			return t.Class + "(" + strings.Join(t.members(x), ", ") + ")"
		}
		if t.Base() == Dict && t.Items != nil {
			parts := make([]string, 0, x.Len())
			for _, k := range x.Keys() {
				member, _ := x.Get(k)
				parts = append(parts, python.Repr(k)+": "+t.Items.repr(member))
			}
			return "{" + strings.Join(parts, ", ") + "}"
		}
	case []any:
		if t.Base() == List && t.Items != nil {
			parts := make([]string, len(x))
			for i, item := range x {
				parts[i] = t.Items.repr(item)
			}
			return "[" + strings.Join(parts, ", ") + "]"
		}
	}
	return python.Repr(v)
}

// place is the index of the option of an enum with the value and the type of v; -1 = none.
func (t *Type) place(v any) int {
	return slices.IndexFunc(t.Options, func(o any) bool { return reflect.TypeOf(o) == reflect.TypeOf(v) && python.Equal(o, v) })
}
