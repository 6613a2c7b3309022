package ondemand

import (
	"context"
	"net"
	"net/url"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/registry"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/config/ownserver"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video/waits"
)

const (
	adaptersOp  = "load adapters of model server"
	dialTimeout = time.Second
	lockEvery   = 100 * time.Millisecond
)

// bases are the base models whose adapters are loaded into a server, by its address: cogflow.training.serving names URLs.
func (s *Servers) bases(one ownserver.Server) (out []string) {
	for _, at := range s.Config.Training.Serving {
		if ownserver.Local(at.URL) && portOf(at.URL) == portOf(one.Ready) {
			out = append(out, at.BaseModel)
		}
	}
	return out
}

// Restorer is Options.Restore for a store whose keys begin with the given owners.
func Restorer(owners func(ctx context.Context) ([]string, error), a *registry.Adapters) func(ctx context.Context, base string) error {
	return func(ctx context.Context, base string) error {
		names, err := owners(ctx)
		if err != nil {
			return err
		}
		var tenants []tenant.ID
		for _, name := range names {
			if t, err := tenant.Parse(name); err == nil && name != "" { // other folders hold no adapters
				tenants = append(tenants, t)
			}
		}
		return registry.Restore(ctx, a, tenants, base)
	}
}

// restore makes the step of a start that loads the active adapters: a server that restarts has
// forgotten them. Requests wait for it, because a server without an adapter would refuse them, or
// answer with the base model. nil = no adapters are loaded into the server.
func (s *Servers) restore(one ownserver.Server) func(ctx context.Context) error {
	bases := s.bases(one)
	if len(bases) == 0 || s.Restore == nil {
		return nil
	}
	return func(ctx context.Context) error {
		if err := s.exposed(ctx, one); err != nil {
			return err
		}
		release, ok, err := s.locks.Try(adaptersLock(one))
		if err != nil {
			return err
		}
		if !ok {
			return fault.New(fault.Transport, adaptersOp, one.Name, "another worker process loads them")
		}
		defer release()
		for _, base := range bases {
			if err := s.Restore(ctx, base); err != nil {
				class := fault.ClassOf(err)
				if class == fault.Overload {
					class = fault.Transport // of the store, or of the server: it is tried again
				}
				return &fault.Error{Class: class, Op: adaptersOp, Subject: one.Name, Err: err}
			}
		}
		return nil
	}
}

// adaptersLock is held while the adapters of a server are changed, by any process of the host.
func adaptersLock(one ownserver.Server) string {
	return "model-server-" + portOf(one.Ready) + "-adapters"
}

// exposed reports a fault if other hosts can reach the server. Who reaches it could make it load any file.
func (s *Servers) exposed(ctx context.Context, one ownserver.Server) error {
	addresses, err := s.outward()
	if err != nil {
		return fault.Wrap(fault.Transport, adaptersOp, one.Name, err)
	}
	for _, host := range addresses {
		if answers(ctx, host, portOf(one.Ready)) {
			return fault.New(fault.Input, adaptersOp, one.Name, "it listens at "+host+
				", where others can make it load any file; add the option that keeps it on 127.0.0.1 to its command, such as --host 127.0.0.1")
		}
	}
	return ctx.Err()
}

// outward are the addresses of this host that are not of the loopback interface.
func outward() (out []string, err error) {
	all, err := net.InterfaceAddrs()
	for _, a := range all {
		if one, ok := a.(*net.IPNet); ok && !one.IP.IsLoopback() && !one.IP.IsLinkLocalUnicast() {
			out = append(out, one.IP.String())
		}
	}
	return out, err
}

func answers(ctx context.Context, host, port string) bool {
	conn, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "tcp", net.JoinHostPort(host, port))
	if err != nil {
		return false
	}
	_ = conn.Close() // nothing was written
	return true
}

// Serving is under, with the servers that are started on demand: such a server is started to load
// an adapter. One that does not run has nothing to unload. A nil s has no servers.
func (s *Servers) Serving(under registry.Serving) registry.Serving {
	if s == nil {
		return under
	}
	out := serving{Serving: under, s: s, owned: map[string]ownserver.Server{}}
	for _, one := range s.Config.Servers {
		for _, base := range s.bases(one) {
			out.owned[base] = one
		}
	}
	return out
}

type serving struct {
	registry.Serving
	s     *Servers
	owned map[string]ownserver.Server // by base model
}

func (v serving) Serves(ctx context.Context, base string) bool {
	one, owned := v.owned[base]
	if !owned {
		return v.Serving.Serves(ctx, base)
	}
	return v.s.specs[one.Name].Missing == nil || running(ctx, one)
}

func (v serving) Restarts(ctx context.Context, base string) bool {
	one, owned := v.owned[base]
	return owned && running(ctx, one)
}

func (v serving) Load(ctx context.Context, base, name, dir string, embedding bool) error {
	one, owned := v.owned[base]
	if !owned {
		return v.Serving.Load(ctx, base, name, dir, embedding)
	}
	if v.s.specs[one.Name].Missing == nil { // otherwise another process of this host has started it
		say, end := activities.Waiting(ctx)
		defer end()
		release, err := v.s.manager.Use(ctx, one.Name, func(text string) {
			if text != "" {
				say(waits.Reason{Code: waits.Server, On: one.Name, Text: text})
			} else {
				end()
			}
		})
		if err != nil {
			return err
		}
		defer release()
	}
	return v.alone(ctx, one, func() error { return v.Serving.Load(ctx, base, name, dir, embedding) })
}

func (v serving) Unload(ctx context.Context, base, name string) error {
	one, owned := v.owned[base]
	if !owned {
		return v.Serving.Unload(ctx, base, name)
	}
	return v.alone(ctx, one, func() error {
		if !running(ctx, one) {
			return ctx.Err() // it has forgotten the adapter
		}
		return v.Serving.Unload(ctx, base, name)
	})
}

// alone changes the adapters of a server while no other process does.
func (v serving) alone(ctx context.Context, one ownserver.Server, do func() error) error {
	for {
		release, ok, err := v.s.locks.Try(adaptersLock(one))
		if err != nil {
			return err
		}
		if ok {
			defer release()
			return do()
		}
		select {
		case <-time.After(lockEvery):
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// running reports whether a program listens at the address of a server.
func running(ctx context.Context, one ownserver.Server) bool {
	u, err := url.Parse(one.Ready)
	return err == nil && answers(ctx, strings.Trim(u.Hostname(), "[]"), portOf(one.Ready))
}
