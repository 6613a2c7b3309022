package prompt

import (
	"cmp"
	"slices"
	"strings"
	"unicode"

	"github.com/cogniverse/cogflow/prompt/python"
)

// schemaText is the JSON schema of a type as prompts show it: keys in order, but "type"
// first.
func schemaText(t *Type) string {
	definitions := &Object{}
	root := jsonSchema(t, definitions)
	if t.kind() == Dict && len(t.Fields) > 0 { // the outermost class is inlined, not referenced
		definitions.Delete(t.Class)
		root = classSchema(t, definitions)
		definitions.Delete(t.Class)
	}
	if definitions.Len() > 0 {
		root.Set("$defs", definitions)
	}
	return python.Dumps(typeFirst(root))
}

// jsonSchema is pydantic's schema of a type; classes go into definitions.
func jsonSchema(t *Type, definitions *Object) *Object {
	switch t.kind() {
	case Str:
	case Int:
		return python.NewObject("type", "integer")
	case Float:
		return python.NewObject("type", "number")
	case Bool:
		return python.NewObject("type", "boolean")
	case Literal:
		return literalSchema(t.Options)
	case List:
		items := &Object{}
		if t.Items != nil {
			items = jsonSchema(t.Items, definitions)
		}
		return python.NewObject("items", items, "type", "array")
	case Dict:
		if len(t.Fields) > 0 {
			if _, ok := definitions.Get(t.Class); !ok {
				definitions.Set(t.Class, nil) // its place, before the classes within
				definitions.Set(t.Class, classSchema(t, definitions))
			}
			return python.NewObject("$ref", "#/$defs/"+t.Class)
		}
		var values any = true
		if t.Items != nil {
			values = jsonSchema(t.Items, definitions)
		}
		return python.NewObject("additionalProperties", values, "type", "object")
	}
	return python.NewObject("type", "string")
}

func classSchema(t *Type, definitions *Object) *Object {
	properties, required := &Object{}, []any{}
	for i := range t.Fields {
		p := &t.Fields[i]
		schema := jsonSchema(&p.Type, definitions)
		if p.Desc != "" {
			schema.Set("description", p.Desc)
		}
		if _, ok := schema.Get("$ref"); !ok {
			schema.Set("title", titleOf(p.Name))
		}
		properties.Set(p.Name, schema)
		required = append(required, p.Name)
	}
	return python.NewObject("properties", properties, "required", required, "title", t.Class, "type", "object")
}

func literalSchema(options []any) *Object {
	schema := &Object{}
	if len(options) == 1 {
		schema.Set("const", options[0])
	} else {
		schema.Set("enum", options)
	}
	kinds := map[string]bool{}
	for _, o := range options {
		switch o.(type) {
		case string:
			kinds["string"] = true
		case bool:
			kinds["boolean"] = true
		default:
			kinds["integer"] = true
		}
	}
	if len(kinds) == 1 {
		for kind := range kinds {
			schema.Set("type", kind)
		}
	}
	return schema
}

// titleOf makes "Sub Field" of sub_field, as pydantic does.
func titleOf(name string) string {
	runes, inWord := []rune(name), false
	for i, r := range runes {
		if inWord {
			runes[i] = unicode.ToLower(r)
		} else {
			runes[i] = unicode.ToTitle(r)
		}
		inWord = unicode.IsLetter(r)
	}
	return strings.TrimSpace(strings.ReplaceAll(string(runes), "_", " "))
}

// typeFirst sorts all keys, "type" before the others.
func typeFirst(v any) any {
	switch x := v.(type) {
	case *Object:
		sorted := &Object{}
		keys := slices.SortedFunc(slices.Values(x.Keys()), func(a, b string) int {
			if a == "type" || b == "type" {
				return cmp.Compare(b2i(a != "type"), b2i(b != "type"))
			}
			return strings.Compare(a, b)
		})
		for _, k := range keys {
			member, _ := x.Get(k)
			sorted.Set(k, typeFirst(member))
		}
		return sorted
	case []any:
		list := make([]any, len(x))
		for i, item := range x {
			list[i] = typeFirst(item)
		}
		return list
	}
	return v
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// AnswerSchema is the schema of a JSON answer with these outputs, for providers that can
// enforce one. ok is false when an output takes any keys, which they do not support.
func AnswerSchema(outputs []Field) (schema *Object, ok bool) {
	class := &Type{Kind: Dict, Class: "DSPyProgramOutputs"}
	for _, f := range outputs {
		if f.kind() == Dict && len(f.Fields) == 0 {
			return nil, false
		}
		class.Fields = append(class.Fields, Property{Name: f.Name, Type: f.Type})
	}
	definitions := &Object{}
	schema = classSchema(class, definitions)
	if definitions.Len() > 0 {
		schema.Set("$defs", definitions)
	}
	closeObjects(schema)
	return schema, true
}

// closeObjects forbids undeclared members.
func closeObjects(schema *Object) {
	if kind, _ := schema.Get("type"); kind == "object" {
		schema.Set("additionalProperties", false)
		properties, _ := schema.Get("properties")
		members, ok := properties.(*Object)
		if !ok {
			members = &Object{}
			schema.Set("properties", members)
		}
		names := make([]any, 0, members.Len())
		for _, k := range members.Keys() {
			names = append(names, k)
			closeMember(members, k)
		}
		schema.Set("required", names)
	}
	closeMember(schema, "items")
	if v, _ := schema.Get("$defs"); v != nil {
		definitions := v.(*Object)
		for _, k := range definitions.Keys() {
			closeMember(definitions, k)
		}
	}
}

func closeMember(o *Object, key string) {
	if v, _ := o.Get(key); v != nil {
		if member, ok := v.(*Object); ok {
			closeObjects(member)
		}
	}
}
