package money

import "context"

type entryKey struct{}

// WithEntry returns a context that carries the key of the ledger entry under which a call
// is booked. Adapters send it with the request, so that an endpoint's log can be compared
// with the ledger, call by call. Several entries of one request (a batch of frames) are
// joined by commas.
func WithEntry(ctx context.Context, key string) context.Context {
	return context.WithValue(ctx, entryKey{}, key)
}

// EntryOf returns the key that WithEntry set; "" = none.
func EntryOf(ctx context.Context) string {
	key, _ := ctx.Value(entryKey{}).(string)
	return key
}
