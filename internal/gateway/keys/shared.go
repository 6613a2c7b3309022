package keys

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cogniverse/cogflow/internal/postgres"
	"github.com/cogniverse/cogflow/tenant"
)

const sharedTables = `
CREATE TABLE cogflow_gateway.key (
	hash       text PRIMARY KEY, -- SHA-256 of the secret
	id         text NOT NULL UNIQUE,
	tenant     text NOT NULL,
	name       text NOT NULL,
	created_at timestamptz NOT NULL,
	expires_at timestamptz,      -- NULL: never
	revoked_at timestamptz       -- NULL: it is not
);
CREATE INDEX key_tenant ON cogflow_gateway.key (tenant, created_at);
`

// The schema has its own name, so that its migrations do not depend on those of the ledger.
func sharedKind() postgres.Kind {
	return postgres.Kind{Name: "key store", Schema: "cogflow_gateway", Migrations: []postgres.Migration{{SQL: sharedTables, Oldest: 1}}}
}

// shared keeps keys in a PostgreSQL database.
type shared struct{ db *postgres.DB }

func (s *shared) close() error {
	s.db.Close()
	return nil
}

func (s *shared) now(ctx context.Context) (now time.Time, err error) {
	_, err = s.db.Row(ctx, "read the clock", "SELECT date_trunc('milliseconds', clock_timestamp())", nil, []any{&now})
	return now, err
}

func (s *shared) insert(ctx context.Context, hash string, k Key) error {
	// A row that was written before its connection broke is written again.
	_, err := s.db.Row(ctx, "create key", `INSERT INTO cogflow_gateway.key (hash, id, tenant, name, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (hash) DO UPDATE SET name=excluded.name RETURNING id`,
		[]any{hash, k.ID, string(k.Tenant), k.Name, k.Created, orNull(k.Expires)}, []any{&k.ID})
	return err
}

func orNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

const sharedColumns = "SELECT id, tenant, name, created_at, expires_at, revoked_at, hash FROM cogflow_gateway.key"

// columnsOf are the addresses that a row of sharedColumns is read into; then set completes k.
func columnsOf(k *Key, hash *string) (into []any, set func()) {
	var expires, revoked *time.Time
	return []any{&k.ID, &k.Tenant, &k.Name, &k.Created, &expires, &revoked, hash}, func() {
		k.Created = k.Created.UTC()
		if expires != nil {
			k.Expires = expires.UTC()
		}
		if revoked != nil {
			k.Revoked = revoked.UTC()
		}
	}
}

func (s *shared) find(ctx context.Context, hash string) (k Key, stored string, found bool, err error) {
	into, set := columnsOf(&k, &stored)
	found, err = s.db.Row(ctx, "find key", sharedColumns+" WHERE hash=$1", []any{hash}, into)
	set()
	return k, stored, found, err
}

func (s *shared) list(ctx context.Context, t tenant.ID) (all []Key, err error) {
	err = s.db.Rows(ctx, "list keys", sharedColumns+" WHERE $1='' OR tenant=$1 ORDER BY created_at, id", []any{string(t)}, func(row pgx.CollectableRow) error {
		var k Key
		var hash string
		into, set := columnsOf(&k, &hash)
		if err := row.Scan(into...); err != nil {
			return err
		}
		set()
		all = append(all, k)
		return nil
	})
	return all, err
}

func (s *shared) revoke(ctx context.Context, id string) (found bool, err error) {
	return s.db.Row(ctx, "revoke key", "UPDATE cogflow_gateway.key SET revoked_at=coalesce(revoked_at, clock_timestamp()) WHERE id=$1 RETURNING id",
		[]any{id}, []any{&id})
}
