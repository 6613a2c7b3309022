// Package annotation has the types of a predictor's fields, which Python calls their
// annotations: names, JSON schemas, and the conversion of values. The results equal those of
// DSPy 3.4 and pydantic. The package does not depend on predictors, prompts or answers.
package annotation

import (
	"regexp"
	"slices"
	"strings"

	"github.com/cogniverse/cogflow/prompt/python"
)

// Object is an ordered record.
type Object = python.Object

// Kind of a value.
type Kind string

// The kinds, by the names that program files use.
const (
	Str      Kind = "str" // the default
	Int      Kind = "int"
	Float    Kind = "float"
	Bool     Kind = "bool"
	Literal  Kind = "literal"  // one of Options
	Enum     Kind = "enum"     // of a class: one of Options, with the names in Members
	Date     Kind = "date"     // as 2026-01-02
	Datetime Kind = "datetime" // as 2026-01-02T03:04:05Z
	Optional Kind = "optional" // of Items, or null
	Union    Kind = "union"    // of Types
	Null     Kind = "null"     // within a union
	List     Kind = "list"     // of Items
	Dict     Kind = "object"   // with Fields, or any keys with values of Items
	Image    Kind = "image"    // of an input: a data URI, a URL, or {"url": …}
)

// Type describes the values of a field.
type Type struct {
	Kind    Kind       `json:"type,omitempty"`    // "" = str
	Options []any      `json:"options,omitempty"` // of a literal: strings, integers or booleans; of an enum: strings or integers
	Members []string   `json:"members,omitempty"` // of an enum: the name of each option; empty = the options themselves
	Items   *Type      `json:"items,omitempty"`   // of a list, an optional, or an object without fields; nil = anything
	Types   []*Type    `json:"types,omitempty"`   // of a union
	Class   string     `json:"class,omitempty"`   // of an enum, or of an object with fields: its class name in Python
	Fields  []Property `json:"fields,omitempty"`  // of an object
}

// Property is one member of an object; all are required.
type Property struct {
	Name string `json:"name"`
	Type
	Desc string `json:"desc,omitempty"`
}

// Name matches a valid name of a field, member or class.
var Name = regexp.MustCompile(`^[A-Za-z]\w*$`)

// Base returns the kind; the default is str.
func (t *Type) Base() Kind {
	if t.Kind == "" {
		return Str
	}
	return t.Kind
}

// isClass reports whether values have a named class with fields.
func (t *Type) isClass() bool { return t.Base() == Dict && len(t.Fields) > 0 }

// alternatives are the types of a union; null is the last one of an optional. Other
// types have none.
func (t *Type) alternatives() []*Type {
	switch t.Base() {
	case Union:
		return t.Types
	case Optional:
		if t.Items.Base() == Union {
			return append(slices.Clone(t.Items.Types), &Type{Kind: Null})
		}
		return []*Type{t.Items, {Kind: Null}}
	default:
		return nil
	}
}

// Nullable reports whether null is a value of the type.
func (t *Type) Nullable() bool { return t.offersKind(Null) }

func (t *Type) offersKind(kind Kind) bool {
	return slices.ContainsFunc(t.alternatives(), func(a *Type) bool { return a.Base() == kind })
}

// Annotation is the type's name in Python, as prompts show it.
func (t *Type) Annotation() string {
	switch t.Base() {
	case Literal:
		names := make([]string, len(t.Options))
		for i, o := range t.Options {
			if s, ok := o.(string); ok {
				names[i] = quoteOption(s)
			} else {
				names[i] = python.Str(o)
			}
		}
		return "Literal[" + strings.Join(names, ", ") + "]"
	case Enum:
		return t.Class
	case Null:
		return "NoneType"
	case Image:
		return "Image"
	case Union, Optional:
		var names []string
		for _, a := range t.alternatives() {
			names = append(names, a.Annotation())
		}
		return "Union[" + strings.Join(names, ", ") + "]"
	case List:
		if t.Items != nil {
			return "list[" + t.Items.Annotation() + "]"
		}
	case Dict:
		switch {
		case len(t.Fields) > 0:
			return t.Class
		case t.Items != nil:
			return "dict[str, " + t.Items.Annotation() + "]"
		}
		return "dict[str, Any]"
	default:
	}
	return string(t.Base())
}

func quoteOption(s string) string {
	switch {
	case !strings.Contains(s, "'"):
		return "'" + s + "'"
	case !strings.Contains(s, `"`):
		return `"` + s + `"`
	}
	return "'" + strings.ReplaceAll(s, "'", `\'`) + "'"
}

// Normalize converts options that are whole numbers to integers, because encoding/json
// decodes them as floats.
func (t *Type) Normalize() {
	for i, o := range t.Options {
		if f, ok := o.(float64); ok && f == float64(int64(f)) {
			t.Options[i] = int64(f)
		}
	}
	if t.Items != nil {
		t.Items.Normalize()
	}
	for _, a := range t.Types {
		if a != nil {
			a.Normalize()
		}
	}
	for i := range t.Fields {
		t.Fields[i].Normalize()
	}
}

// member is the name of option i of an enum.
func (t *Type) member(i int) string {
	if i < len(t.Members) {
		return t.Members[i]
	}
	return python.Str(t.Options[i])
}

// TakesTextAsIs reports whether text is used without parsing it: DSPy does not parse text for
// a union with both str and null.
func (t *Type) TakesTextAsIs() bool { return t.Nullable() && t.offersKind(Str) }
