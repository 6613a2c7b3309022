package main

import (
	"strconv"
	"strings"

	"github.com/cogniverse/cogflow/training"
)

func adapterRef(name string, version int) string { return name + "@" + strconv.Itoa(version) }

// parseAdapter reads NAME or NAME@VERSION; version 0 = none was said.
func parseAdapter(text string) (name string, version int, err error) {
	name, number, said := strings.Cut(text, "@")
	if err := training.CheckName("adapter", name); err != nil {
		return "", 0, usage("%v", err)
	}
	if said {
		if version, err = training.ParseVersion(number); err != nil {
			return "", 0, usage("%v", err)
		}
	}
	return name, version, nil
}
