package postgres_test

import (
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/postgres"
	"github.com/cogniverse/cogflow/internal/postgres/postgrestest"
)

func TestMain(m *testing.M) { os.Exit(postgrestest.Main(m)) }

// kind has n versions, each with a table of its own that cannot be made twice.
func kind(oldest ...int) postgres.Kind {
	k := postgres.Kind{Name: "call ledger", Schema: "things"}
	for i, o := range oldest {
		k.Migrations = append(k.Migrations, postgres.Migration{SQL: "CREATE TABLE things." + string(rune('a'+i)) + " (x integer)", Oldest: o})
	}
	return k
}

func open(t *testing.T, url string, k postgres.Kind) error {
	t.Helper()
	db, err := postgres.Open(t.Context(), url, k)
	if err == nil {
		db.Close()
	}
	return err
}

func TestMigrate(t *testing.T) {
	t.Parallel()
	url := postgrestest.Shared(t).Database(t)
	require.NoError(t, open(t, url, kind(1)))
	require.NoError(t, open(t, url, kind(1)), "again")
	require.NoError(t, open(t, url, kind(1, 1)))
	require.NoError(t, open(t, url, kind(1)), "a step that only adds does not refuse an older build")
	require.NoError(t, open(t, url, kind(1, 1, 3)))
	err := open(t, url, kind(1, 1))
	require.Equal(t, fault.Input, fault.ClassOf(err))
	require.ErrorContains(t, err, "a newer cogflow migrated it (schema 3, this build knows 2)")
}

// TestMigrateAtOnce: hosts that start at the same time migrate once.
func TestMigrateAtOnce(t *testing.T) {
	t.Parallel()
	url := postgrestest.Shared(t).Database(t)
	var hosts sync.WaitGroup
	for range 8 {
		hosts.Go(func() {
			db, err := postgres.Open(t.Context(), url, kind(1, 1, 1))
			if err != nil {
				t.Errorf("open: %v", err)
				return
			}
			db.Close()
		})
	}
	hosts.Wait()
}

// TestLeastPrivilege: a user who may only read and write rows can open a migrated database.
func TestLeastPrivilege(t *testing.T) {
	t.Parallel()
	url := postgrestest.Shared(t).Database(t)
	require.NoError(t, open(t, url, kind(1)))
	c, err := pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	_, err = c.Exec(t.Context(), `CREATE ROLE clerk LOGIN PASSWORD 'topsecret'; GRANT USAGE ON SCHEMA things TO clerk;
		GRANT SELECT ON ALL TABLES IN SCHEMA things TO clerk`)
	require.NoError(t, err)
	require.NoError(t, c.Close(t.Context()))
	clerk := strings.Replace(url, "postgres@", "clerk:topsecret@", 1)
	require.NoError(t, open(t, clerk, kind(1)))
	err = open(t, clerk, kind(1, 1))
	require.Equal(t, fault.Auth, fault.ClassOf(err), "%v", err)
}

// TestFaults: errors are classified and say what to do, and none holds the password.
func TestFaults(t *testing.T) {
	t.Parallel()
	server := postgrestest.New(t)
	url := server.Database(t)
	for name, c := range map[string]struct {
		url   string
		class fault.Class
		says  string
	}{
		"no database":    {strings.Replace(url, "/test1?", "/none?", 1), fault.Input, "createdb"},
		"no user":        {strings.Replace(url, "postgres@", "nobody-here:topsecret@", 1), fault.Auth, "refuses this user"},
		"no server":      {"postgres://me:topsecret@127.0.0.1:1/x", fault.Overload, "connection refused"},
		"no host":        {"postgres://me:topsecret@none.invalid/x?connect_timeout=2", fault.Overload, "cannot be reached"},
		"bad port":       {"postgres://me:topsecret@host:port/x", fault.Input, "not valid"},
		"bad escape":     {"postgres://me:topsecret%zz@host/x", fault.Input, "not valid"},
		"bad option":     {"postgres://me:topsecret@host/x?sslmode=perhaps", fault.Input, "not valid"},
		"unknown option": {strings.Replace(url, "?", "?password=topsecret&no_such_option=1&", 1), fault.Input, "no_such_option"},
		"not a URL":      {"host=x password=topsecret", fault.Input, "not valid"},
	} {
		err := open(t, c.url, kind(1))
		require.Equal(t, c.class, fault.ClassOf(err), "%s: %v", name, err)
		require.ErrorContains(t, err, c.says, name)
		require.NotContains(t, err.Error(), "topsecret", name)
		require.NotContains(t, err.Error(), "postgres://me", name)
		require.NotContains(t, err.Error(), "127.0.0.1", name)
		require.NotContains(t, err.Error(), "none.invalid", name)
	}
	server.Stop(t)
	require.Equal(t, fault.Overload, fault.ClassOf(open(t, url, kind(1))), "it is waited for")
	server.Start(t)
	require.NoError(t, open(t, url, kind(1)))
}
