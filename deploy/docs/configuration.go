package main

import (
	"slices"
	"strings"

	"github.com/cogniverse/cogflow/internal/config"
)

func configuration(*comments) ([]byte, error) {
	keys, err := config.Keys()
	if err != nil {
		return nil, err
	}
	m := newMarkdown("Configuration", `The configuration is one JSON file, named by `+"`COGNIVERSE_CONFIG`"+` (default `+"`configs/config.json`"+`). It is Cogniverse's own
file; the key `+"`cogflow`"+` holds the keys below. An environment variable overrides the file. Every key is optional,
and without a file the embedded defaults apply. `+"`cogflow config check`"+` reports every problem with its place,
`+"`cogflow config show`"+` prints what is in force. The [JSON Schema](configuration.schema.json) describes the same keys.
`)
	var rows [][]string
	for _, k := range keys {
		if ofAnotherStage(k) {
			continue
		}
		meaning := k.Text
		if k.Variable != "" {
			meaning += "<br>" + code(k.Variable)
		}
		rows = append(rows, []string{code(k.Path), k.Type, meaning})
	}
	m.table([]string{"Key", "Type", "Meaning, and the environment variable that overrides it"}, rows)
	return m.Bytes(), nil
}

func schema(*comments) ([]byte, error) {
	text, err := config.SchemaJSON()
	return append(text, '\n'), err
}

// ofAnotherStage reports whether a key has no effect on a stage of a profile: its text
// lists the stages that use it, as in "describe, embed: …".
func ofAnotherStage(k config.Key) bool {
	_, key, found := strings.Cut(k.Path, ".profiles.<name>.")
	stage, _, nested := strings.Cut(key, ".")
	uses, _, limited := strings.Cut(k.Text, ": ")
	if !found || !nested || !limited {
		return false
	}
	stages := []string{"transcribe", "describe", "embed"}
	list := strings.Split(uses, ", ")
	return slices.Contains(stages, stage) && slices.Contains(stages, list[0]) && !slices.Contains(list, stage)
}
