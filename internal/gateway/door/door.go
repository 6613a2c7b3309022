// Package door is what every request of the gateway passes before a route sees it: listeners,
// request ids, keys, limits, the log and error documents. It knows no route.
package door

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cogniverse/cogflow/internal/config/frontdoor"
	"github.com/cogniverse/cogflow/internal/gateway/api"
	"github.com/cogniverse/cogflow/internal/gateway/keys"
	"github.com/cogniverse/cogflow/panics"
	"github.com/cogniverse/cogflow/tenant"
)

// Options of a Door.
type Options struct {
	Config frontdoor.Gateway
	Routes []api.Route
	Keys   keys.Finder // nil = no key is valid
	Meter  Meter       // nil = requests are not counted
	Log    *slog.Logger
	Now    func() time.Time                                                // nil = time.Now
	Listen func(ctx context.Context, address string) (net.Listener, error) // nil = TCP
}

// Meter counts requests.
type Meter interface {
	// Began counts a request in flight; end gets its route, "" = none, and its status.
	Began() (end func(route string, status int, took time.Duration))
}

// Door serves the routes at the listeners of the configuration. Make one with New.
type Door struct {
	options  Options
	mux      *api.Mux
	limits   limits
	guesses  guesses // wrong keys
	others   guesses // what else is refused of callers without a tenant
	draining atomic.Bool
	servers  []*server
	cut      context.CancelCauseFunc // ends the requests in flight
	work     panics.Group
}

// New makes a door. It does not listen yet.
func New(o Options) *Door {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Listen == nil {
		o.Listen = func(ctx context.Context, address string) (net.Listener, error) {
			return (&net.ListenConfig{}).Listen(ctx, "tcp", address)
		}
	}
	return &Door{
		options: o, mux: api.NewMux(o.Routes), guesses: guesses{now: o.Now}, others: guesses{now: o.Now},
		limits: limits{max: o.Config.MaxInFlight, perMinute: o.Config.PerMinute, now: o.Now},
	}
}

// request is one request on its way through the door.
type request struct {
	door    *Door
	w       *writer
	r       *http.Request
	caller  api.Caller
	route   string
	refused string // why the door refused it
	counted bool   // the refusal is among those of guesses
	quietly bool   // the refusal is not logged
	before  int    // refusals before it that were not logged
}

// serve answers a request of a listener's address.
func (d *Door) serve(at []frontdoor.Named, local bool, w http.ResponseWriter, r *http.Request) {
	began := d.options.Now()
	q := &request{door: d, w: newWriter(w), r: r, caller: api.Caller{Request: requestID(r)}}
	q.w.Header().Set("X-Request-Id", q.caller.Request)
	q.w.Header().Set("X-Content-Type-Options", "nosniff")
	q.w.Header().Set("Cross-Origin-Resource-Policy", "same-origin")
	if r.ProtoMajor == 1 && len(r.TransferEncoding) > 0 {
		// It may have had a length, too, by which a proxy in front finds another end of the request. So
		// nothing that follows on the connection is read (RFC 9112, 6.1).
		q.w.Header().Set("Connection", "close")
	}
	end := func(string, int, time.Duration) {}
	if d.options.Meter != nil {
		end = d.options.Meter.Began()
	}
	err := panics.Try(func() error { return q.pass(at, local) })
	took := d.options.Now().Sub(began)
	q.finish(err, took)
	end(q.route, q.w.status, took)
	if q.w.broken {
		// The answer is incomplete. Only a broken connection says so to every client.
		panic(http.ErrAbortHandler)
	}
}

// pass checks a request and calls its route.
func (q *request) pass(at []frontdoor.Named, local bool) error {
	d := q.door
	listener, err := choose(at, local, q.r)
	if err != nil {
		q.refused = "host"
		return err
	}
	q.caller.Listener, q.caller.Model, q.caller.Local = listener.Name, listener.Model, local && !forwarded(q.r)
	q.caller.Keyed = listener.Tenant == ""
	q.caller.Revision, q.caller.MaxModelLen, q.caller.ErrorsAs200 = listener.Revision, listener.MaxModelLen, listener.ErrorsAs200
	q.caller.MaxPixels = d.options.Config.MaxPixels
	route, err := d.mux.Find(q.w, q.r)
	if err != nil {
		return err
	}
	q.route = route.Name
	if route.Public {
		q.r.Body = http.NoBody
		return route.Handle(q.w, q.r, q.caller)
	}
	if err := q.admit(listener); err != nil {
		q.refused = "key"
		return q.guessed(err)
	}
	leave, err := d.limits.enter(q.caller.Tenant)
	if err != nil {
		q.refused = "limit"
		return err
	}
	defer leave()
	if d.draining.Load() {
		q.refused = "draining"
		q.w.Header().Set("Connection", "close")
		return &api.Error{Status: http.StatusServiceUnavailable, Code: api.CodeDraining, Message: "the gateway is stopping; ask another one", RetryAfter: time.Second}
	}
	if coding := q.r.Header.Get("Content-Encoding"); q.r.ContentLength != 0 && coding != "" && !strings.EqualFold(coding, "identity") {
		q.w.Header().Set("Accept-Encoding", "identity")
		return api.Fail(http.StatusUnsupportedMediaType, "unsupported_encoding", "send the body as it is: it is not unpacked, so leave out the header Content-Encoding")
	}
	defer q.body(max(route.MaxBody, 0))()
	return route.Handle(q.w, q.r, q.caller)
}

