// Package dbfiletest checks that a newer schema leaves an older build able to
// work with the file.
package dbfiletest

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/dbfile"
)

// Additive opens one file with ever more additions of kind and checks after each
// that all that was there is still there, unchanged, and that no statement of a
// build without it can fail for it: every prefix of the additions is a build. Of the
// triggers that are named, a test of their own must show that they refuse no row.
func Additive(t *testing.T, kind dbfile.Kind, triggers ...string) {
	t.Helper()
	require.NoError(t, additive(t, kind, triggers...))
}

func additive(t *testing.T, kind dbfile.Kind, triggers ...string) error {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file.db")
	var before schema
	for n := range len(kind.Additions) + 1 {
		older := kind
		older.Additions = kind.Additions[:n]
		db, err := dbfile.Open(t.Context(), path, older)
		require.NoError(t, err)
		after := read(t, db)
		for _, name := range triggers {
			delete(after.unique, name)
		}
		require.NoError(t, db.Close())
		if n > 0 {
			if err := after.serves(before); err != nil {
				return fmt.Errorf("addition %d: %w", n, err)
			}
		}
		before = after
	}
	return nil
}

type column struct {
	kind     string
	required bool // an INSERT must name it
}

type schema struct {
	version int
	columns map[string]map[string]column // by table and name
	tables  map[string]string            // statement up to the columns' end that ALTER TABLE changes; for its table options
	unique  map[string]string            // unique indexes over whole tables, and triggers: what can refuse a row
	objects map[string]bool
}

func read(t *testing.T, db *dbfile.DB) schema {
	t.Helper()
	s := schema{
		columns: map[string]map[string]column{}, tables: map[string]string{},
		unique: map[string]string{}, objects: map[string]bool{},
	}
	require.NoError(t, db.View(t.Context(), "read schema", func(tx *sql.Tx) error {
		if err := tx.QueryRowContext(t.Context(), "PRAGMA user_version").Scan(&s.version); err != nil {
			return err
		}
		err := scan(t, tx, "SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_schema", func(f []string) {
			kind, name, table, text := f[0], f[1], f[2], f[3]
			s.objects[kind+" "+name] = true
			switch words := strings.ToUpper(text); {
			case kind == "table":
				s.tables[name] = options(text)
			case kind == "trigger", strings.HasPrefix(words, "CREATE UNIQUE") && !strings.Contains(words, " WHERE "):
				s.unique[name] = table
			}
		})
		if err != nil {
			return err
		}
		return scan(t, tx, `SELECT m.name, c.name, c.type, c."notnull" AND c.dflt_value IS NULL AND c.pk=0
			FROM sqlite_schema m, pragma_table_xinfo(m.name) c WHERE m.type='table'`, func(f []string) {
			if s.columns[f[0]] == nil {
				s.columns[f[0]] = map[string]column{}
			}
			s.columns[f[0]][f[1]] = column{kind: f[2], required: f[3] == "1"}
		})
	}))
	return s
}

// options returns what follows the columns: STRICT, WITHOUT ROWID.
func options(create string) string { return create[strings.LastIndex(create, ")")+1:] }

func scan(t *testing.T, tx *sql.Tx, query string, row func(fields []string)) error {
	t.Helper()
	rows, err := tx.QueryContext(t.Context(), query)
	if err != nil {
		return err
	}
	defer rows.Close()
	fields := make([]string, 4)
	for rows.Next() {
		if err := rows.Scan(&fields[0], &fields[1], &fields[2], &fields[3]); err != nil {
			return err
		}
		row(fields)
	}
	return rows.Err()
}

// serves says why a build that was written for old cannot work with s.
func (s schema) serves(old schema) error {
	if s.version != old.version {
		return fmt.Errorf("user_version became %d: an older build refuses the file", s.version)
	}
	for object := range old.objects {
		if !s.objects[object] {
			return fmt.Errorf("%s is gone", object)
		}
	}
	for index, table := range s.unique {
		if _, is := old.unique[index]; !is && old.columns[table] != nil {
			return fmt.Errorf("%s can refuse a row that an older build writes into %s", index, table)
		}
	}
	for table, columns := range old.columns {
		if s.tables[table] != old.tables[table] {
			return fmt.Errorf("table %s is of another form", table)
		}
		for name, was := range columns {
			if s.columns[table][name] != was {
				return fmt.Errorf("column %s of table %s changed", name, table)
			}
		}
		for name, is := range s.columns[table] {
			if _, had := columns[name]; !had && is.required {
				return fmt.Errorf("column %s of table %s must be named by every INSERT", name, table)
			}
		}
	}
	return nil
}
