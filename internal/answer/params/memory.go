package params

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/cogniverse/cogflow/internal/learned"
	"github.com/cogniverse/cogflow/safetext"
)

// Refusal is one parameter that a model of an endpoint has refused.
type Refusal struct {
	Endpoint  string    `json:"endpoint"` // its name in the configuration
	Model     string    `json:"model"`
	Parameter string    `json:"parameter"`
	Since     time.Time `json:"since"`   // the first refusal
	Last      time.Time `json:"last"`    // the last refusal
	Message   string    `json:"message"` // of the server, at the last refusal
}

// Again is when the parameter is sent again, to learn whether it is still refused.
func (r Refusal) Again() time.Time { return r.Last.Add(valid) }

const (
	valid      = 24 * time.Hour   // a refusal is believed for so long; the next one costs nothing
	retry      = time.Hour        // between two attempts to send a refused parameter, if the first says nothing
	stale      = time.Minute      // what other workers have learned, and what a user has cleared, is read that often
	patience   = 10 * time.Second // for the store
	maxMessage = 300              // bytes of a message
)

// Store is the object store.
type Store = learned.Store

func refusals() learned.Kind[Refusal] {
	return learned.Kind[Refusal]{Folder: "parameters", What: "refused parameter"}
}

// Memory keeps refusals beyond the end of the process, in a store that workers share. Each
// parameter is an object of its own, so that workers never overwrite what others have learned.
// A store that fails never fails a call: the model refuses the parameter once more.
type Memory struct {
	Store Store // nil = refusals are forgotten at the end of the process

	mu  sync.Mutex
	err error
}

// Err returns the failure of the last access to the store; nil = none.
func (m *Memory) Err() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.err
}

func (m *Memory) did(err error) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err = err
	return err == nil
}

// Prefix holds a parameter that a model of an endpoint refuses, for all tenants: since when, and
// the server's message.
func Prefix(url, model string) string { return refusals().Prefix(url, model) }

func key(url string, r Refusal) string { return Prefix(url, r.Model) + r.Parameter + ".json" }

// Read lists the refusals of a model. Parameters that this version does not know are left out.
// The error names objects that cannot be read; the others are listed.
func Read(ctx context.Context, s Store, url, model string) ([]Refusal, error) {
	url = strings.TrimSuffix(url, "/")
	return refusals().Read(ctx, s, url, model, func(at string, r Refusal) bool {
		_, known := Named(r.Parameter)
		return known && key(url, r) == at
	})
}

// Forget removes the refusals that match, and returns them. Workers notice it within a minute.
func Forget(ctx context.Context, s Store, match func(Refusal) bool) ([]Refusal, error) {
	return refusals().Forget(ctx, s, match)
}

// load reads the refusals of a model.
func (m *Memory) load(ctx context.Context, url, model string) ([]Refusal, bool) {
	if m == nil || m.Store == nil {
		return nil, false
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	all, err := Read(ctx, m.Store, url, model)
	return all, m.did(err) || len(all) > 0
}

// save stores a refusal.
func (m *Memory) save(ctx context.Context, url string, r Refusal) bool {
	if m == nil || m.Store == nil {
		return true
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return m.did(refusals().Put(ctx, m.Store, key(url, r), r))
}

func (m *Memory) drop(ctx context.Context, url string, r Refusal) {
	if m == nil || m.Store == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	m.did(m.Store.Delete(ctx, key(url, r)))
}

// shown limits a message of a server.
func shown(text string) string { return safetext.Cut(safetext.Clean(text), maxMessage) }
