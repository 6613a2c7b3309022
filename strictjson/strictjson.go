// Package strictjson reads JSON that comes from outside: inputs of workflows,
// configuration, programs, settings. Whoever checks such a document before
// cogflow does must have read the same as cogflow reads. encoding/json makes
// that impossible: it matches names in any case and takes the last of several
// equal names, so {"tenant":"a","TENANT":"b"} is tenant a for one reader and
// tenant b for the next.
//
// What model servers answer is not read with this package: their answers are
// read tolerantly.
package strictjson

import (
	"errors"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	jsonv1 "github.com/go-json-experiment/json/v1"
)

// MaxDepth is how deeply objects and lists may be nested. Readers in other
// languages recurse and stop near 1,000.
const MaxDepth = 500

// Option changes what Unmarshal accepts.
type Option struct{ options json.Options }

// AllowUnknown ignores names that the type does not have. It is for documents
// that a newer build may have written, and for those of which cogflow reads a part.
var AllowUnknown = Option{json.RejectUnknownMembers(false)} //nolint:gochecknoglobals // a constant that Go cannot spell

// strict is encoding/json's meaning of types and tags, without its tolerance.
var strict = json.JoinOptions( //nolint:gochecknoglobals // a constant that Go cannot spell
	jsonv1.DefaultOptionsV1(),
	jsonv1.ReportErrorsWithLegacySemantics(false),
	json.MatchCaseInsensitiveNames(false),
	json.RejectUnknownMembers(true),
	jsontext.AllowDuplicateNames(false),
	jsontext.AllowInvalidUTF8(false),
)

// Unmarshal decodes the one JSON value that data holds. It refuses names in
// another case than the type's, names that are there twice at any depth, unknown
// names, text that is not UTF-8, numbers out of range, nesting beyond MaxDepth
// and anything behind the value. Otherwise it fills into as encoding/json does.
// A type with a method UnmarshalJSON decides itself about the names below it.
//
// The error names the place in the document. It is not classified: the caller
// knows whose mistake it is.
func Unmarshal(data []byte, into any, options ...Option) error {
	if tooDeep(data) {
		return fmt.Errorf("objects and lists are nested more than %d deep", MaxDepth)
	}
	all := []json.Options{strict}
	for _, o := range options {
		all = append(all, o.options)
	}
	return readable(json.Unmarshal(data, into, all...))
}

// tooDeep counts brackets outside of strings. What is not JSON is found later.
func tooDeep(data []byte) bool {
	depth, quoted := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			if depth++; depth > MaxDepth {
				return true
			}
		case c == '}' || c == ']':
			depth--
		}
	}
	return false
}

// readable keeps of an error what a person can act on.
func readable(err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*json.SemanticError](err); ok {
		switch {
		case errors.Is(e.Err, json.ErrUnknownName):
			return fmt.Errorf("%s: unknown name", place(e.JSONPointer))
		case e.Err != nil && e.JSONKind == 0:
			return fmt.Errorf("%s: %w", place(e.JSONPointer), e.Err)
		case e.GoType != nil:
			return fmt.Errorf("%s: a JSON %s does not fit %s%s", place(e.JSONPointer), kind(e.JSONKind), e.GoType.Kind(), because(e.Err))
		}
	}
	if e, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		if errors.Is(e.Err, jsontext.ErrDuplicateName) {
			return fmt.Errorf("%s: the name is there twice", place(e.JSONPointer))
		}
		return fmt.Errorf("byte %d, %s: %w", e.ByteOffset, place(e.JSONPointer), e.Err)
	}
	return errors.New(strings.TrimPrefix(err.Error(), "json: "))
}

func because(err error) string {
	if err == nil {
		return ""
	}
	return ": " + err.Error()
}

// place writes a JSON pointer as people write places: dataset.rows.0.
func place(p jsontext.Pointer) string {
	const longest = 200
	var parts []string
	for token := range p.Tokens() {
		parts = append(parts, token)
	}
	text := strings.Join(parts, ".")
	if len(text) > longest {
		text = strings.ToValidUTF8(text[:longest], "") + "…"
	}
	if text == "" {
		return "the document"
	}
	return fmt.Sprintf("%q", text)
}

func kind(k jsontext.Kind) string {
	switch k {
	case '{':
		return "object"
	case '[':
		return "list"
	case '"':
		return "string"
	case '0':
		return "number"
	case 't', 'f':
		return "boolean"
	case 'n':
		return "null"
	default:
		return "value"
	}
}
