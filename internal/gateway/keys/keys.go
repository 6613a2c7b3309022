// Package keys stores the API keys of tenants: only their SHA-256, beside the ledger. It knows no
// HTTP.
package keys

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base32"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/postgres"
	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/tenant"
)

// Key is a key without its secret.
type Key struct {
	ID      string    `json:"id"` // not secret; logs name the key by it
	Tenant  tenant.ID `json:"tenant"`
	Name    string    `json:"name,omitempty"` // for people
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires,omitzero"` // zero = never
	Revoked time.Time `json:"revoked,omitzero"` // zero = it is not
}

// Valid reports whether the key opens the door at a time.
func (k Key) Valid(now time.Time) bool {
	return k.Revoked.IsZero() && (k.Expires.IsZero() || now.Before(k.Expires))
}

// ErrUnknown is the error of a key that is not stored.
var ErrUnknown = errors.New("the key is unknown")

// A secret is prefix, 128 random bits, and a checksum, so that a scanner finds lost keys, and a
// mistyped key asks no database.
const (
	prefix   = "cgf_"
	random   = 26 // characters of rand.Text
	checksum = 7
)

// New makes a secret.
func New() string { return seal(prefix + rand.Text()) }

func seal(body string) string {
	sum := crc32.ChecksumIEEE([]byte(body))
	return body + base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString([]byte{byte(sum >> 24), byte(sum >> 16), byte(sum >> 8), byte(sum)})
}

// Ours reports whether a text has the form of a key.
func Ours(secret string) bool {
	const body = len(prefix) + random
	return len(secret) == body+checksum && strings.HasPrefix(secret, prefix) && seal(secret[:body]) == secret
}

var anywhere = regexp.MustCompile(prefix + "[A-Za-z0-9]{8,}")

// Hide replaces what has the form of a key, or of a part of one, in a text.
func Hide(text string) string { return anywhere.ReplaceAllString(text, safetext.KeyMark) }

// hash is what is stored of a secret. Secrets have 128 random bits, so a slow hash would protect
// nothing more.
func hash(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// database is where keys are.
type database interface {
	insert(ctx context.Context, hash string, k Key) error
	find(ctx context.Context, hash string) (k Key, stored string, found bool, err error)
	list(ctx context.Context, t tenant.ID) ([]Key, error)
	revoke(ctx context.Context, id string) (found bool, err error)
	now(ctx context.Context) (time.Time, error)
	close() error
}

// Store is an open store of keys.
type Store struct{ db database }

// FileName is the name of the file of keys, beside the file of the ledger.
const FileName = "keys.db"

// File is the path of the keys beside the ledger in a file.
func File(ledger string) string { return filepath.Join(filepath.Dir(ledger), FileName) }

// Open opens the keys beside a ledger: a file in its folder, or tables in its database. It creates
// them if necessary.
func Open(ctx context.Context, ledger string) (*Store, error) {
	if postgres.Is(ledger) {
		db, err := postgres.Open(ctx, ledger, sharedKind())
		if err != nil {
			return nil, err
		}
		return &Store{&shared{db}}, nil
	}
	return openFile(ctx, File(ledger))
}

// OpenExisting is Open for keys that a gateway has created. Commands use it: no gateway would
// read others.
func OpenExisting(ctx context.Context, ledger string) (*Store, error) {
	if postgres.Is(ledger) {
		db, err := postgres.OpenExisting(ctx, ledger, sharedKind())
		if err != nil {
			return nil, err
		}
		return &Store{&shared{db}}, nil
	}
	if err := present(File(ledger)); err != nil {
		return nil, err
	}
	return openFile(ctx, File(ledger))
}

// Close closes the store.
func (s *Store) Close() error { return s.db.close() }

// Create makes a key and returns its secret, which is stored nowhere. life 0 = it never expires.
func (s *Store) Create(ctx context.Context, t tenant.ID, name string, life time.Duration) (secret string, k Key, err error) {
	now, err := s.db.now(ctx)
	if err != nil {
		return "", k, err
	}
	k = Key{ID: "key_" + rand.Text()[:16], Tenant: t, Name: name, Created: now.UTC()}
	if life > 0 {
		k.Expires = k.Created.Add(life)
	}
	secret = New()
	return secret, k, s.db.insert(ctx, hash(secret), k)
}

// Find returns the key of a secret. Its error is ErrUnknown if there is none.
func (s *Store) Find(ctx context.Context, secret string) (Key, error) {
	if !Ours(secret) {
		return Key{}, ErrUnknown
	}
	h := hash(secret)
	k, stored, found, err := s.db.find(ctx, h)
	if err == nil && (!found || subtle.ConstantTimeCompare([]byte(h), []byte(stored)) != 1) {
		err = ErrUnknown
	}
	return k, err
}

// List returns the keys of a tenant, or of all if it is empty, the oldest first.
func (s *Store) List(ctx context.Context, t tenant.ID) ([]Key, error) { return s.db.list(ctx, t) }

// Revoke ends a key. Gateways notice it within Fresh.
func (s *Store) Revoke(ctx context.Context, id string) error {
	found, err := s.db.revoke(ctx, id)
	if err == nil && !found {
		err = fault.New(fault.Input, "revoke key", id, "there is no such key; `cogflow keys list` shows all")
	}
	return err
}
