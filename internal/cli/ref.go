package cli

import (
	"strconv"
	"strings"

	"github.com/cogniverse/cogflow/training"
)

// Ref formats a version of an adapter or a program: NAME@VERSION.
func Ref(name string, version int) string { return name + "@" + strconv.Itoa(version) }

// ParseRef parses NAME or NAME@VERSION; version 0 = not specified.
func ParseRef(text string) (name string, version int, err error) {
	name, number, said := strings.Cut(text, "@")
	if err := training.CheckName("adapter", name); err != nil {
		return "", 0, Usage("%v", err)
	}
	if said {
		if version, err = training.ParseVersion(number); err != nil {
			return "", 0, Usage("%v", err)
		}
	}
	return name, version, nil
}
