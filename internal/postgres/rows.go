package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// Rows reads the rows of one statement. Connections that were lost while idle are replaced
// without an error, as long as no row was read.
func (db *DB) Rows(ctx context.Context, op, query string, args []any, take func(row pgx.CollectableRow) error) error {
	var err error
	taken := false
	for range db.pool.Config().MaxConns + 1 {
		var rows pgx.Rows
		if rows, err = db.pool.Query(ctx, query, args...); err == nil {
			_, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (struct{}, error) {
				taken = true
				return struct{}{}, take(row)
			})
		}
		if taken || !Lost(err) || ctx.Err() != nil {
			break
		}
	}
	return db.Fault(op, err)
}
