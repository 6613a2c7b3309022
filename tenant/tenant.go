// Package tenant names and checks the owners of data and spend. It grants nothing: the
// worker confines access.
package tenant

import (
	"regexp"

	"github.com/cogniverse/cogflow/fault"
)

// ID is an owner: "acme" or "org:tenant". It is the first element of every object key, so
// it contains no path separator.
type ID string

// Default is the tenant of inputs without one.
const Default ID = "default"

const maxLen = 64 // also the limit of a Temporal fairness key

var pattern = regexp.MustCompile(`^[A-Za-z0-9_-]+(:[A-Za-z0-9_-]+)?$`)

// Parse checks s; the empty string is Default.
func Parse(s string) (ID, error) {
	if s == "" {
		return Default, nil
	}
	if len(s) > maxLen || !pattern.MatchString(s) {
		return "", fault.New(fault.Input, "read tenant", s,
			"must be letters, digits, '_' and '-', at most one ':', at most 64 bytes")
	}
	return ID(s), nil
}
