package door

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/config/frontdoor"
	"github.com/cogniverse/cogflow/panics"
)

const (
	headerTime = 10 * time.Second // for the headers of a request
	idleTime   = 2 * time.Minute  // of a connection between requests
	maxHeader  = 32 << 10
)

// server is the HTTP server of one address.
type server struct {
	http     *http.Server
	listener net.Listener
	at       []frontdoor.Named
}

// ErrStopping is the cause of the context of requests that are cut at the end of the grace period.
var ErrStopping = fault.New(fault.Preempted, "serve request", "", "the gateway is stopping")

// Listen opens all addresses and serves them. fatal gets the error of a server that ends by itself.
func (d *Door) Listen(ctx context.Context, fatal func(error)) error {
	base, cut := context.WithCancelCause(context.WithoutCancel(ctx))
	d.cut = cut
	for _, at := range byAddress(d.options.Config.Listeners) {
		s, err := d.open(ctx, base, at)
		if err != nil {
			d.Close()
			return err
		}
		d.servers = append(d.servers, s)
	}
	for _, s := range d.servers {
		d.work.Go(func() error {
			err := s.serve()
			if errors.Is(err, http.ErrServerClosed) {
				return nil
			}
			fatal(fault.Wrap(fault.Transport, "serve", s.at[0].Address, err))
			return nil
		})
	}
	return nil
}

func (d *Door) open(ctx, base context.Context, at []frontdoor.Named) (*server, error) {
	address := at[0].Address
	listener, err := d.options.Listen(ctx, address)
	if err != nil {
		return nil, fault.Wrap(fault.Input, "listen at", address, fmt.Errorf("%w; set the address of cogflow.gateway, or COGFLOW_GATEWAY_ADDRESS, to a free one", err))
	}
	local := frontdoor.Local(listener.Addr().String())
	protocols := &http.Protocols{}
	protocols.SetHTTP1(true)
	protocols.SetHTTP2(true)
	protocols.SetUnencryptedHTTP2(true)
	return &server{listener: listener, at: at, http: &http.Server{
		Handler:           http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { d.serve(at, local, w, r) }),
		ReadHeaderTimeout: headerTime, IdleTimeout: idleTime, MaxHeaderBytes: maxHeader, Protocols: protocols,
		BaseContext: func(net.Listener) context.Context { return base },
		ErrorLog:    slog.NewLogLogger(d.options.Log.Handler(), slog.LevelDebug), // scanners, broken TLS
	}}, nil
}

func (s *server) serve() error {
	if s.at[0].Cert != "" {
		return s.http.ServeTLS(s.listener, s.at[0].Cert, s.at[0].Key)
	}
	return s.http.Serve(s.listener)
}

// Addresses are those that the door listens at, by the name of a listener.
func (d *Door) Addresses() map[string]string {
	out := map[string]string{}
	for _, s := range d.servers {
		for _, l := range s.at {
			out[l.Name] = s.listener.Addr().String()
		}
	}
	return out
}

// cutTime is how long handlers have to end after their requests were cut.
const cutTime = 5 * time.Second

// Shutdown refuses new requests, waits for those in flight, and cuts the ones that take longer than
// the grace period.
func (d *Door) Shutdown(grace time.Duration) error {
	d.draining.Store(true)
	ctx, cancel := context.WithTimeout(context.Background(), grace+cutTime)
	defer cancel()
	timer := time.AfterFunc(grace, func() { d.cut(ErrStopping) })
	defer timer.Stop()
	var errs []error
	done := make(chan error, len(d.servers))
	for _, s := range d.servers {
		panics.Go(func() error { return s.http.Shutdown(ctx) }, func(err error) { done <- err })
	}
	for range d.servers {
		errs = append(errs, <-done)
	}
	d.Close()
	return errors.Join(append(errs, d.work.Wait())...)
}

// Close ends all connections at once.
func (d *Door) Close() {
	d.cut(ErrStopping)
	for _, s := range d.servers {
		_ = s.http.Close() // it is over
	}
}