// admit finds the tenant of a request: that of its key or of its listener.
func (q *request) admit(l frontdoor.Named) error {
	unauthorized := func(message string) error { return api.Fail(http.StatusUnauthorized, "invalid_api_key", message) }
	scheme, secret, given := strings.Cut(q.r.Header.Get("Authorization"), " ")
	given = given && strings.EqualFold(scheme, "Bearer")
	secret = strings.TrimSpace(secret)
	if len(q.r.Header.Values("Authorization")) > 1 {
		return unauthorized("the header Authorization is given twice")
	}
	if l.Tenant != "" && (!given || !keys.Ours(secret)) {
		// Callers send whatever their client requires. Only a key of ours can contradict the listener.
		q.caller.Tenant = tenant.ID(l.Tenant)
		return nil
	}
	if !given || secret == "" {
		return unauthorized("a key is required: send the header Authorization: Bearer KEY; `cogflow keys create` makes one")
	}
	if q.door.options.Keys == nil {
		return unauthorized("the key is unknown, expired or revoked")
	}
	k, err := q.door.options.Keys.Find(q.r.Context(), secret)
	switch {
	case errors.Is(err, keys.ErrUnknown):
		return unauthorized("the key is unknown, expired or revoked")
	case err != nil:
		return err
	}
	q.caller.Key = k.ID
	if l.Tenant != "" && tenant.ID(l.Tenant) != k.Tenant {
		return api.Fail(http.StatusForbidden, "wrong_tenant", "the key is of another tenant than this listener")
	}
	q.caller.Tenant = k.Tenant
	return nil
}

// guessed counts a refused key.
func (q *request) guessed(err error) error {
	if api.Of(err).Status != http.StatusUnauthorized {
		return err
	}
	wait, logged, before := q.door.guesses.refused(host(q.r.RemoteAddr))
	q.counted, q.quietly, q.before = true, !logged, before
	if wait > 0 {
		return tooManyGuesses(wait)
	}
	return err
}

// finish answers an error and writes the line of the log.
func (q *request) finish(err error, took time.Duration) {
	d := q.door
	gone := q.r.Context().Err() != nil && !errors.Is(context.Cause(q.r.Context()), ErrStopping)
	if err != nil && !q.w.wrote {
		e := api.Of(err)
		switch {
		case e.Code == codeSlow: // the server takes its client for gone, but it is there
			if q.r.ProtoMajor == 1 { // other requests share a connection of HTTP/2
				q.w.Header().Set("Connection", "close")
			}
			api.Write(q.w, e)
		case gone: // without an answer, the server would send an empty one with status 200
			q.w.status, q.w.broken = statusGone, true
		default:
			api.Write(q.w, e)
		}
	} else if _, told := errors.AsType[*api.Told](err); err != nil && !told {
		q.w.broken = true
	}
	if q.caller.Tenant == "" && q.w.status >= http.StatusBadRequest && !q.counted {
		_, logged, before := d.others.refused(host(q.r.RemoteAddr))
		q.quietly, q.before = !logged, before
	}
	attrs := append(q.caller.Attrs(),
		slog.String("method", q.r.Method), slog.String("route", q.route), slog.Int("status", q.w.status),
		slog.Int64("bytes", q.w.bytes), slog.Duration("took", took), slog.String("remote", host(q.r.RemoteAddr)))
	if q.route == "" {
		attrs = append(attrs, slog.String("path", clip(q.r.URL.Path)))
	}
	if err != nil {
		attrs = append(attrs, slog.String("error", clip(err.Error())))
	}
	level, message := slog.LevelInfo, "request"
	switch p, panicked := errors.AsType[*panics.Error](err); {
	case panicked:
		level, message = slog.LevelError, "request panicked"
		attrs = append(attrs, slog.String("stack", p.Stack))
	case q.refused != "":
		level, message = slog.LevelWarn, "request refused"
		attrs = append(attrs, slog.String("by", q.refused))
	case q.w.status >= http.StatusInternalServerError:
		level = slog.LevelWarn
	case q.quiet():
		level = slog.LevelDebug
	}
	if q.before > 0 {
		attrs = append(attrs, slog.Int("not_logged_before", q.before))
	}
	if q.quietly && level < slog.LevelError {
		level = slog.LevelDebug
	}
	d.options.Log.Log(context.WithoutCancel(q.r.Context()), level, message, attrs...)
}

// quiet reports whether a request is one of a probe, which would fill the log.
func (q *request) quiet() bool { return q.caller.Tenant == "" && q.w.status == http.StatusOK }

// statusGone is the status in the log and in metrics of a client that went away, as in nginx.
const statusGone = 499

// requestID is the id of the client, if it is one, or a new one.
func requestID(r *http.Request) string {
	const most = 64
	id := r.Header.Get("X-Request-Id")
	if id == "" || len(id) > most || strings.Trim(id, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") != "" || keys.Hide(id) != id {
		return "req_" + rand.Text()
	}
	return id
}

func host(address string) string {
	h, _, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	return h
}
