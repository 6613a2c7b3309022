package modelserver

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/cogniverse/cogflow/fault"
)

// own makes this process the owner of the server. If another process owns it, own waits until
// that server is ready.
func (s *server) own(o *op) (other *running, disown func(), err error) {
	var unwant func()
	defer func() {
		if other == nil && unwant != nil {
			unwant()
		}
	}()
	for {
		disown, ok, err := s.m.o.Locks.Try(s.lock())
		if ok || err != nil {
			return nil, disown, err
		}
		if unwant == nil { // from now on its owner keeps it
			o.says(func() string { return "waiting for model server " + s.name + " of another worker process" })
			if unwant, err = s.m.o.Locks.Want(s.lock()); err != nil {
				return nil, nil, err
			}
		}
		switch err := s.booted(o.ctx); {
		case err == nil:
			return &running{since: s.m.o.Now(), release: unwant}, nil, nil
		case fault.ClassOf(err) != "" && fault.ClassOf(err) != fault.Transport && o.ctx.Err() == nil:
			return nil, nil, err
		}
		if err := pause(o.ctx, pollEvery); err != nil {
			return nil, nil, err
		}
	}
}

// borrow lets another process start the server, unless it runs, and uses it.
func (s *server) borrow(o *op) (_ *running, err error) {
	unwant, err := s.m.o.Locks.Want(s.lock()) // from now on its owner keeps it
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			unwant()
		}
	}()
	o.says(func() string { return "waiting until a worker has started model server " + s.name })
	for {
		owned, err := s.owned()
		if err != nil {
			return nil, err
		}
		if owned && s.booted(o.ctx) == nil {
			return &running{since: s.m.o.Now(), release: unwant}, nil
		}
		if err := s.m.o.Ask(o.ctx, s.name); err != nil {
			return nil, err
		}
		if err := pause(o.ctx, pollEvery); err != nil {
			return nil, err
		}
	}
}

// booted returns nil if the server of another process is ready, and its owner has found that as well: an owner may have
// something to do before it lets requests through, such as loading adapters.
func (s *server) booted(ctx context.Context) error {
	if err := s.ready(ctx); err != nil {
		return err
	}
	booting, err := s.m.o.Locks.Wanted(s.bootLock())
	if booting {
		return fault.New(fault.Transport, startOp, s.name, "its owner still starts it")
	}
	return err
}

// owned reports whether a process of this host runs the server, or starts it.
func (s *server) owned() (bool, error) {
	disown, free, err := s.m.o.Locks.Try(s.lock())
	if free {
		disown()
	}
	return !free, err
}

// stillOwned forgets the server of another process if that does not own it any more; s.mu is
// held.
func (s *server) stillOwned() error {
	owned, err := s.owned()
	if err == nil && !owned {
		s.forget()
	}
	return err
}

// forget stops using the server of another process; s.mu is held.
func (s *server) forget() {
	s.run.release()
	s.run = nil
}

// errStatus means that the server answers, but not that it is ready.
var errStatus = errors.New("check the path of its readiness URL (ready)")

// client asks for readiness. It uses no proxy, because servers are on this host.
var client = &http.Client{ //nolint:gochecknoglobals // a constant
	Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 5 * time.Second,
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}

// ready returns nil if the server is ready and is the right one.
func (s *server) ready(ctx context.Context) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Ready, nil)
	if err != nil {
		return err
	}
	answer, err := client.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	switch code := answer.StatusCode; {
	case code < 300 && s.Check != nil:
		return s.Check(ctx)
	case code < 300:
		return nil
	case code < 500:
		return fmt.Errorf("it answers %s with %s; %w", s.Ready, answer.Status, errStatus)
	default:
		return fmt.Errorf("it answers with %s", answer.Status)
	}
}
