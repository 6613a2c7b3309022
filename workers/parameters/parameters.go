// Package parameters decides which parameters the requests of a worker to its endpoints omit, and
// asks chat models which ones they accept. It opens no endpoint, ledger or store.
package parameters

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/cogniverse/cogflow/internal/answer/params"
	"github.com/cogniverse/cogflow/internal/config"
)

// Of returns what the requests to each endpoint omit, by its name.
func Of(c config.Config, m *params.Memory) map[string]*params.Endpoint {
	out := map[string]*params.Endpoint{}
	for _, e := range slices.Concat(c.Endpoints, c.Optimize.Endpoints) {
		out[e.Name] = params.NewEndpoint(e.Name, e.URL, always(e), m)
	}
	return out
}

// always returns what the requests to an endpoint omit by the configuration. Nulls of chat models
// are part of their roles and profiles, because stored answers depend on them.
func always(e config.Endpoint) (omit params.Set) {
	if e.Kind == config.Embeddings && slices.Contains(e.Omit, config.EncodingFormat) {
		omit |= params.Encoding
	}
	if e.Kind == config.Transcriptions && slices.Contains(e.Omit, config.ResponseFormat) {
		omit |= params.Verbose
	}
	return omit
}

// Models lists the models of an endpoint with the parameters that their requests omit.
func Models(ctx context.Context, e config.Endpoint, omitted *params.Endpoint) string {
	var all []string
	for _, m := range e.Models {
		if omit := omitted.Of(ctx, m).Names(); len(omit) > 0 {
			m += " (without " + strings.Join(omit, ", ") + ")"
		}
		all = append(all, m)
	}
	return strings.Join(all, ", ")
}

// Optimizes reports whether an optimization calls a model of the endpoint.
func Optimizes(c config.Config, e config.Endpoint) bool {
	o := c.Optimize
	roles := slices.AppendSeq([]config.LM{o.Student, o.Teacher, o.Proposer, o.Judge}, maps.Values(o.Components))
	return slices.ContainsFunc(roles, func(m config.LM) bool { return m.Endpoint == e.Name })
}
