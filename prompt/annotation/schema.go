package annotation

import (
	"cmp"
	"slices"
	"strings"
	"unicode"

	"github.com/cogniverse/cogflow/prompt/python"
)

// SchemaText is the JSON schema of a type as prompts show it: keys in order, but "type"
// first.
func (t *Type) SchemaText() string {
	definitions := &Object{}
	root := jsonSchema(t, definitions)
	if t.isClass() { // the outermost class is inlined, not referenced
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
	switch t.Base() {
	case Str, Image: // an image is never an output, so its schema is not shown
	case Int:
		return python.NewObject("type", "integer")
	case Float:
		return python.NewObject("type", "number")
	case Bool:
		return python.NewObject("type", "boolean")
	case Date:
		return python.NewObject("format", "date", "type", "string")
	case Datetime:
		return python.NewObject("format", "date-time", "type", "string")
	case Null:
		return python.NewObject("type", "null")
	case Literal:
		return literalSchema(t.Options)
	case Enum:
		definitions.Set(t.Class, t.enumSchema())
		return python.NewObject("$ref", "#/$defs/"+t.Class)
	case Union, Optional:
		return t.unionSchema(definitions)
	case List:
		items := &Object{}
		if t.Items != nil {
			items = jsonSchema(t.Items, definitions)
		}
		return python.NewObject("items", items, "type", "array")
	case Dict:
		if len(t.Fields) > 0 {
			if _, ok := definitions.Get(t.Class); !ok {
				definitions.Set(t.Class, nil) // reserves its position before the nested classes
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
		if !refers(schema) {
			schema.Set("title", titleOf(p.Name))
		}
		properties.Set(p.Name, schema)
		required = append(required, p.Name)
	}
	return python.NewObject("properties", properties, "required", required, "title", t.Class, "type", "object")
}

// unionSchema lists the alternatives, null last.
func (t *Type) unionSchema(definitions *Object) *Object {
	var list []any
	for _, a := range t.alternatives() {
		if a.Base() != Null {
			list = append(list, jsonSchema(a, definitions))
		}
	}
	if t.Nullable() {
		list = append(list, python.NewObject("type", "null"))
	}
	return python.NewObject("anyOf", list)
}

// refers reports whether a schema is a reference or an optional reference.
func refers(schema *Object) bool {
	if _, ok := schema.Get("$ref"); ok {
		return true
	}
	v, _ := schema.Get("anyOf")
	list, _ := v.([]any)
	if len(list) != 2 {
		return false
	}
	first, _ := list[0].(*Object)
	second, _ := list[1].(*Object)
	_, ok := first.Get("$ref")
	kind, _ := second.Get("type")
	return ok && kind == "null"
}

func (t *Type) enumSchema() *Object {
	schema := python.NewObject("enum", t.Options, "title", t.Class)
	setKind(schema, t.Options)
	return schema
}

func literalSchema(options []any) *Object {
	schema := &Object{}
	if len(options) == 1 {
		schema.Set("const", options[0])
	} else {
		schema.Set("enum", options)
	}
	setKind(schema, options)
	return schema
}

// setKind sets the type of the options if all have the same type.
func setKind(schema *Object, options []any) {
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

// RecordSchema is the schema of an object with these members, and of the nested classes.
func RecordSchema(class string, members []Property) *Object {
	definitions := &Object{}
	schema := classSchema(&Type{Kind: Dict, Class: class, Fields: members}, definitions)
	if definitions.Len() > 0 {
		schema.Set("$defs", definitions)
	}
	return schema
}
