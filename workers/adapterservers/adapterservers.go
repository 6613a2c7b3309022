// Package adapterservers connects the model servers that load adapters which are activated. It knows
// no pool and no activity.
package adapterservers

import (
	"context"

	"github.com/cogniverse/cogflow/internal/config"
	"github.com/cogniverse/cogflow/internal/serving"
	"github.com/cogniverse/cogflow/safetext"
)

// Servers maps each base model to the model server that loads its adapters.
type Servers map[string]server

type server struct {
	at      *serving.Server
	dir     string
	missing error // error of a missing key; returned at a call, because few workers make calls
}

// New connects the servers of a configuration. missing makes the error of a key that is not set.
func New(c config.Config, getenv func(string) string, redactor *safetext.Redactor, missing func(what, name, variable string) error) Servers {
	out := Servers{}
	for _, s := range c.Training.Serving {
		one, key := server{dir: s.AdaptersDir}, ""
		if s.KeyVariable != "" {
			if key = getenv(s.KeyVariable); key == "" {
				one.missing = missing("server", s.BaseModel, s.KeyVariable)
			}
		}
		one.at = serving.New(serving.Options{URL: s.URL, Key: key, KeyVariable: s.KeyVariable, Redactor: redactor})
		out[s.BaseModel] = one
	}
	return out
}

// Serves reports whether a base model has a server.
func (s Servers) Serves(_ context.Context, base string) bool { _, ok := s[base]; return ok }

// Restarts is false: others run these servers.
func (s Servers) Restarts(context.Context, string) bool { return false }

// Dir is the folder of the server's adapters.
func (s Servers) Dir(base string) string { return s[base].dir }

// Load makes the server load an adapter.
func (s Servers) Load(ctx context.Context, base, name, dir string, embedding bool) error {
	if err := s[base].missing; err != nil {
		return err
	}
	return s[base].at.Load(ctx, serving.LoadRequest{Base: base, Name: name, Dir: dir, Embedding: embedding})
}

// Unload makes the server forget an adapter.
func (s Servers) Unload(ctx context.Context, base, name string) error {
	if err := s[base].missing; err != nil {
		return err
	}
	return s[base].at.Unload(ctx, name)
}
