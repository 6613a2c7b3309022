package vespatest

import "fmt"

// Decode reads the body of a put strictly against a schema: every field must
// be present with its type. Tensors are [][]float64, or [][]byte for int8; one row
// for a single vector.
func Decode(schema, body []byte) (map[string]any, error) {
	d, err := parseSchema(string(schema))
	if err != nil {
		return nil, err
	}
	fields, err := readFields(body)
	if err != nil {
		return nil, err
	}
	x := &document{values: map[string]any{}, tensors: map[string]*tensor{}, words: map[string][]string{}}
	for name, raw := range fields {
		f := d.fields[name]
		if f == nil {
			return nil, fmt.Errorf("field %s is not in the schema", name)
		}
		if err := x.set(f, raw); err != nil {
			return nil, fmt.Errorf("field %s: %w", name, err)
		}
	}
	for name, t := range x.tensors {
		x.values[name] = t.bytes
		if t.bytes == nil {
			x.values[name] = t.floats
		}
	}
	return x.values, nil
}
