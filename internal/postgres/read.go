package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/cogniverse/cogflow/fault"
)

// ErrAbsent marks a database without the tables.
var ErrAbsent = errors.New("it does not exist")

// OpenExisting is Open for a database that has the tables already, of any version.
func OpenExisting(ctx context.Context, url string, kind Kind) (*DB, error) {
	op := "open " + kind.Name
	db, err := connect(ctx, op, url)
	if err != nil {
		return nil, err
	}
	have, err := db.version(ctx, db.pool, kind)
	if err == nil && have == 0 {
		err = &fault.Error{Class: fault.Input, Op: op, Subject: db.name, Err: fmt.Errorf("%w in this database; workers create it when they start", ErrAbsent)}
	}
	if err == nil {
		err = db.migrate(ctx, kind)
	}
	if err != nil {
		db.pool.Close()
		return nil, db.Fault(op, err)
	}
	return db, nil
}

func connect(ctx context.Context, op, url string) (*DB, error) {
	config, err := parse(op, url)
	if err != nil {
		return nil, err
	}
	db := &DB{name: config.ConnConfig.Database, hidden: hide(config.ConnConfig)}
	if db.pool, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return nil, db.Fault(op, err)
	}
	return db, nil
}
