package params

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/tenant"
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

// Store is the object store. It is told what the models of all tenants refuse: that is a property
// of a model, not of a request.
type Store interface {
	Put(ctx context.Context, key string, r io.Reader) (object.Info, error)
	Get(ctx context.Context, key string) (io.ReadCloser, object.Info, error)
	List(ctx context.Context, prefix string, yield func(object.Info) error) error
	Delete(ctx context.Context, key string) error
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
func Prefix(url, model string) string {
	hash := sha256.Sum256([]byte(url + "\x00" + model))
	return folder + hex.EncodeToString(hash[:16]) + "/"
}

const folder = string(tenant.Default) + "/parameters/"

func key(url string, r Refusal) string { return Prefix(url, r.Model) + r.Parameter + ".json" }

// Read lists the refusals of a model. Parameters that this version does not know are left out.
// The error names objects that cannot be read; the others are listed.
func Read(ctx context.Context, s Store, url, model string) (all []Refusal, err error) {
	url = strings.TrimSuffix(url, "/")
	var unreadable []error
	err = s.List(ctx, Prefix(url, model), func(i object.Info) error {
		r, err := read(ctx, s, i.Key)
		switch _, known := Named(r.Parameter); {
		case errors.Is(err, object.ErrNotFound): // cleared meanwhile
		case err != nil:
			unreadable = append(unreadable, err)
		case known && key(url, r) == i.Key:
			all = append(all, r)
		}
		return ctx.Err()
	})
	return all, errors.Join(append(unreadable, err)...)
}

func read(ctx context.Context, s Store, key string) (r Refusal, err error) {
	body, _, err := s.Get(ctx, key)
	if err != nil {
		return r, err
	}
	defer body.Close()
	text, err := io.ReadAll(io.LimitReader(body, 1<<16))
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return r, fault.Wrap(fault.Input, "read refused parameter", key, err)
	}
	return r, nil
}

// Forget removes the refusals that match, and returns them. Workers notice it within a minute.
func Forget(ctx context.Context, s Store, match func(Refusal) bool) (removed []Refusal, err error) {
	err = s.List(ctx, folder, func(i object.Info) error {
		r, err := read(ctx, s, i.Key)
		if errors.Is(err, object.ErrNotFound) || err == nil && !match(r) {
			return nil
		}
		if err == nil {
			removed = append(removed, r)
		}
		return s.Delete(ctx, i.Key) // also one that cannot be read
	})
	return removed, err
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
	text, err := json.Marshal(r)
	if err == nil {
		_, err = m.Store.Put(ctx, key(url, r), bytes.NewReader(text))
	}
	return m.did(err)
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
