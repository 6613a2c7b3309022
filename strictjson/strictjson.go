// Package strictjson reads JSON from outside: inputs of workflows, configuration, programs,
// settings. A proxy that checks such a document before cogflow must read it in the same
// way. encoding/json makes that impossible: it matches names in any case and takes the last
// of several equal names, so {"tenant":"a","TENANT":"b"} is tenant a for one reader and
// tenant b for the next.
//
// Answers of model servers are not read with this package, but tolerantly.
package strictjson

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"
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

// AllowUnknown ignores unknown names. It is for documents that a newer build may have
// written, and for those that cogflow reads in part.
var AllowUnknown = Option{json.RejectUnknownMembers(false)} //nolint:gochecknoglobals // a constant that Go cannot express

// strict is encoding/json's interpretation of types and tags, without its tolerance.
var strict = json.JoinOptions( //nolint:gochecknoglobals // a constant that Go cannot express
	jsonv1.DefaultOptionsV1(),
	jsonv1.ReportErrorsWithLegacySemantics(false),
	json.MatchCaseInsensitiveNames(false),
	json.RejectUnknownMembers(true),
	jsontext.AllowDuplicateNames(false),
	jsontext.AllowInvalidUTF8(false),
)

// Unmarshal decodes the one JSON value in data. It refuses names in another case than the
// type's, names that are listed twice at any depth, unknown names, text that is not UTF-8,
// numbers out of range, nesting beyond MaxDepth and anything after the value. Otherwise it
// fills into as encoding/json does. A type with a method UnmarshalJSON handles the names
// below it itself.
//
// The error is an *Error, which names the place. It has no class: the caller knows the
// source of the document.
func Unmarshal(data []byte, into any, options ...Option) error {
	if tooDeep(data) {
		return &Error{Reason: fmt.Sprintf("objects and lists are nested more than %d deep", MaxDepth)}
	}
	all := []json.Options{strict}
	for _, o := range options {
		all = append(all, o.options)
	}
	return readable(json.Unmarshal(data, into, all...))
}

// tooDeep counts brackets outside of strings. Invalid JSON is found later.
func tooDeep(data []byte) bool {
	depth := 0
	for i := 0; i < len(data); i++ {
		switch c := data[i]; c {
		case '"':
			i = closing(data, i+1)
		case '{', '[':
			if depth++; depth > MaxDepth {
				return true
			}
		case '}', ']':
			depth--
		}
	}
	return false
}

// closing is the place of the quote that ends the string whose text begins at i. It is much faster
// than one byte after the other: most of a request may be one picture. Each byte is read twice.
func closing(data []byte, i int) int {
	for quote := -1; ; {
		if quote < i {
			n := bytes.IndexByte(data[min(i, len(data)):], '"')
			if n < 0 {
				return len(data)
			}
			quote = i + n
		}
		n := bytes.IndexByte(data[i:quote], '\\')
		if n < 0 {
			return quote
		}
		i += n + 2
	}
}

// Error is a problem of a document.
type Error struct {
	Place  string // names and indexes, joined by dots; empty = the document as a whole
	Reason string // for a person
	Err    error  // the cause

	unknown bool
}

// Error names the place and the reason.
func (e *Error) Error() string {
	switch {
	case e.unknown:
		return "unknown field " + strconv.Quote(e.Place)
	case e.Place == "":
		return e.Reason
	}
	return strconv.Quote(e.Place) + ": " + e.Reason
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// readable keeps what a person can act on.
func readable(err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*json.SemanticError](err); ok {
		at := slices.Collect(e.JSONPointer.Tokens())
		if inner, ok := errors.AsType[*Error](e.Err); ok { // of a type that decodes itself with this package
			out := *inner
			out.Place = place(append(at, inner.Place))
			return &out
		}
		out := &Error{Place: place(at), Err: e.Err}
		switch {
		case errors.Is(e.Err, json.ErrUnknownName):
			out.Reason, out.unknown = "the field is unknown", true
		case errors.Is(e.Err, strconv.ErrRange):
			out.Reason = "the number is out of range"
		case e.Err != nil && !errors.Is(e.Err, strconv.ErrSyntax):
			out.Reason = e.Err.Error()
		case e.GoType != nil:
			out.Reason = "must be " + wanted(e.GoType) + ", not " + found(e.JSONKind, e.JSONValue)
		default:
			out.Reason = strings.TrimPrefix(err.Error(), "json: ")
		}
		return out
	}
	if e, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		out := &Error{Place: place(slices.Collect(e.JSONPointer.Tokens())), Err: e.Err}
		out.Reason = fmt.Sprintf("%s (byte %d)", e.Err, e.ByteOffset+1)
		if errors.Is(e.Err, jsontext.ErrDuplicateName) {
			out.Reason = "the name is listed twice"
		}
		return out
	}
	return &Error{Reason: strings.TrimPrefix(err.Error(), "json: "), Err: err}
}

// place joins names to a path: dataset.rows.0.
func place(names []string) string {
	const longest = 200
	text := strings.Join(slices.DeleteFunc(names, func(s string) bool { return s == "" }), ".")
	if len(text) > longest {
		text = strings.ToValidUTF8(text[:longest], "") + "…"
	}
	return text
}

func wanted(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.Slice, reflect.Array:
		return "a list"
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number"
	case reflect.Pointer:
		return wanted(t.Elem())
	default:
		return "another value"
	}
}

func found(k jsontext.Kind, value jsontext.Value) string {
	const longest = 40
	switch k {
	case '{':
		return "an object"
	case '[':
		return "a list"
	case '"':
		return "a string"
	case '0':
		if 0 < len(value) && len(value) <= longest {
			return string(value)
		}
		return "a number"
	case 't', 'f':
		return "true or false"
	case 'n':
		return "null"
	default:
		return "something else"
	}
}
