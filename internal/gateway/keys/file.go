package keys

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/dbfile"
	"github.com/cogniverse/cogflow/internal/postgres"
	"github.com/cogniverse/cogflow/tenant"
)

const tables = `
CREATE TABLE key (
	hash       TEXT PRIMARY KEY, -- SHA-256 of the secret
	id         TEXT NOT NULL UNIQUE,
	tenant     TEXT NOT NULL,
	name       TEXT NOT NULL,
	created_ms INTEGER NOT NULL, -- Unix time
	expires_ms INTEGER,          -- NULL: never
	revoked_ms INTEGER           -- NULL: it is not
) STRICT, WITHOUT ROWID;
CREATE INDEX key_tenant ON key (tenant, created_ms);
`

func kind() dbfile.Kind {
	return dbfile.Kind{Name: "key store", ApplicationID: 0x434f474b, Migrations: []string{tables}} // "COGK"
}

// file keeps keys in a SQLite file.
type file struct{ db *dbfile.DB }

func openFile(ctx context.Context, path string) (*Store, error) {
	db, err := dbfile.Open(ctx, path, kind())
	if err != nil {
		return nil, err
	}
	return &Store{&file{db}}, nil
}

// present returns a fault if no gateway has created the file.
func present(path string) error {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return &fault.Error{
			Class: fault.Input, Op: "open key store", Subject: path,
			Err: fmt.Errorf("%w on this host; cogflow-gateway creates it when it starts. Run the command on its host, or set COGFLOW_LEDGER", postgres.ErrAbsent),
		}
	}
	return nil
}

func (f *file) close() error { return f.db.Close() }

func (f *file) now(context.Context) (time.Time, error) {
	return time.Now().Truncate(time.Millisecond), nil
}

func (f *file) insert(ctx context.Context, hash string, k Key) error {
	return f.db.Update(ctx, "create key", func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO key (hash, id, tenant, name, created_ms, expires_ms) VALUES (?, ?, ?, ?, ?, ?)",
			hash, k.ID, string(k.Tenant), k.Name, k.Created.UnixMilli(), millis(k.Expires))
		return err
	})
}

func millis(t time.Time) sql.NullInt64 {
	return sql.NullInt64{Int64: t.UnixMilli(), Valid: !t.IsZero()}
}

const columns = "SELECT id, tenant, name, created_ms, expires_ms, revoked_ms, hash FROM key"

func scan(row interface{ Scan(into ...any) error }) (k Key, hash string, err error) {
	var created int64
	var expires, revoked sql.NullInt64
	err = row.Scan(&k.ID, &k.Tenant, &k.Name, &created, &expires, &revoked, &hash)
	k.Created = time.UnixMilli(created).UTC()
	if expires.Valid {
		k.Expires = time.UnixMilli(expires.Int64).UTC()
	}
	if revoked.Valid {
		k.Revoked = time.UnixMilli(revoked.Int64).UTC()
	}
	return k, hash, err
}

func (f *file) find(ctx context.Context, hash string) (k Key, stored string, found bool, err error) {
	err = f.db.View(ctx, "find key", func(tx *sql.Tx) (err error) {
		k, stored, err = scan(tx.QueryRowContext(ctx, columns+" WHERE hash=?", hash))
		return err
	})
	if errors.Is(err, sql.ErrNoRows) {
		return k, "", false, nil
	}
	return k, stored, err == nil, err
}

func (f *file) list(ctx context.Context, t tenant.ID) (all []Key, err error) {
	err = f.db.View(ctx, "list keys", func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, columns+" WHERE ?1='' OR tenant=?1 ORDER BY created_ms, id", string(t))
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			k, _, err := scan(rows)
			if err != nil {
				return err
			}
			all = append(all, k)
		}
		return rows.Err()
	})
	return all, err
}

func (f *file) revoke(ctx context.Context, id string) (found bool, err error) {
	err = f.db.Update(ctx, "revoke key", func(tx *sql.Tx) error {
		done, err := tx.ExecContext(ctx, "UPDATE key SET revoked_ms=coalesce(revoked_ms, ?) WHERE id=?", time.Now().UnixMilli(), id)
		if err != nil {
			return err
		}
		n, err := done.RowsAffected()
		found = n > 0
		return err
	})
	return found, err
}
