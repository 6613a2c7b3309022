package params

import (
	"context"
	"strings"
	"sync"
	"time"
)

// Endpoint has the parameters that the models of an endpoint have refused so far. Its zero
// value has none, and remembers them for this process only. Make others with NewEndpoint.
type Endpoint struct {
	Always Set // parameters that all requests omit, by the configuration

	name, url string
	memory    *Memory

	mu     sync.Mutex
	models map[string]*model
}

// NewEndpoint makes an Endpoint that shares what it learns.
func NewEndpoint(name, url string, always Set, m *Memory) *Endpoint {
	return &Endpoint{Always: always, name: name, url: strings.TrimSuffix(url, "/"), memory: m}
}

type model struct {
	loading sync.Mutex // one reads the store
	read    time.Time  // when the store was read; zero = never
	refused map[Set]*entry
	most    int // of max_tokens; 0 = not known
}

// entry is one refused parameter.
type entry struct {
	Refusal
	again   time.Time // when it is sent again
	learned time.Time // by this process; zero = it is read from the store
	unsaved bool
}

// Of returns the parameters that requests to a model omit.
func (e *Endpoint) Of(ctx context.Context, name string) Set {
	e.refresh(ctx, name)
	return e.Always | e.known(name)
}

func (e *Endpoint) known(name string) (out Set) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for p := range e.model(name).refused {
		out |= p
	}
	return out
}

// model returns the state of a model; the caller holds mu.
func (e *Endpoint) model(name string) *model {
	if e.models == nil {
		e.models = map[string]*model{}
	}
	m := e.models[name]
	if m == nil {
		m = &model{refused: map[Set]*entry{}}
		e.models[name] = m
	}
	return m
}

// due returns the refused parameters that this request sends again. No other request does so
// soon.
func (e *Endpoint) due(ctx context.Context, name string) (again Set) {
	e.refresh(ctx, name)
	now := time.Now()
	e.mu.Lock()
	defer e.mu.Unlock()
	for p, r := range e.model(name).refused {
		if !now.Before(r.again) {
			again |= p
			r.again = now.Add(retry)
		}
	}
	return again
}

// refresh reads what other workers have learned and a user has cleared. The first requests wait
// for it; later ones go on with what is known while one of them reads.
func (e *Endpoint) refresh(ctx context.Context, name string) {
	e.mu.Lock()
	m := e.model(name)
	read, first := m.read, m.read.IsZero()
	e.mu.Unlock()
	if e.memory == nil || time.Since(read) < stale {
		return
	}
	if first {
		m.loading.Lock()
	} else if !m.loading.TryLock() {
		return
	}
	defer m.loading.Unlock()
	e.mu.Lock()
	current := time.Since(m.read) < stale
	e.mu.Unlock()
	if current {
		return
	}
	for _, r := range e.unsaved(m) {
		e.store(ctx, m, r)
	}
	began := time.Now()
	stored, ok := e.memory.load(ctx, e.url, name)
	e.mu.Lock()
	defer e.mu.Unlock()
	m.read = began
	if ok {
		m.merge(stored, began)
	}
}

// merge replaces what is known by what is stored. What was learned while the store was read, or
// is not stored yet, stays. The caller holds mu.
func (m *model) merge(stored []Refusal, began time.Time) {
	now := map[Set]*entry{}
	for p, r := range m.refused {
		if r.unsaved || r.learned.After(began) {
			now[p] = r
		}
	}
	for _, r := range stored {
		p, known := Named(r.Parameter)
		if !known || now[p] != nil {
			continue
		}
		again := r.Again()
		if again.Sub(began) > valid+retry {
			again = began // of a host with a wrong clock
		}
		if old := m.refused[p]; old != nil && old.again.After(again) {
			again = old.again // this process has sent it again since
		}
		now[p] = &entry{Refusal: r, again: again}
	}
	m.refused = now
}

func (e *Endpoint) unsaved(m *model) (out []Refusal) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, r := range m.refused {
		if r.unsaved {
			out = append(out, r.Refusal)
		}
	}
	return out
}

func (e *Endpoint) store(ctx context.Context, m *model, r Refusal) {
	saved := e.memory.save(ctx, e.url, r)
	p, _ := Named(r.Parameter)
	e.mu.Lock()
	defer e.mu.Unlock()
	if now := m.refused[p]; now != nil && now.Last.Equal(r.Last) {
		now.unsaved = !saved
	}
}

// learn records a refused parameter. Requests that were refused at the same time record it once.
func (e *Endpoint) learn(ctx context.Context, name string, p Set, message string) {
	now := time.Now()
	e.mu.Lock()
	m := e.model(name)
	old := m.refused[p]
	if old != nil && now.Sub(old.learned) < stale {
		e.mu.Unlock()
		return
	}
	r := &entry{Refusal: Refusal{Endpoint: e.name, Model: name, Parameter: p.Names()[0], Since: now.UTC(), Last: now.UTC(), Message: shown(message)}, learned: now, unsaved: true}
	if old != nil {
		r.Since = old.Since
	}
	r.again = r.Again()
	m.refused[p] = r
	stored := r.Refusal
	e.mu.Unlock()
	e.store(ctx, m, stored)
}

// accepted forgets parameters that a model refused before and now accepts. Those of again that
// were not in the request are sent again by the next one.
func (e *Endpoint) accepted(ctx context.Context, name string, again, sent Set) {
	if again == 0 {
		return
	}
	now := time.Now()
	var gone []Refusal
	e.mu.Lock()
	m := e.model(name)
	for p, r := range m.refused {
		switch {
		case !again.Has(p):
		case sent.Has(p):
			gone = append(gone, r.Refusal)
			delete(m.refused, p)
		default:
			r.again = now
		}
	}
	e.mu.Unlock()
	for _, r := range gone {
		e.memory.drop(ctx, e.url, r)
	}
}
