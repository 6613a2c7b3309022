// Package api says what a route of the gateway is: its method, path, types and handler, in one
// table from which the server and the OpenAPI document are made. It also has the error document
// and what a handler knows about its caller. It knows no route.
package api

import (
	"log/slog"

	"github.com/cogniverse/cogflow/tenant"
)

// Caller is who makes a request. The door finds it out; a body never says it.
type Caller struct {
	Tenant   tenant.ID
	Key      string // id of the key; "" = none, because the listener names the tenant
	Listener string // name
	Model    string // the only model of the listener; "" = any
	Request  string // id of the request
	Local    bool   // only this host can reach the listener, and no proxy has sent the request
	Keyed    bool   // the listener requires a key

	Revision    string // of Model; "" = not told
	MaxModelLen int    // tokens of a request and its answer; 0 = not told
	MaxPixels   int    // of an image
	ErrorsAs200 bool   // callers expect the failures of Cogniverse's own routes with status 200
}

// Attrs are the attributes of a caller in logs.
func (c Caller) Attrs() []any {
	return []any{
		slog.String("request_id", c.Request), slog.String("tenant", string(c.Tenant)), slog.String("key", c.Key), slog.String("listener", c.Listener),
	}
}
