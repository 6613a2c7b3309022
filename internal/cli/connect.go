package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"

	"github.com/cogniverse/cogflow/internal/submit"
	"github.com/cogniverse/cogflow/internal/traces"
)

// dialTimeout bounds the first connection, because the user waits for it.
const dialTimeout = 4 * time.Second

// traceFlush bounds how long a command that ends waits for the collector of traces.
const traceFlush = time.Second

// Use has Connect return this client, which its owner closes. at is its server.
func (a *App) Use(c client.Client, at submit.Server) { a.conn, a.Where = c, at }

// Connect returns the client of the server that the usual TEMPORAL_* variables
// or temporal.toml specify, else of the server that `make up` starts.
func (a *App) Connect(ctx context.Context) (client.Client, error) {
	if a.conn != nil {
		return a.conn, nil
	}
	if a.plan != nil {
		return nil, Usage("a command that asks the server before its job starts cannot be planned")
	}
	c, err := a.Config()
	if err != nil {
		return nil, err
	}
	options, server, err := submit.Find(a.Getenv, c.UI)
	if err != nil {
		return nil, err
	}
	a.Where = server
	discard := slog.New(slog.DiscardHandler)
	options.Logger = log.NewStructuredLogger(discard)
	if a.traces, err = traces.Start(a.Getenv, traces.Options{Service: "cogflow", Version: a.Version, Log: discard}); err != nil {
		return nil, err
	}
	options.Interceptors = append(options.Interceptors, a.traces.Interceptors()...)
	dial, cancel := context.WithTimeout(ctx, a.Limit(dialTimeout))
	defer cancel()
	a.conn, err = client.DialContext(dial, options)
	if err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, a.unreachable(err)
	}
	return a.conn, nil
}

// unreachable is the error of a failed connection, with the fix.
func (a *App) unreachable(err error) error {
	at := a.Where.Address
	if denied, ok := errors.AsType[*serviceerror.PermissionDenied](err); ok {
		return fmt.Errorf("the Temporal server at %s rejected the connection: %s: check TEMPORAL_API_KEY and the TEMPORAL_TLS_* variables", at, denied.Message)
	}
	err = unwrapGRPC(err)
	if s := a.target.stack; s != nil {
		return fmt.Errorf("no Temporal server answers at %s (%w): it was started by `make up` in %s and has ended; start it there again, or use another server with --address", at, err, s.Root)
	}
	return fmt.Errorf("no Temporal server answers at %s (%w): `make up` starts one here; --address or TEMPORAL_ADDRESS selects another", at, err)
}

// unwrapGRPC removes the gRPC wrapping from the reason of a connection error.
func unwrapGRPC(err error) error {
	text := err.Error()
	for _, wrap := range []string{"desc = ", "transport: ", "Error while dialing: ", "dial "} {
		if _, rest, ok := strings.Cut(text, wrap); ok {
			text = rest
		}
	}
	return errors.New(strings.Trim(text, `"`))
}
