// Package parquet reads the rows of Parquet files as JSON. Files are untrusted: all that it
// allocates is bounded by what it has checked, and it follows nothing outside the file. It
// knows nothing of datasets.
//
// Libraries read Parquet faster, but trust the sizes that a file states: a file of a hundred
// bytes can request the memory of the machine, which no recover catches.
package parquet

import (
	"errors"
	"fmt"
)

// Error is a fault of a file, or with a Column of something in it that is not supported.
type Error struct {
	Kind   Kind
	Column string // dotted path; empty = the file
	Reason string
	Fix    string
}

// Kind is what an Error is about.
type Kind string

// The kinds.
const (
	Corrupt     Kind = "corrupt"     // damaged or truncated
	Limit       Kind = "limit"       // larger than what is read
	Unsupported Kind = "unsupported" // valid Parquet, but of a type without JSON, or encrypted
	TooLong     Kind = "too long"    // a row is longer than the caller permits
	BadValue    Kind = "value"       // of one row, after which reading goes on
)

func (e *Error) Error() string {
	text := e.Reason
	if e.Column != "" {
		text = fmt.Sprintf("column %q: %s", e.Column, text)
	}
	return text
}

const rewrite = "write the file again"

var errTruncated = &Error{Kind: Corrupt, Reason: "it is cut off or damaged", Fix: rewrite}

func corrupt(reason string) *Error { return &Error{Kind: Corrupt, Reason: reason, Fix: rewrite} }

func limit(reason string) *Error { return &Error{Kind: Limit, Reason: reason} }

// in names the column of an error that has none yet.
func in(column string, err error) error {
	if e, ok := errors.AsType[*Error](err); ok && e.Column == "" && e.Kind != TooLong {
		named := *e
		named.Column = column
		return &named
	}
	return err
}
