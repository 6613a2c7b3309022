package prompt

import (
	"errors"
	"fmt"
	"reflect"
)

// checkType checks a type; classes collects the named objects of a predictor, whose names
// must be unique.
func (t *Type) checkType(classes map[string]*Type, depth int) error {
	if depth == 0 {
		return fmt.Errorf("its type is nested deeper than %d", MaxTypeDepth)
	}
	if t.kind() != Literal && len(t.Options) > 0 {
		return fmt.Errorf("a %s has no options; a literal has", t.kind())
	}
	if t.kind() != Dict && (len(t.Fields) > 0 || t.Class != "") {
		return fmt.Errorf("a %s has no fields; an object has", t.kind())
	}
	if t.Items != nil && (t.kind() != List && t.kind() != Dict || len(t.Fields) > 0) {
		return errors.New("items belong to a list, or to an object without fields")
	}
	switch t.kind() {
	case Str, Int, Float, Bool:
		return nil
	case Literal:
		return checkOptions(t.Options)
	case List, Dict:
		if t.Items != nil {
			return t.Items.checkType(classes, depth-1)
		}
		if len(t.Fields) > 0 {
			return t.checkClass(classes, depth)
		}
		if t.Class != "" {
			return fmt.Errorf("class %q has no fields", t.Class)
		}
		return nil
	}
	return fmt.Errorf("unknown type %q; use str, int, float, bool, literal, list or object", t.Kind)
}

func (t *Type) checkClass(classes map[string]*Type, depth int) error {
	if !fieldName.MatchString(t.Class) {
		return errors.New("an object with fields needs a class, the name that prompts show")
	}
	if known, ok := classes[t.Class]; ok && !reflect.DeepEqual(known, t) {
		return fmt.Errorf("class %q has two different definitions", t.Class)
	}
	classes[t.Class] = t
	seen := map[string]bool{}
	for i := range t.Fields {
		p := &t.Fields[i]
		switch {
		case !fieldName.MatchString(p.Name):
			return fmt.Errorf("class %q: %q is not a field name", t.Class, p.Name)
		case seen[p.Name]:
			return fmt.Errorf("class %q has two fields named %q", t.Class, p.Name)
		}
		seen[p.Name] = true
		if err := p.checkType(classes, depth-1); err != nil {
			return fmt.Errorf("class %q, field %q: %w", t.Class, p.Name, err)
		}
	}
	return nil
}

func checkOptions(options []any) error {
	if len(options) == 0 || len(options) > maxOptionsOfALiteral {
		return fmt.Errorf("a literal needs 1 to %d options", maxOptionsOfALiteral)
	}
	seen := map[any]bool{}
	for _, o := range options {
		switch v := o.(type) {
		case string, bool, int64:
		case float64:
			if v != float64(int64(v)) {
				return fmt.Errorf("option %v: an option is a string, an integer or a boolean", o)
			}
		default:
			return fmt.Errorf("option %v: an option is a string, an integer or a boolean", o)
		}
		if seen[o] {
			return fmt.Errorf("option %v is listed twice", o)
		}
		seen[o] = true
	}
	return nil
}
