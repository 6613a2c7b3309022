// Package memory remembers the concurrency limits of model servers beyond the end of a process, in
// a store that workers share. A process starts with what another one has learned, and with its
// part of it while others call the same server. Each process has an object of its own for each
// server and model, so that none overwrites what others have learned. A store that fails never
// fails a call: the limit is discovered again. The package calls no server.
package memory

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"time"

	"github.com/cogniverse/cogflow/internal/limit"
	"github.com/cogniverse/cogflow/panics"
)

const (
	every    = 10 * time.Second // what changed is stored so often
	confirm  = time.Minute      // what did not change, and whether it was forgotten
	changed  = 0.1              // share of the limit that is a change
	patience = 5 * time.Second  // for the store
)

// Memory keeps the limits of the servers that a process calls. Make it with New.
type Memory struct {
	process string

	mu      sync.Mutex
	store   Store // nil = nothing is remembered
	err     error
	servers map[string]*server

	stop context.CancelFunc // ends the background work
	work panics.Group
}

// server is a model server that this process may call.
type server struct {
	id, endpoint string
	limit        *limit.Limit
	models       map[string]*model
}

// model is a model that this process has called at a server.
type model struct {
	server *server
	recall sync.Once
	called bool // since the last record
	record Record
	stored bool      // the record was stored
	looked time.Time // at the records of others
}

// New makes a Memory without a store.
func New() *Memory { return &Memory{process: rand.Text(), servers: map[string]*server{}} }

// Add makes a server known. endpoint is its name for people.
func (m *Memory) Add(id, endpoint string, l *limit.Limit) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.servers[id] = &server{id: id, endpoint: endpoint, limit: l, models: map[string]*model{}}
}

// Open begins to use a store. Close ends it.
func (m *Memory) Open(s Store) {
	ctx, stop := context.WithCancel(context.Background())
	m.mu.Lock()
	m.store, m.stop = s, stop
	m.mu.Unlock()
	m.work.Go(func() error {
		ticker := time.NewTicker(every)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				m.save(ctx, false)
			case <-ctx.Done():
				return nil
			}
		}
	})
}

// Close stores what was learned.
func (m *Memory) Close() error {
	if m.stop == nil {
		return nil
	}
	m.stop()
	err := m.work.Wait()
	m.save(context.Background(), true)
	return err
}

// Err returns the failure of the last access to the store; nil = none.
func (m *Memory) Err() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.err
}

// Called says that a call of a model at a server is about to be made. The first one waits for what
// other processes have learned. Unknown servers are ignored.
func (m *Memory) Called(id, name string) {
	m.mu.Lock()
	s := m.servers[id]
	if s == nil || m.store == nil {
		m.mu.Unlock()
		return
	}
	one := s.models[name]
	if one == nil {
		one = &model{server: s, record: Record{Endpoint: s.endpoint, Model: name, Process: m.process, Processes: 1}}
		s.models[name] = one
	}
	one.called = true
	m.mu.Unlock()
	one.recall.Do(func() { m.recall(one) })
}

func (m *Memory) recall(one *model) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	all, err := Read(ctx, m.store, one.server.id, one.record.Model)
	m.did(err)
	now := time.Now()
	r, others, ok := Newest(all, m.process, now)
	m.mu.Lock()
	one.record.Processes, one.looked = others+1, now
	m.mu.Unlock()
	if ok {
		one.server.limit.Recall(r.share(others, now))
	}
}

func (m *Memory) did(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err = err
}

// save stores what has changed. At the end it stores everything.
func (m *Memory) save(ctx context.Context, end bool) {
	m.mu.Lock()
	var all []*model
	for _, s := range m.servers {
		for _, one := range s.models {
			all = append(all, one)
		}
	}
	m.mu.Unlock()
	var errs []error
	for _, one := range all {
		errs = append(errs, m.saveOne(ctx, one, end))
	}
	if len(all) > 0 {
		m.did(errors.Join(errs...))
	}
}

func (m *Memory) saveOne(ctx context.Context, one *model, end bool) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	now := time.Now().UTC()
	m.mu.Lock()
	r, stored, called := one.record, one.stored, one.called
	m.mu.Unlock()
	due := now.Sub(r.Last) >= confirm
	if stored && now.Sub(one.looked) >= confirm && !end {
		one.looked, due = now, true
		var gone bool
		var err error
		if r.Processes, gone, err = m.others(ctx, one, now); gone {
			m.forgotten(one)
		}
		if gone || err != nil && ctx.Err() != nil {
			return err
		}
	}
	state, ok := one.server.limit.State()
	differs := !stored || max(state.Limit, r.Limit)-min(state.Limit, r.Limit) > int(changed*float64(r.Limit)) || state.Ceiling != r.RefusedAt
	if !ok || !end && (!called || !differs && !due) || end && !stored && !called {
		return nil
	}
	if !stored {
		r.Since = now
	}
	if called || !stored {
		r.Last = now
	}
	r.Limit, r.RefusedAt, r.Latency, r.Spread = state.Limit, state.Ceiling, state.Latency, state.Spread
	r.Ended = end
	if err := kept().Put(ctx, m.store, r.key(one.server.id), r); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	one.record, one.stored, one.called = r, true, false
	return nil
}

// others counts the processes that call the server, this one included, and reports whether a user
// has removed the record of this one. It removes records of former processes that are of no use.
func (m *Memory) others(ctx context.Context, one *model, now time.Time) (processes int, gone bool, err error) {
	all, err := Read(ctx, m.store, one.server.id, one.record.Model)
	_, others, _ := Newest(all, m.process, now)
	gone = err == nil
	for _, r := range all {
		if r.Process == m.process {
			gone = false
		} else if r.Ended || now.Sub(r.Last) > fresh {
			err = errors.Join(err, m.store.Delete(ctx, r.key(one.server.id)))
		}
	}
	return others + 1, gone, err
}

// forgotten starts from the beginning.
func (m *Memory) forgotten(one *model) {
	one.server.limit.Forget()
	m.mu.Lock()
	defer m.mu.Unlock()
	one.stored, one.called = false, false
	one.record.Last = time.Time{}
}
