package keys

import (
	"context"
	"crypto/sha256"
	"sync"
	"time"
)

// Fresh is how long a key that was found is not looked up again. A revoked key is refused after
// at most this time.
const Fresh = 5 * time.Second

// mostCached bounds the memory of a Cache.
const mostCached = 100_000

// Finder finds the key of a secret, as Store does.
type Finder interface {
	Find(ctx context.Context, secret string) (Key, error)
}

// Cache finds keys and remembers them for a moment, so that most requests need no database. Unknown
// keys are not remembered.
type Cache struct {
	finder Finder
	now    func() time.Time

	mu    sync.Mutex
	known map[[sha256.Size]byte]cached
}

type cached struct {
	key   Key
	until time.Time
}

// NewCache makes a Cache of a store.
func NewCache(f Finder) *Cache {
	return &Cache{finder: f, now: time.Now, known: map[[sha256.Size]byte]cached{}}
}

// Find returns the valid key of a secret. Its error is ErrUnknown if there is none, or it has
// expired or was revoked.
func (c *Cache) Find(ctx context.Context, secret string) (Key, error) {
	h, now := sha256.Sum256([]byte(secret)), c.now()
	c.mu.Lock()
	one, known := c.known[h]
	c.mu.Unlock()
	if !known || !now.Before(one.until) {
		k, err := c.finder.Find(ctx, secret)
		if err != nil {
			return Key{}, err
		}
		one = cached{k, now.Add(Fresh)}
		c.remember(h, one, now)
	}
	if !one.key.Valid(now) {
		return Key{}, ErrUnknown
	}
	return one.key, nil
}

func (c *Cache) remember(h [sha256.Size]byte, one cached, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.known) >= mostCached {
		for other, k := range c.known {
			if !now.Before(k.until) {
				delete(c.known, other)
			}
		}
		if len(c.known) >= mostCached {
			clear(c.known)
		}
	}
	c.known[h] = one
}
