package annotation

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Limits of a type.
const (
	MaxDepth   = 16
	maxOptions = 1000
	maxTypes   = 32 // of a union
)

// Check checks a type; classes collects the classes of a predictor, whose names must be
// unique.
func (t *Type) Check(classes map[string]*Type) error { return t.check(classes, MaxDepth) }

func (t *Type) check(classes map[string]*Type, depth int) error {
	if depth == 0 {
		return fmt.Errorf("its type is nested deeper than %d", MaxDepth)
	}
	if err := t.checkKeys(); err != nil {
		return err
	}
	switch t.Base() {
	case Str, Int, Float, Bool, Date, Datetime, Image:
		return nil
	case Literal:
		return checkOptions(t.Options)
	case Enum:
		return t.checkEnum(classes)
	case Optional:
		if t.Items == nil {
			return errors.New("an optional needs items, the type that it may have")
		}
		if t.Items.Base() != Union {
			return t.checkUnion([]*Type{t.Items, {Kind: Null}}, classes, depth)
		}
		if err := t.Items.check(classes, depth-1); err != nil {
			return err
		}
		return t.checkUnion(t.alternatives(), classes, depth)
	case Union:
		return t.checkUnion(t.Types, classes, depth)
	case List, Dict:
		if t.Items != nil {
			return t.Items.check(classes, depth-1)
		}
		if len(t.Fields) > 0 {
			return t.checkClass(classes, depth)
		}
		if t.Class != "" {
			return fmt.Errorf("class %q has no fields", t.Class)
		}
		return nil
	case Null:
		return errors.New("null is a type within a union only; use optional")
	case "audio", "file":
		return fmt.Errorf("unknown type %q: dspy.%s is not supported; of DSPy's media types, only image is", t.Kind, strings.ToUpper(string(t.Kind)[:1])+string(t.Kind)[1:])
	}
	return fmt.Errorf("unknown type %q; use str, int, float, bool, literal, enum, date, datetime, image, optional, union, list or object", t.Kind)
}

// checkKeys rejects keys that belong to another kind.
func (t *Type) checkKeys() error {
	base := t.Base()
	switch {
	case base != Literal && base != Enum && len(t.Options) > 0:
		return fmt.Errorf("a %s has no options; a literal has, and an enum", base)
	case base != Enum && len(t.Members) > 0:
		return fmt.Errorf("a %s has no members; an enum has", base)
	case base != Union && len(t.Types) > 0:
		return fmt.Errorf("a %s has no types; a union has", base)
	case base != Dict && len(t.Fields) > 0 || base != Dict && base != Enum && t.Class != "":
		return fmt.Errorf("a %s has no fields; an object has", base)
	case t.Items != nil && (base != List && base != Dict && base != Optional || len(t.Fields) > 0):
		return errors.New("items belong to a list, to an optional, or to an object without fields")
	}
	return nil
}

// checkUnion rejects unions that Python would simplify to another union.
func (t *Type) checkUnion(alternatives []*Type, classes map[string]*Type, depth int) error {
	if len(alternatives) < 2 || len(alternatives) > maxTypes {
		return fmt.Errorf("a union needs 2 to %d types", maxTypes)
	}
	for i, a := range alternatives {
		switch {
		case a == nil:
			return fmt.Errorf("type %d of the union is null", i+1)
		case a.alternatives() != nil || a.Base() == Optional || a.Base() == Union:
			return errors.New("a union within a union is not supported; list all types in one")
		case a.Base() == Image && len(alternatives) > 2 || a.Base() == Image && !t.Nullable():
			return errors.New("a union of image and another type is not supported; use optional, or a field for each type")
		}
		if slices.ContainsFunc(alternatives[:i], a.same) {
			return fmt.Errorf("%s is listed twice in the union", a.Annotation())
		}
		if a.Base() == Null {
			if err := a.checkKeys(); err != nil {
				return err
			}
			continue
		}
		if err := a.check(classes, depth-1); err != nil {
			return err
		}
	}
	return nil
}

// checkEnum checks the class of an enum.
func (t *Type) checkEnum(classes map[string]*Type) error {
	if err := t.register(classes); err != nil {
		return err
	}
	if err := checkOptions(t.Options); err != nil {
		return err
	}
	if len(t.Members) > 0 && len(t.Members) != len(t.Options) {
		return fmt.Errorf("enum %q has %d members and %d options; it needs one member per option", t.Class, len(t.Members), len(t.Options))
	}
	seen := map[string]bool{}
	for i, o := range t.Options {
		if _, ok := o.(bool); ok {
			return fmt.Errorf("option %v: an option of an enum is a string or an integer", o)
		}
		if name := t.member(i); seen[name] || len(t.Members) > 0 && !Name.MatchString(name) {
			return fmt.Errorf("enum %q: %q is not a member name, or is listed twice", t.Class, name)
		}
		seen[t.member(i)] = true
	}
	return nil
}

// register records a class under its name.
func (t *Type) register(classes map[string]*Type) error {
	if !Name.MatchString(t.Class) {
		return fmt.Errorf("an %s needs a class, the name that prompts show", t.Base())
	}
	if known, ok := classes[t.Class]; ok && !reflect.DeepEqual(known, t) {
		return fmt.Errorf("class %q has two different definitions", t.Class)
	}
	classes[t.Class] = t
	return nil
}

func (t *Type) checkClass(classes map[string]*Type, depth int) error {
	if err := t.register(classes); err != nil {
		return err
	}
	seen := map[string]bool{}
	for i := range t.Fields {
		p := &t.Fields[i]
		switch {
		case !Name.MatchString(p.Name):
			return fmt.Errorf("class %q: %q is not a field name", t.Class, p.Name)
		case seen[p.Name]:
			return fmt.Errorf("class %q has two fields named %q", t.Class, p.Name)
		}
		seen[p.Name] = true
		if err := p.check(classes, depth-1); err != nil {
			return fmt.Errorf("class %q, field %q: %w", t.Class, p.Name, err)
		}
	}
	return nil
}

func checkOptions(options []any) error {
	if len(options) == 0 || len(options) > maxOptions {
		return fmt.Errorf("it needs 1 to %d options", maxOptions)
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

// same reports whether two types of a union are the same type in Python.
func (t *Type) same(other *Type) bool {
	a, b := *t, *other
	a.Kind, b.Kind = a.Base(), b.Base()
	return reflect.DeepEqual(a, b)
}
