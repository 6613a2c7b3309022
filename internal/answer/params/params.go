// Package params negotiates the parameters of requests to model servers. Models differ in what
// they support: some have a fixed temperature, use another name for max_tokens, or have no JSON
// schema. Servers report this with a refusal that costs nothing. The request is then sent again
// without the refused parameter, and so are all later requests to that model. The package sends
// nothing itself and knows no protocol but the names of parameters.
package params

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/answer"
	"github.com/cogniverse/cogflow/money"
)

// Set is a set of parameters.
type Set uint16

// The parameters that a request can omit.
const (
	Temperature         Set = 1 << iota
	Seed                    // of the sampling
	Stop                    // stop sequences
	Template                // chat_template_kwargs
	MaxTokens               // sent as max_completion_tokens instead
	MaxCompletionTokens     // sent as max_tokens instead
	JSONSchema              // response_format json_schema; json_object instead
	JSONObject              // response_format json_object
	Verbose                 // of a transcription: response_format verbose_json with the times of segments
	Encoding                // encoding_format of an embedding
)

// names are the names of the parameters, as people know them and as they are stored.
func names() []string {
	return []string{
		"temperature", "seed", "stop", "chat_template_kwargs", "max_tokens", "max_completion_tokens", "json_schema", "json_object", "verbose_json", "encoding_format",
	}
}

// Has reports whether all parameters of part are in the set.
func (s Set) Has(part Set) bool { return s&part == part }

// Names lists the names of the parameters.
func (s Set) Names() (out []string) {
	for i, name := range names() {
		if s.Has(1 << i) {
			out = append(out, name)
		}
	}
	return out
}

// Named returns the parameter with a name; ok is false for an unknown name.
func Named(name string) (s Set, ok bool) {
	at := slices.Index(names(), name)
	return 1 << max(at, 0), at >= 0
}

// Ask sends a request until the model refuses none of its parameters. send makes one attempt
// without the given parameters, and returns the ones that this attempt had. It ends at the
// first answer, at any other failure, and at a refusal that was billed: that is one call in
// the ledger, and the next attempt is another. Only an answer confirms what was refused before
// it: messages repeat words of the request, and name parameters that are not the cause.
func Ask[T any](ctx context.Context, e *Endpoint, model string, send func(without Set) (T, Set, error)) (T, error) {
	var here Set // omitted for this request only
	again := e.due(ctx, model)
	said := map[Set]string{} // why the parameters of here were refused
	for {
		without := e.Always | e.known(model)&^again | here
		out, sent, err := send(without)
		if err == nil {
			for _, p := range order(said) {
				e.learn(ctx, model, p, said[p])
			}
			e.accepted(ctx, model, again, sent)
			return out, nil
		}
		if money.IsCharged(err) || ctx.Err() != nil {
			return out, err
		}
		more, message := refused(err, sent, without)
		if more == 0 {
			return out, err
		}
		drop(said, more, message)
		here |= more
		again &^= more
		if !ofTheRequest(err) {
			said[more] = message
		}
	}
}

// drop removes the parameters that a message still refuses, although the request no longer has
// them. A message about response formats refuses the schema and then the object that replaces it.
func drop(said map[Set]string, more Set, message string) {
	text := strings.ToLower(message)
	for _, p := range table() {
		if _, has := said[p.of]; has && p.refused(text) && (p.of != JSONSchema || more != JSONObject) {
			delete(said, p.of)
		}
	}
}

// order lists parameters in the order of their names.
func order(said map[Set]string) []Set { return slices.Sorted(maps.Keys(said)) }

// refused returns the parameter that a server does not support, and its message. A value that is out of range
// is not an unsupported parameter: to omit it would hide a mistake.
func refused(err error, sent, without Set) (Set, string) {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok || f.Class != fault.Input || errors.Is(err, answer.ErrTooLong) || errors.Is(err, answer.ErrFiltered) {
		return 0, ""
	}
	text := strings.ToLower(f.Reason)
	for _, p := range table() {
		if sent.Has(p.of) && without&p.unless == 0 && p.refused(text) {
			return p.of, f.Reason
		}
	}
	return 0, ""
}
