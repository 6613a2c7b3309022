package dbfiletest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/dbfile"
)

func kind(additions ...string) dbfile.Kind {
	return dbfile.Kind{
		Name: "test file", ApplicationID: 7, Additions: additions,
		Migrations: []string{"CREATE TABLE a (n INTEGER NOT NULL); CREATE INDEX a_n ON a (n)"},
	}
}

func TestAdditive(t *testing.T) {
	t.Parallel()
	Additive(t, kind(
		"ALTER TABLE a ADD COLUMN m INTEGER; ALTER TABLE a ADD COLUMN o TEXT NOT NULL DEFAULT ''",
		"CREATE TABLE b (n INTEGER PRIMARY KEY, m TEXT NOT NULL UNIQUE) STRICT",
		"CREATE UNIQUE INDEX a_o ON a (o) WHERE o <> ''; UPDATE a SET m = n",
	))
}

func TestNotAdditive(t *testing.T) {
	t.Parallel()
	for addition, want := range map[string]string{
		"PRAGMA user_version=2":              "an older build refuses the file",
		"DROP INDEX a_n":                     "index a_n is gone",
		"ALTER TABLE a RENAME TO b":          "is gone",
		"ALTER TABLE a RENAME COLUMN n TO m": "column n of table a changed",
		"CREATE UNIQUE INDEX one ON a (n)":   "can refuse a row",
		"CREATE TRIGGER no BEFORE INSERT ON a BEGIN SELECT RAISE(ABORT, 'no'); END":                     "can refuse a row",
		"DROP TABLE a; CREATE TABLE a (n INTEGER NOT NULL, m TEXT NOT NULL); CREATE INDEX a_n ON a (n)": "must be named by every INSERT",
		"DROP TABLE a; CREATE TABLE a (n INTEGER NOT NULL) STRICT; CREATE INDEX a_n ON a (n)":           "another form",
		"DROP TABLE a; CREATE TABLE a (n TEXT NOT NULL); CREATE INDEX a_n ON a (n)":                     "column n of table a changed",
	} {
		require.ErrorContains(t, additive(t, kind(addition)), want, addition)
	}
}
