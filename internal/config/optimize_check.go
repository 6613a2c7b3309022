package config

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/cogniverse/cogflow/internal/config/provider"
	"github.com/cogniverse/cogflow/prompt"
)

// How servers enforce the form of an answer, as the file names it.
const (
	formatNone   = "none"          // not at all
	formatJSON   = "json"          // response_format json_object
	formatSchema = provider.Schema // and json_schema
)

// DialectAnthropic is Endpoint.Dialect of Anthropic's compatible endpoint.
const DialectAnthropic = provider.Anthropic

// forces says what a server with this format can enforce.
func forces(format string) prompt.Server {
	return prompt.Server{JSON: format == formatJSON || format == formatSchema, Schema: format == formatSchema}
}

func knownFormat(format string) bool {
	return slices.Contains([]string{"", formatNone, formatJSON, formatSchema}, format)
}

const metricSyntax = `^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`

// checkLM checks the values of a role.
func checkLM(place string, e Endpoint, m LM, format string) (problems Problems) {
	bad := func(key, text, fix string) {
		problems = append(problems, Problem{Place: place + "." + key, Text: text, Fix: fix})
	}
	limit := &m.MaxTokens
	if omits(m.Omit, MaxTokens) {
		limit = nil
		if e.Dialect == DialectAnthropic {
			bad("max_tokens", "Anthropic requires it", "set a number")
		}
	}
	for _, p := range checkParameters(m.Temperature, limit) {
		bad(p.Place, p.Text, p.Fix)
	}
	if !knownFormat(format) {
		bad("response_format", "unknown", "use none, json or schema")
	}
	if m.Thinking != nil && e.Dialect == DialectAnthropic {
		bad("enable_thinking", "Anthropic has no such switch", "leave it out")
	}
	return problems
}

// checkParameters checks the range of parameters; nil = not set.
func checkParameters(temperature *float64, limit *int) (problems Problems) {
	if t := temperature; t != nil && !(*t >= 0 && *t <= 2) {
		problems = append(problems, Problem{Place: "temperature", Text: "out of range", Fix: "use 0 to 2"})
	}
	if limit != nil && (*limit < 1 || *limit > maxTokens) {
		problems = append(problems, Problem{Place: "max_tokens", Text: "out of range", Fix: fmt.Sprintf("use 1 to %d", maxTokens)})
	}
	return problems
}

// check checks the commands; the worker checks whether they exist.
func (o Optimize) check() (problems Problems) {
	name := regexp.MustCompile(metricSyntax)
	for _, key := range slices.Sorted(maps.Keys(o.Metrics)) {
		bad := func(text, fix string) {
			problems = append(problems, Problem{Place: "cogflow.optimize.metrics." + key, Text: text, Fix: fix})
		}
		argv := o.Metrics[key]
		switch {
		case !name.MatchString(key):
			bad("not a metric's name", "use letters, digits, dots, hyphens and underscores")
		case len(argv) == 0 || argv[0] == "":
			bad("no program", `write the program and its arguments, like ["/opt/metrics/score", "--strict"]`)
		case len(argv) > 64 || strings.ContainsRune(strings.Join(argv, ""), 0):
			bad("not an argument vector", "use at most 64 texts without zero bytes")
		case strings.Contains(argv[0], "/") && !strings.HasPrefix(argv[0], "/"):
			bad("a relative path", "write an absolute path, or the name of a program on the PATH")
		}
	}
	return problems
}
