package keys

import (
	"context"
	"database/sql"
	"fmt"
)

// Fill adds keys to a file.
func (s *Store) Fill(ctx context.Context, n int) error {
	return s.db.(*file).db.Update(ctx, "fill", func(tx *sql.Tx) error { //nolint:forcetypeassert // of a benchmark
		for i := range n {
			if _, err := tx.ExecContext(ctx, "INSERT INTO key (hash, id, tenant, name, created_ms) VALUES (?, ?, 'acme', '', 0)", hash(fmt.Sprint(i)), fmt.Sprint(i)); err != nil {
				return err
			}
		}
		return nil
	})
}

// Plan is how the file finds a key.
func (s *Store) Plan(ctx context.Context) (plan string, err error) {
	err = s.db.(*file).db.View(ctx, "explain", func(tx *sql.Tx) error { //nolint:forcetypeassert // of a test
		var a, b, c int
		return tx.QueryRowContext(ctx, "EXPLAIN QUERY PLAN "+columns+" WHERE hash=?", "x").Scan(&a, &b, &c, &plan)
	})
	return plan, err
}
