package chat

import (
	"slices"
	"strings"

	"github.com/cogniverse/cogflow/prompt/python"
)

// Strict rewrites the schema of a response format for strict mode, as OpenAI's own library does
// with a program's schema on its way from DSPy: objects are closed, all of their properties are
// required and have no default, and nothing is beside a `$ref`. Where strict mode has no form for a schema, such as
// for an object with any keys, the format is not strict. Formats that are not strict are
// returned unchanged, and the argument is never changed.
func Strict(format *python.Object) *python.Object {
	inner, ok := member(format, jsonSchema)
	if !ok {
		return format
	}
	schema, ok := member(inner, "schema")
	if on, _ := inner.Get("strict"); !ok || on != true {
		return format
	}
	s := strict{root: schema, left: maxResolved}
	format, inner = format.Copy(), inner.Copy()
	inner.Set("schema", s.rewrite(schema, nil))
	inner.Set("strict", !s.open)
	format.Set(jsonSchema, inner)
	return format
}

func member(o *python.Object, key string) (*python.Object, bool) {
	v, _ := o.Get(key)
	inner, ok := v.(*python.Object)
	return inner, ok
}

// maxResolved limits the references that are resolved: nested classes can double their number
// at each level.
const maxResolved = 2000

type strict struct {
	root *python.Object
	left int  // references that may still be resolved
	open bool // the schema has a part that strict mode does not support
}

// rewrite returns a rewritten copy of a schema. within are the references that are being
// resolved: a class that contains itself stays a reference, without its siblings.
func (s *strict) rewrite(schema *python.Object, within []string) *python.Object {
	out := schema.Copy()
	if ref, ok := out.Get("$ref"); ok && out.Len() > 1 {
		name, _ := ref.(string)
		target, found := s.resolve(name)
		if s.left--; !found || s.left < 0 || slices.Contains(within, name) {
			return python.NewObject("$ref", ref)
		}
		out.Delete("$ref")
		for _, key := range target.Keys() {
			if _, own := out.Get(key); !own {
				v, _ := target.Get(key)
				out.Set(key, v)
			}
		}
		return s.rewrite(out, append(slices.Clip(within), name))
	}
	for _, key := range []string{"properties", "$defs"} {
		if members, ok := member(out, key); ok {
			members = members.Copy()
			for _, name := range members.Keys() {
				if m, ok := member(members, name); ok {
					inner := within
					if key == "$defs" {
						inner = append(slices.Clip(within), "#/$defs/"+name)
					}
					members.Set(name, s.rewrite(m, inner))
				}
			}
			out.Set(key, members)
		}
	}
	if items, ok := member(out, "items"); ok {
		s.open = s.open || items.Len() == 0 // any value
		out.Set("items", s.rewrite(items, within))
	}
	if v, _ := out.Get("anyOf"); v != nil {
		out.Set("anyOf", s.list(v, within))
	}
	out.Delete("default") // all properties are required, and OpenAI refuses defaults
	s.close(out)
	return out
}

func (s *strict) list(v any, within []string) any {
	list, ok := v.([]any)
	if !ok {
		return v
	}
	list = slices.Clone(list)
	for i, one := range list {
		if o, ok := one.(*python.Object); ok {
			list[i] = s.rewrite(o, within)
		}
	}
	return list
}

// close requires all properties of an object and forbids others, and names the types of options.
func (s *strict) close(o *python.Object) {
	kind, typed := o.Get("type")
	if options, ok := o.Get("enum"); ok && !typed {
		o.Set("type", kinds(options))
	}
	if kind != "object" {
		return
	}
	if others, has := o.Get("additionalProperties"); has && others != false {
		s.open = true
		return
	}
	o.Set("additionalProperties", false)
	properties, _ := member(o, "properties")
	names := make([]any, 0, properties.Len())
	for _, name := range properties.Keys() {
		names = append(names, name)
	}
	o.Set("required", names)
}

// kinds lists the JSON types of options.
func kinds(options any) []any {
	list, _ := options.([]any)
	out := []any{}
	for _, option := range list {
		kind := "integer"
		switch option.(type) {
		case string:
			kind = "string"
		case bool:
			kind = "boolean"
		case float64:
			kind = "number"
		case nil:
			kind = "null"
		}
		if !slices.Contains(out, any(kind)) {
			out = append(out, kind)
		}
	}
	return out
}

// resolve returns the definition that a reference names.
func (s *strict) resolve(ref string) (*python.Object, bool) {
	at := s.root
	path, local := strings.CutPrefix(ref, "#/")
	if !local {
		return nil, false
	}
	for key := range strings.SplitSeq(path, "/") {
		inner, ok := member(at, key)
		if !ok {
			return nil, false
		}
		at = inner
	}
	return at, true
}
