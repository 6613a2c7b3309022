package prompt

import (
	"regexp"
	"strings"
	"unicode"

	"github.com/cogniverse/cogflow/prompt/python"
)

// Kind of a value.
type Kind string

// The kinds, by the names that program files use.
const (
	Str     Kind = "str" // the default
	Int     Kind = "int"
	Float   Kind = "float"
	Bool    Kind = "bool"
	Literal Kind = "literal" // one of Options
	List    Kind = "list"    // of Items
	Dict    Kind = "object"  // with Fields, or any keys with values of Items
)

// Type says what values a field takes.
type Type struct {
	Kind    Kind       `json:"type,omitempty"`    // "" = str
	Options []any      `json:"options,omitempty"` // of a literal: strings, integers or booleans
	Items   *Type      `json:"items,omitempty"`   // of a list, or of an object without fields; nil = anything
	Class   string     `json:"class,omitempty"`   // of an object with fields: its class name in Python
	Fields  []Property `json:"fields,omitempty"`  // of an object
}

// Property is one member of an object; all are required.
type Property struct {
	Name string `json:"name"`
	Type
	Desc string `json:"desc,omitempty"`
}

// Field is an input or an output of a predictor.
type Field struct {
	Name string `json:"name"`
	Type
	Desc   string `json:"desc,omitempty"`   // "" = none, which DSPy writes as ${name}
	Prefix string `json:"prefix,omitempty"` // "" = made from the name; shown to the proposer only
}

// kind returns the kind; the default is str.
func (t *Type) kind() Kind {
	if t.Kind == "" {
		return Str
	}
	return t.Kind
}

// Annotation is the type's name in Python, as prompts show it.
func (t *Type) Annotation() string {
	switch {
	case t.kind() == Literal:
		names := make([]string, len(t.Options))
		for i, o := range t.Options {
			if s, ok := o.(string); ok {
				names[i] = quoteOption(s)
			} else {
				names[i] = python.Str(o)
			}
		}
		return "Literal[" + strings.Join(names, ", ") + "]"
	case t.kind() == List && t.Items != nil:
		return "list[" + t.Items.Annotation() + "]"
	case t.kind() == Dict && len(t.Fields) > 0:
		return t.Class
	case t.kind() == Dict && t.Items != nil:
		return "dict[str, " + t.Items.Annotation() + "]"
	case t.kind() == Dict:
		return "dict[str, Any]"
	}
	return string(t.kind())
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

// description returns the field's text, "" if none was written.
func (f *Field) description() string {
	if f.Desc == "${"+f.Name+"}" {
		return ""
	}
	return f.Desc
}

// savedDescription is the description in DSPy's files.
func (f *Field) savedDescription() string {
	if f.Desc == "" {
		return "${" + f.Name + "}"
	}
	return f.Desc
}

// Label is the field's name for people: "Search Modality:".
func (f *Field) Label() string {
	if f.Prefix != "" {
		return f.Prefix
	}
	return inferLabel(f.Name) + ":"
}

// splitName are DSPy's rules for where a word begins in a name.
var splitName = []*regexp.Regexp{ //nolint:gochecknoglobals // compiled once
	regexp.MustCompile(`(.)([A-Z][a-z]+)`),
	regexp.MustCompile(`([a-z0-9])([A-Z])`),
	regexp.MustCompile(`([a-zA-Z])(\d)`),
	regexp.MustCompile(`(\d)([a-zA-Z])`),
}

func inferLabel(name string) string {
	for _, rule := range splitName {
		name = rule.ReplaceAllString(name, "${1}_${2}")
	}
	words := strings.Split(name, "_")
	for i, word := range words {
		if !isUpper(word) {
			words[i] = capitalize(word)
		}
	}
	return strings.Join(words, " ")
}

// isUpper is str.isupper().
func isUpper(word string) bool {
	return strings.ToUpper(word) == word && strings.ToLower(word) != word
}

// capitalize is str.capitalize().
func capitalize(word string) string {
	runes := []rune(strings.ToLower(word))
	if len(runes) > 0 {
		runes[0] = unicode.ToTitle(runes[0])
	}
	return string(runes)
}
