package prompt

import "github.com/cogniverse/cogflow/prompt/annotation"

// AnswerSchema is the schema of a JSON answer with these outputs, for providers that can
// enforce one. ok is false when an output takes any keys, which they do not support.
func AnswerSchema(outputs []Field) (schema *Object, ok bool) {
	var members []Property
	for _, f := range outputs {
		if f.Base() == Dict && len(f.Fields) == 0 {
			return nil, false
		}
		members = append(members, Property{Name: f.Name, Type: f.Type})
	}
	schema = annotation.RecordSchema("DSPyProgramOutputs", members)
	closeObjects(schema)
	properties := member(schema, "properties")
	for i := range outputs {
		if v, ok, err := outputs[i].defaultOf(); ok && err == nil {
			member(properties, outputs[i].Name).Set("default", v)
		}
	}
	return schema, true
}

func member(o *Object, key string) *Object {
	v, _ := o.Get(key)
	found, ok := v.(*Object)
	if !ok {
		return &Object{}
	}
	return found
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
