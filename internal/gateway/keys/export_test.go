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
