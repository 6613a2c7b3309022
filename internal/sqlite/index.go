// Package sqlite is the embedded search index: documents in one SQLite file, searched in
// memory, words by BM25 and embeddings by their similarity. Several processes may use
// the file at once; each search checks the version of the cached data. The package
// does not know models, the object store or workflows.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/cogniverse/cogflow/internal/dbfile"
	"github.com/cogniverse/cogflow/tenant"
)

// Index is an open index file.
type Index struct {
	db    *dbfile.DB
	cache *cache
}

// schema of version 1. A scope is one profile of one tenant and has its own table of words
// (see wordsTable), in which only earlier builds search.
//
// Documents of a generation are visible up to the id in published; NULL means
// that the generation is not published. Only visible documents have words.
const schema = `
CREATE TABLE scope (
	id      INTEGER PRIMARY KEY,
	tenant  TEXT NOT NULL,
	profile TEXT NOT NULL,
	version INTEGER NOT NULL DEFAULT 0, -- counts changes of what is visible
	UNIQUE (tenant, profile)
) STRICT;
CREATE TABLE generation (
	id          INTEGER PRIMARY KEY AUTOINCREMENT,
	scope       INTEGER NOT NULL REFERENCES scope,
	video       TEXT NOT NULL,
	generation  TEXT NOT NULL,
	encoding    TEXT NOT NULL DEFAULT '', -- of the embeddings: f, b, '' = no document yet
	dim         INTEGER NOT NULL DEFAULT 0,
	published   INTEGER,
	revision    INTEGER NOT NULL DEFAULT 0, -- the scope's version that last changed its visible documents
	documents   INTEGER NOT NULL DEFAULT 0,
	uri         TEXT NOT NULL DEFAULT '',
	name        TEXT NOT NULL DEFAULT '',
	duration_ms INTEGER NOT NULL DEFAULT 0,
	UNIQUE (scope, video, generation)
) STRICT;
CREATE UNIQUE INDEX generation_published ON generation (scope, video) WHERE published IS NOT NULL;
CREATE TABLE document (
	id             INTEGER PRIMARY KEY AUTOINCREMENT,
	generation     INTEGER NOT NULL REFERENCES generation,
	doc            TEXT NOT NULL,
	uri            TEXT NOT NULL,
	name           TEXT NOT NULL,
	pts_ms         INTEGER NOT NULL,
	start_ms       INTEGER NOT NULL,
	end_ms         INTEGER NOT NULL,
	caption        TEXT NOT NULL,
	on_screen_text TEXT NOT NULL,
	transcript     TEXT NOT NULL,
	frame_key      TEXT NOT NULL,
	preview        INTEGER NOT NULL,
	embedding      BLOB NOT NULL,
	UNIQUE (generation, doc)
) STRICT;
`

// fences has the number of the latest claim of each video; see Fence.
const fences = `
CREATE TABLE fence (
	scope INTEGER NOT NULL REFERENCES scope,
	video TEXT NOT NULL,
	claim INTEGER NOT NULL,
	PRIMARY KEY (scope, video)
) STRICT, WITHOUT ROWID;
`

// speech tells passages of speech from frames. Earlier builds leave the kind empty.
const speech = `
ALTER TABLE document ADD COLUMN kind TEXT NOT NULL DEFAULT '';
ALTER TABLE document ADD COLUMN language TEXT NOT NULL DEFAULT '';
`

func kind() dbfile.Kind {
	return dbfile.Kind{
		Name:          "search index",
		ApplicationID: 0x434f4749, // "COGI"
		Migrations:    []string{schema},
		Additions:     []string{fences, speech},
	}
}

// Open opens or creates the index file.
func Open(path string) (*Index, error) {
	db, err := dbfile.Open(context.Background(), path, kind())
	if err != nil {
		return nil, err
	}
	return &Index{db: db, cache: newCache(cacheLimit)}, nil
}

// Close waits for running work and closes the file.
func (x *Index) Close() error { return x.db.Close() }

// scopeID returns 0 if no document was ever stored for the tenant and profile.
func scopeID(ctx context.Context, tx *sql.Tx, t tenant.ID, profile string) (id, version int64, err error) {
	err = tx.QueryRowContext(ctx, "SELECT id, version FROM scope WHERE tenant=? AND profile=?", string(t), profile).
		Scan(&id, &version)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, 0, nil
	}
	return id, version, err
}

// openScope finds or creates a scope.
func openScope(ctx context.Context, tx *sql.Tx, t tenant.ID, profile string) (int64, error) {
	id, _, err := scopeID(ctx, tx, t, profile)
	if err != nil || id != 0 {
		return id, err
	}
	made, err := tx.ExecContext(ctx, "INSERT INTO scope (tenant, profile) VALUES (?, ?)", string(t), profile)
	if err != nil {
		return 0, err
	}
	if id, err = made.LastInsertId(); err != nil {
		return 0, err
	}
	_, err = tx.ExecContext(ctx, fmt.Sprintf(`CREATE VIRTUAL TABLE %s USING fts5(
		caption, on_screen_text, transcript, name,
		content='', contentless_delete=1, tokenize="unicode61 remove_diacritics 2")`, wordsTable(id)))
	return id, err
}

func wordsTable(scope int64) string { return fmt.Sprintf("words_%d", scope) }

// touch increments the version of a scope, after a change of its visible documents, and returns it.
func touch(ctx context.Context, tx *sql.Tx, scope int64) (version int64, err error) {
	err = tx.QueryRowContext(ctx, "UPDATE scope SET version=version+1 WHERE id=? RETURNING version", scope).Scan(&version)
	return version, err
}
