package prompt

import (
	"errors"
	"fmt"

	"github.com/cogniverse/cogflow/prompt/python"
)

// defaultOf is the default of a field, and whether it has one.
func (f *Field) defaultOf() (any, bool, error) {
	if f.Default == nil {
		return nil, false, nil
	}
	v, err := python.Decode(string(f.Default))
	if err != nil {
		return nil, false, err
	}
	made, err := f.Coerce(v)
	return made, err == nil, err
}

// IsDefault reports whether a value equals the default of the field.
func (f *Field) IsDefault(v any) bool {
	given, ok, err := f.defaultOf()
	return ok && err == nil && python.Equal(given, v)
}

// checkDefault rejects a default that is not a value of the field.
func (f *Field) checkDefault() error {
	v, _, err := f.defaultOf()
	if err == nil && !python.IsFinite(v) {
		err = errors.New("a number is out of range")
	}
	if err != nil {
		return fmt.Errorf("its default: %w", err)
	}
	return nil
}

// addDefaults adds the defaults of the inputs that are missing, after the others.
func (p *Predictor) addDefaults(inputs *Object) {
	for i := range p.Inputs {
		f := &p.Inputs[i]
		if _, given := inputs.Get(f.Name); given {
			continue
		}
		if v, ok, err := f.defaultOf(); ok && err == nil { // Read has checked it
			inputs.Set(f.Name, v)
		}
	}
}

// missing is the value of an output that an answer lacks: its default, or null where null is
// allowed.
func (f *Field) missing() (v any, ok bool) {
	if v, ok, err := f.defaultOf(); ok && err == nil {
		return v, true
	}
	return nil, f.Nullable()
}
