package telemetry

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/panics"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

const (
	// readyFor is how long the answers of the checks are kept: probes and people may ask often.
	readyFor = 5 * time.Second
	// readyIn bounds all checks. Kubernetes gives a probe one second unless told otherwise.
	readyIn = 800 * time.Millisecond
)

// needs are what the process cannot work without.
type needs struct {
	mu     sync.Mutex
	checks map[string]func(context.Context) error
	asked  time.Time
	failed []string
}

// Require makes the process ready only while a check of something that it needs succeeds. The
// error is shown by its class only: its text may have addresses. A nil server does nothing.
func (s *Server) Require(what string, check func(context.Context) error) {
	if s == nil {
		return
	}
	s.needs.mu.Lock()
	defer s.needs.mu.Unlock()
	if s.needs.checks == nil {
		s.needs.checks = map[string]func(context.Context) error{}
	}
	s.needs.checks[what] = check
}

// Reaches requires the server of Temporal and the object store.
func (s *Server) Reaches(temporal client.Client, store interface {
	Stat(ctx context.Context, key string) (object.Info, error)
},
) {
	s.Require("Temporal", func(ctx context.Context) error {
		_, err := temporal.CheckHealth(ctx, &client.CheckHealthRequest{})
		return fault.Wrap(fault.Transport, "reach", "Temporal", err)
	})
	s.Require("the object store", func(ctx context.Context) error {
		_, err := store.Stat(ctx, string(tenant.Default)+"/ready")
		if errors.Is(err, object.ErrNotFound) {
			return nil
		}
		return err
	})
}

// Books requires the ledger.
func (s *Server) Books(l interface {
	Job(ctx context.Context, t tenant.ID, job string) (video.Spend, error)
},
) {
	s.Require("the ledger", func(ctx context.Context) error {
		_, err := l.Job(ctx, tenant.Default, "ready")
		return err
	})
}

// missing returns what is not reachable, as of the last few seconds.
func (n *needs) missing(ctx context.Context) []string {
	n.mu.Lock() // others wait for the same answers
	defer n.mu.Unlock()
	if time.Since(n.asked) < readyFor {
		return n.failed
	}
	ctx, cancel := context.WithTimeout(ctx, readyIn)
	defer cancel()
	type answer struct {
		what string
		err  error
	}
	answers := make(chan answer, len(n.checks))
	reasons := map[string]string{}
	for what, check := range n.checks {
		reasons[what] = "no answer"
		panics.Go(func() error { return check(ctx) }, func(err error) { answers <- answer{what, err} })
	}
	for range n.checks {
		select {
		case a := <-answers:
			reasons[a.what] = string(fault.ClassOf(a.err))
			if a.err == nil {
				delete(reasons, a.what)
			} else if reasons[a.what] == "" {
				reasons[a.what] = "error"
			}
		case <-ctx.Done(): // a check that does not heed its context is not waited for
		}
	}
	n.failed = nil
	for _, what := range slices.Sorted(maps.Keys(reasons)) {
		n.failed = append(n.failed, fmt.Sprintf("%s is not reachable (%s)", what, reasons[what]))
	}
	n.asked = time.Now()
	return n.failed
}

// ready answers /readyz.
func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	if why := s.state.Load(); why != nil {
		http.Error(w, *why, http.StatusServiceUnavailable)
		return
	}
	if missing := s.needs.missing(context.WithoutCancel(r.Context())); len(missing) > 0 {
		http.Error(w, strings.Join(missing, "\n"), http.StatusServiceUnavailable)
		return
	}
	_, _ = fmt.Fprintln(w, "ready")
}
