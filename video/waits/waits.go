// Package waits says what a step of a job waits for while it runs, for people and for
// programs. Whoever waits says so here; heartbeats carry it. It decides nothing.
package waits

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// Code is what is waited for. Codes are only ever added: heartbeats are read by other builds.
type Code string

// The codes.
const (
	GPU      Code = "gpu_lease"     // a GPU that other work of its host holds
	Endpoint Code = "endpoint_down" // a model endpoint that does not answer: one call at a time checks it
	Server   Code = "model_server"  // a model server that this worker starts on demand
	Rate     Code = "rate_limit"    // the endpoint refuses calls for a time, as by Retry-After
	Again    Code = "call_failed"   // a call failed and is made again
	Reserved Code = "reserved"      // calls in flight reserve the rest of the budget
	Same     Code = "same_call"     // another process makes the same call
	Store    Code = "store"         // a paid answer cannot be stored
	Book     Code = "ledger"        // what a call cost cannot be booked
)

// Reason is one wait. The zero value means that nothing is waited for.
type Reason struct {
	Code  Code       `json:"code"`
	On    string     `json:"on,omitempty"`    // such as the model
	Text  string     `json:"text"`            // for people; never a secret or an address
	Since time.Time  `json:"since"`           // by the clock of the worker
	Until *time.Time `json:"until,omitempty"` // when it is tried again, if that is known
	Calls int        `json:"calls,omitempty"` // number of calls that wait so
}

// For is a wait that is tried again after d.
func For(code Code, text string, d time.Duration) Reason {
	until := time.Now().Add(d)
	return Reason{Code: code, Text: text, Until: &until}
}

// Set collects the waits of the calls of one step. The zero value is ready. It is safe for
// concurrent use.
type Set struct {
	mu  sync.Mutex
	now map[*Place]Reason
}

// Place is where one call says what it waits for.
type Place struct{ set *Set }

// Place adds a call. Its owner calls Clear at the end.
func (s *Set) Place() *Place { return &Place{s} }

// Set replaces what the call waits for. A wait with the same code goes on.
func (p *Place) Set(r Reason) {
	p.set.mu.Lock()
	defer p.set.mu.Unlock()
	if r.Code == "" {
		delete(p.set.now, p)
		return
	}
	if before, ok := p.set.now[p]; ok && before.Code == r.Code {
		r.Since = before.Since
	} else if r.Since.IsZero() {
		r.Since = time.Now()
	}
	if p.set.now == nil {
		p.set.now = map[*Place]Reason{}
	}
	p.set.now[p] = r
}

// Clear says that the call waits no more.
func (p *Place) Clear() { p.Set(Reason{}) }

// most bounds the list: heartbeats are small.
const most = 4

// List returns the waits by code and subject, the longest first.
func (s *Set) List() []Reason {
	s.mu.Lock()
	defer s.mu.Unlock()
	type key struct {
		code Code
		on   string
	}
	by := map[key]*Reason{}
	for _, r := range s.now {
		one := by[key{r.Code, r.On}]
		if one == nil {
			r.Calls = 1
			by[key{r.Code, r.On}] = &r
			continue
		}
		one.Calls++
		if r.Since.Before(one.Since) {
			one.Since, one.Text = r.Since, r.Text
		}
		if r.Until != nil && (one.Until == nil || r.Until.Before(*one.Until)) {
			one.Until = r.Until
		}
	}
	var all []Reason
	for _, r := range by {
		all = append(all, *r)
	}
	slices.SortFunc(all, func(a, b Reason) int { return cmp.Or(a.Since.Compare(b.Since), cmp.Compare(a.Code, b.Code)) })
	return all[:min(len(all), most)]
}
