package prompt

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"unicode"

	"github.com/cogniverse/cogflow/prompt/annotation"
)

// Type says what values a field takes.
type Type = annotation.Type

// Property is one member of an object; all are required.
type Property = annotation.Property

// The kinds that other packages name.
const (
	Int  = annotation.Int
	List = annotation.List
	Dict = annotation.Dict
)

// Field is an input or an output of a predictor.
type Field struct {
	Name string `json:"name"`
	Type
	Desc   string `json:"desc,omitempty"`   // "" = none, which DSPy writes as ${name}
	Prefix string `json:"prefix,omitempty"` // "" = made from the name; shown to the proposer only

	// Default is the value of an input that a row lacks, or of an output that an answer lacks, as
	// in DSPy; nil = there is none.
	Default json.RawMessage `json:"default,omitempty"`
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

// WithImages returns the record with the images of its fields as checked images. A record
// without images is returned unchanged.
func WithImages(fields []Field, record *Object) (*Object, error) {
	typed := record
	for i := range fields {
		f := &fields[i]
		v, ok := record.Get(f.Name)
		if !ok || v == nil || !f.HoldsImages() {
			continue
		}
		made, err := f.Coerce(v)
		if err != nil {
			return nil, fmt.Errorf("field %q: %w", f.Name, err)
		}
		if typed == record {
			typed = record.Copy()
		}
		typed.Set(f.Name, made)
	}
	return typed, nil
}
