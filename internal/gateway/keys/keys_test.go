package keys_test

import (
	"context"
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

// BenchmarkFind finds a key and a wrong key among 100,000, and among 100 in the same run.
//
//	ratio        time of a look-up among 100,000 keys ÷ among 100 (goal: at most 2)
//	wrong-ratio  the same, of a key that is not stored
func BenchmarkFind(b *testing.B) {
	type place struct {
		store  *keys.Store
		secret string
	}
	fill := func(n int) place {
		s, err := keys.Open(b.Context(), filepath.Join(b.TempDir(), "ledger.db"))
		require.NoError(b, err)
		b.Cleanup(func() { require.NoError(b, s.Close()) })
		require.NoError(b, s.Fill(b.Context(), n))
		secret, _, err := s.Create(b.Context(), "acme", "", 0)
		require.NoError(b, err)
		return place{s, secret}
	}
	const turns = 1000 // a look-up takes microseconds
	few, many := fill(100), fill(100_000)
	find := func(p place, secret string, want error) time.Duration {
		began := time.Now()
		for range turns {
			_, err := p.store.Find(b.Context(), secret)
			require.ErrorIs(b, err, want)
		}
		return time.Since(began)
	}
	var found, wrong [2]time.Duration
	for b.Loop() {
		for i, p := range []place{few, many} {
			found[i] += find(p, p.secret, nil)
			wrong[i] += find(p, keys.New(), keys.ErrUnknown)
		}
	}
	b.ReportMetric(found[1].Seconds()*1e6/float64(b.N*turns), "us")
	b.ReportMetric(float64(found[1])/float64(found[0]), "ratio")
	b.ReportMetric(float64(wrong[1])/float64(wrong[0]), "wrong-ratio")
}
