package keys_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/gateway/keys"
	"github.com/cogniverse/cogflow/internal/postgres"
	"github.com/cogniverse/cogflow/internal/postgres/postgrestest"
)

func TestMain(m *testing.M) { os.Exit(postgrestest.Main(m)) }

// TestKeys runs the same checks on a file and on PostgreSQL.
func TestKeys(t *testing.T) {
	t.Parallel()
	for name, place := range map[string]func(t *testing.T) string{
		"file":       func(t *testing.T) string { return filepath.Join(t.TempDir(), "ledger.db") },
		"postgresql": func(t *testing.T) string { return postgrestest.Shared(t).Database(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			at := place(t)
			_, err := keys.OpenExisting(t.Context(), at)
			require.ErrorIs(t, err, postgres.ErrAbsent, "a command creates no store")
			s, err := keys.Open(t.Context(), at)
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, s.Close()) })
			check(t, s)
			again, err := keys.OpenExisting(t.Context(), at)
			require.NoError(t, err)
			require.NoError(t, again.Close())
		})
	}
}

func check(t *testing.T, s *keys.Store) {
	t.Helper()
	secret, made, err := s.Create(t.Context(), "uni:vision", "laptop", time.Hour)
	require.NoError(t, err)
	require.True(t, keys.Ours(secret), secret)
	other, _, err := s.Create(t.Context(), "acme", "", 0)
	require.NoError(t, err)
	require.NotEqual(t, secret, other)

	found, err := s.Find(t.Context(), secret)
	require.NoError(t, err)
	require.Equal(t, made, found)
	require.True(t, found.Valid(made.Created.Add(59*time.Minute)))
	require.False(t, found.Valid(made.Created.Add(time.Hour)))
	for _, wrong := range []string{"", "sk-1", secret[:len(secret)-1], secret + "A", strings.ToLower(secret), keys.New()} {
		_, err := s.Find(t.Context(), wrong)
		require.ErrorIs(t, err, keys.ErrUnknown, wrong)
	}

	all, err := s.List(t.Context(), "")
	require.NoError(t, err)
	require.Len(t, all, 2)
	mine, err := s.List(t.Context(), "uni:vision")
	require.NoError(t, err)
	require.Equal(t, []keys.Key{made}, mine)

	require.NoError(t, s.Revoke(t.Context(), made.ID))
	gone, err := s.Find(t.Context(), secret)
	require.NoError(t, err)
	require.False(t, gone.Valid(made.Created))
	require.NoError(t, s.Revoke(t.Context(), made.ID))
	still, err := s.Find(t.Context(), secret)
	require.NoError(t, err)
	require.Equal(t, gone.Revoked, still.Revoked, "the first time counts")
	require.Equal(t, fault.Input, fault.ClassOf(s.Revoke(t.Context(), "key_NONE")))
}

// TestNoSecretOnDisk: neither the secret nor its random part is in any file.
func TestNoSecretOnDisk(t *testing.T) {
	t.Parallel()
	at := filepath.Join(t.TempDir(), "ledger.db")
	s, err := keys.Open(t.Context(), at)
	require.NoError(t, err)
	secret, _, err := s.Create(t.Context(), "acme", "", 0)
	require.NoError(t, err)
	require.NoError(t, s.Close())
	files, err := filepath.Glob(filepath.Dir(at) + "/*")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, name := range files {
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		require.NotContains(t, string(data), secret[4:30])
		info, err := os.Stat(name)
		require.NoError(t, err)
		require.Zero(t, info.Mode().Perm()&0o077, name)
	}
}

// counting counts look-ups.
type counting struct {
	key  keys.Key
	err  error
	asks int
}

func (c *counting) Find(context.Context, string) (keys.Key, error) {
	c.asks++
	return c.key, c.err
}

func TestCache(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &counting{key: keys.Key{ID: "key_A", Tenant: "acme", Expires: time.Now().Add(7 * time.Second)}}
		cache := keys.NewCache(c)
		for range 10 {
			k, err := cache.Find(t.Context(), "secret")
			require.NoError(t, err)
			require.Equal(t, c.key, k)
		}
		require.Equal(t, 1, c.asks)
		<-time.After(keys.Fresh) // of the bubble
		_, err := cache.Find(t.Context(), "secret")
		require.NoError(t, err)
		require.Equal(t, 2, c.asks)
		<-time.After(2 * time.Second)
		_, err = cache.Find(t.Context(), "secret")
		require.ErrorIs(t, err, keys.ErrUnknown, "it expires although it is remembered")
		c.key.Expires, c.key.Revoked = time.Time{}, time.Now()
		<-time.After(keys.Fresh)
		_, err = cache.Find(t.Context(), "secret")
		require.ErrorIs(t, err, keys.ErrUnknown)
		c.err = fault.New(fault.Transport, "find key", "", "down")
		_, err = cache.Find(t.Context(), "other")
		require.Equal(t, fault.Transport, fault.ClassOf(err))
	})
}

// TestManyKeys: a key is found by an index, however many keys there are.
func TestManyKeys(t *testing.T) {
	t.Parallel()
	s, err := keys.Open(t.Context(), filepath.Join(t.TempDir(), "ledger.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	plan, err := s.Plan(t.Context())
	require.NoError(t, err)
	require.Contains(t, plan, "SEARCH key USING")
	require.NotContains(t, plan, "SCAN")
}

// BenchmarkFind finds keys among 100,000.
func BenchmarkFind(b *testing.B) {
	s, err := keys.Open(b.Context(), filepath.Join(b.TempDir(), "ledger.db"))
	require.NoError(b, err)
	defer s.Close()
	require.NoError(b, s.Fill(b.Context(), 100_000))
	secret, _, err := s.Create(b.Context(), "acme", "", 0)
	require.NoError(b, err)
	b.ResetTimer()
	for i := range b.N {
		if _, err := s.Find(b.Context(), secret); err != nil {
			b.Fatal(fmt.Errorf("%d: %w", i, err))
		}
	}
}
