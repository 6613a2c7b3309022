package cli

import (
	"strconv"

	"github.com/cogniverse/cogflow/training"
)

// Ref formats a version of an adapter or a program: NAME@VERSION.
func Ref(name string, version int) string { return name + "@" + strconv.Itoa(version) }

// ParseRef parses NAME or NAME@VERSION; version 0 = not specified.
func ParseRef(text string) (name string, version int, err error) {
	if name, version, err = training.ParseRef(text); err != nil {
		return "", 0, Usage("%v", err)
	}
	return name, version, nil
}
