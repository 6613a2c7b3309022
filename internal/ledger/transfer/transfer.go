// Package transfer copies a ledger from a file to PostgreSQL, entry by entry, so that budgets and
// costs go on when one host becomes a fleet. It changes nothing in the file.
package transfer

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/dbfile"
	"github.com/cogniverse/cogflow/internal/ledger"
	"github.com/cogniverse/cogflow/internal/ledger/schema"
	"github.com/cogniverse/cogflow/internal/postgres"
)

// Sum is a number of entries and what they cost.
type Sum struct {
	Entries  int64 `json:"entries"`
	MicroUSD int64 `json:"micro_usd"`
}

func (s Sum) String() string {
	return fmt.Sprintf("%d entries of $%.6f", s.Entries, float64(s.MicroUSD)/1e6)
}

// Result is what a copy did. File and Copied are equal, else Copy returns an error.
type Result struct {
	File    Sum      `json:"file"`    // all entries of the file
	Copied  Sum      `json:"copied"`  // the same entries as the database has them
	Added   Sum      `json:"added"`   // of them, those that were not there before
	Renamed int64    `json:"renamed"` // entries that were added under another key, because another host's entry has theirs
	Budgets int64    `json:"budgets"` // that were not there before
	Kept    []string `json:"kept"`    // budgets of which the database has another amount, which stays
}

// Copy copies all settled entries and the budgets. It may be interrupted and repeated: what is
// there already is not added again. Each batch is one transaction.
func Copy(ctx context.Context, file, url string, progress func(done, of int64)) (r Result, err error) {
	if err := ledger.CheckFile(file); err != nil {
		return r, err
	}
	from, err := dbfile.Open(ctx, file, schema.File())
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	before, err := unused(ctx, from)
	if err != nil {
		return r, err
	}
	to, err := postgres.Open(ctx, url, schema.Shared())
	if err != nil {
		return r, err
	}
	defer to.Close()
	c, err := to.Connect(ctx)
	if err != nil {
		return r, to.Fault("copy ledger", err)
	}
	defer func() { _ = c.Close(context.WithoutCancel(ctx)) }()
	if err := begin(ctx, c); err != nil {
		return r, to.Fault("copy ledger", err)
	}
	for after := int64(0); ; {
		rows, err := read(ctx, from, after)
		if err != nil {
			return r, err
		}
		if len(rows) == 0 {
			break
		}
		var b batch
		err = pgx.BeginFunc(ctx, c, func(tx pgx.Tx) (err error) {
			b, err = write(ctx, tx, rows)
			return err
		})
		if err != nil {
			return r, to.Fault("copy ledger", err)
		}
		after = rows[len(rows)-1].id
		r.add(rows, b)
		progress(r.File.Entries, before.Entries)
	}
	if r.Budgets, r.Kept, err = budgets(ctx, from, c); err != nil {
		return r, to.Fault("copy budgets", err)
	}
	return r, r.check(ctx, from, before)
}

func (r *Result) add(rows []entry, b batch) {
	for _, e := range rows {
		r.File.Entries++
		r.File.MicroUSD += e.cost
	}
	r.Copied.Entries += b.there.Entries
	r.Copied.MicroUSD += b.there.MicroUSD
	r.Added.Entries += b.added.Entries
	r.Added.MicroUSD += b.added.MicroUSD
	r.Renamed += b.renamed
}

// check compares the sums of both sides, and that nobody wrote to the file meanwhile.
func (r *Result) check(ctx context.Context, from *dbfile.DB, before Sum) error {
	after, err := unused(ctx, from)
	if err != nil {
		return err
	}
	if after != before || r.File != before {
		return fault.New(fault.Input, "copy ledger", "", fmt.Sprintf(
			"the file has changed meanwhile: it had %s, %s were read, and it has %s; stop its workers and copy again", before, r.File, after))
	}
	if r.Copied != r.File {
		return fault.New(fault.Input, "copy ledger", "", fmt.Sprintf(
			"the sums differ: the file has %s, the database %s; workers of the database have settled copied entries again, or its entries were changed", r.File, r.Copied))
	}
	return nil
}
