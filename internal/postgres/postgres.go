// Package postgres opens PostgreSQL databases that workers of several hosts share: a
// checked URL, numbered migrations, and PostgreSQL's errors as faults. The ledger uses it.
// It knows none of its tables. No error holds the URL, an address or the password.
package postgres

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/cogniverse/cogflow/fault"
)

const (
	connectFor = 5 * time.Second
	// waitFor is how long a statement waits for a lock, and a transaction for its next
	// statement. A host that was cut off within a transaction blocks others no longer.
	waitFor = 5 * time.Second
	// readers is the number of reading connections of a process.
	readers = 4
)

// DB is an open database.
type DB struct {
	pool   *pgxpool.Pool
	name   string // of the database on its server
	hidden *strings.Replacer
}

// Is reports whether a text is the URL of a PostgreSQL database.
func Is(url string) bool {
	return strings.HasPrefix(url, "postgres://") || strings.HasPrefix(url, "postgresql://")
}

// Open connects to a database and migrates it. It refuses one that a newer build has
// migrated further than this build can use, and does not change it.
func Open(ctx context.Context, url string, kind Kind) (*DB, error) {
	db, err := connect(ctx, "open "+kind.Name, url)
	if err != nil {
		return nil, err
	}
	if err := db.migrate(ctx, kind); err != nil {
		db.pool.Close()
		return nil, db.Fault("open "+kind.Name, err)
	}
	return db, nil
}

func parse(op, url string) (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil || !Is(url) {
		// The driver's error may quote the password.
		return nil, fault.New(fault.Input, op, "", "its PostgreSQL URL is not valid; write it like "+
			"postgres://user@host:5432/database?sslmode=verify-full, with special characters percent-encoded")
	}
	if !strings.Contains(url, "pool_max_conns") {
		config.MaxConns = readers
	}
	c := config.ConnConfig
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = connectFor
	}
	wait := strconv.FormatInt(waitFor.Milliseconds(), 10)
	for name, value := range map[string]string{
		"application_name": "cogflow", "lock_timeout": wait, "idle_in_transaction_session_timeout": wait,
	} {
		if c.RuntimeParams[name] == "" {
			c.RuntimeParams[name] = value
		}
	}
	return config, nil
}

// hide replaces the addresses of the servers in texts.
func hide(c *pgx.ConnConfig) *strings.Replacer {
	pairs := []string{net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port))), "(server)", c.Host, "(server)"}
	for _, f := range c.Fallbacks {
		pairs = append(pairs, f.Host, "(server)")
	}
	return strings.NewReplacer(pairs...)
}

// Connect makes a connection outside the pool.
func (db *DB) Connect(ctx context.Context) (*pgx.Conn, error) {
	return pgx.ConnectConfig(ctx, db.pool.Config().ConnConfig)
}

// Close waits for running statements and closes the connections of the pool.
func (db *DB) Close() { db.pool.Close() }

// Row reads one row of one statement. found is false if there is none. Connections that were
// lost while idle are replaced without an error.
func (db *DB) Row(ctx context.Context, op, query string, args, into []any) (found bool, err error) {
	for range db.pool.Config().MaxConns + 1 {
		if err = db.pool.QueryRow(ctx, query, args...).Scan(into...); !Lost(err) || ctx.Err() != nil {
			break
		}
	}
	if errors.Is(err, pgx.ErrNoRows) {
		return false, nil
	}
	return err == nil, db.Fault(op, err)
}

// Kind identifies the tables of one purpose in a database.
type Kind struct {
	Name       string // for people: "call ledger"
	Schema     string // that holds the tables; a plain identifier
	Migrations []Migration
}

// Migration is one step of a schema. Number n turns version n-1 into n; the first is 1.
type Migration struct {
	SQL string
	// Oldest is the version that a build must know to use the tables after this step.
	// Builds of different versions use one database at the same time, and a rollback uses
	// what a newer build migrated. A step that only adds what old statements need not know
	// keeps the Oldest of the step before; for any other, every worker has to stop.
	Oldest int
}

func (k Kind) newest() int { return len(k.Migrations) }

// version reads the version of the schema, 0 for a new one.
func (db *DB) version(ctx context.Context, q querier, k Kind) (have int, err error) {
	var exists bool
	var oldest int
	if err := q.QueryRow(ctx, "SELECT to_regclass($1) IS NOT NULL", k.Schema+".migration").Scan(&exists); err != nil || !exists {
		return 0, err
	}
	err = q.QueryRow(ctx, "SELECT coalesce(max(number), 0), coalesce(max(oldest), 0) FROM "+k.Schema+".migration").Scan(&have, &oldest)
	if err == nil && oldest > k.newest() {
		err = fault.New(fault.Input, "open "+k.Name, db.name, "a newer cogflow migrated it (schema "+strconv.Itoa(have)+
			", this build knows "+strconv.Itoa(k.newest())+"); run that version or name another database")
	}
	return have, err
}

type querier interface {
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// migrate applies the steps that a database lacks, in one transaction. A lock keeps hosts
// that start at once from doing so twice. A user without the right to change tables can
// open a database that is up to date.
func (db *DB) migrate(ctx context.Context, k Kind) error {
	if have, err := db.version(ctx, db.pool, k); err != nil || have >= k.newest() {
		return err
	}
	return pgx.BeginFunc(ctx, db.pool, func(tx pgx.Tx) error {
		for _, setUp := range []string{
			"SET LOCAL lock_timeout=0", // a step of another host may take long
			"SELECT pg_advisory_xact_lock(hashtextextended('migrate " + k.Schema + "', 0))",
			"CREATE SCHEMA IF NOT EXISTS " + k.Schema,
			"CREATE TABLE IF NOT EXISTS " + k.Schema + `.migration (
				number     integer PRIMARY KEY,
				oldest     integer NOT NULL, -- version that a build must know
				applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
			)`,
		} {
			if _, err := tx.Exec(ctx, setUp); err != nil {
				return err
			}
		}
		have, err := db.version(ctx, tx, k) // again: another host may have migrated it
		if err != nil {
			return err
		}
		for i := have; i < k.newest(); i++ {
			m := k.Migrations[i]
			if _, err := tx.Exec(ctx, m.SQL); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, "INSERT INTO "+k.Schema+".migration (number, oldest) VALUES ($1, $2)", i+1, m.Oldest); err != nil {
				return err
			}
		}
		return nil
	})
}
