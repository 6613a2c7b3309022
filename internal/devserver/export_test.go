package devserver

import (
	"context"
	"time"
)

// KeepAsking is Keep with another question and another interval.
func KeepAsking(ctx context.Context, o Options, ask func(context.Context, *Server) error, every time.Duration) (*Kept, error) {
	return keep(ctx, o, ask, every)
}

// Current is the server that is kept now.
func (k *Kept) Current() *Server { return k.current() }

// Database asks the database of a server.
func Database(ctx context.Context, s *Server) error { return database(ctx, s) }
