package transfer

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/dbfile"
	"github.com/cogniverse/cogflow/internal/ledger/schema"
)

// batchSize is the number of entries of a transaction.
const batchSize = 2000

// columns of an entry after its id, in the order of both databases.
func columns() []string {
	return []string{
		"key", "tenant", "job", "workflow", "kind", "model", "fingerprint", "attempt", "process", "begun_at", "ended_at", "outcome", "cost",
		"input_tokens", "output_tokens", "cached_tokens", "reasoning_tokens", "gpu", "gpu_ms",
	}
}

// entry is one entry. other is a key that no other host uses for another entry.
type entry struct {
	id, cost int64
	other    string
	values   []any // of columns
}

const selection = `SELECT id, coalesce(key, ''), tenant, job, workflow, kind, model, fingerprint, attempt, process, begun_ms, ended_ms, ` + schema.EndedInFile + `, cost,
	input_tokens, output_tokens, cached_tokens, reasoning_tokens, gpu, gpu_ms FROM call WHERE id>? ORDER BY id LIMIT ?`

// read reads the entries after one.
func read(ctx context.Context, from *dbfile.DB, after int64) (out []entry, err error) {
	err = from.View(ctx, "read ledger", func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, selection, after, batchSize)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			e, err := scan(rows)
			if err != nil {
				return err
			}
			out = append(out, e)
		}
		return rows.Err()
	})
	return out, err
}

func scan(rows *sql.Rows) (e entry, err error) {
	var key, tenant, job, workflow, kind, model, fingerprint, process, outcome, gpu string
	var attempt, begun, ended int64
	var input, output, cached, reasoning, gpuMS *int64
	if err := rows.Scan(&e.id, &key, &tenant, &job, &workflow, &kind, &model, &fingerprint, &attempt, &process, &begun, &ended, &outcome, &e.cost,
		&input, &output, &cached, &reasoning, &gpu, &gpuMS); err != nil {
		return e, err
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%d\x00%s\x00%s\x00%s\x00%s\x00%s\x00%s\x00%d\x00%d", e.id, tenant, job, workflow, kind, model, fingerprint, begun, ended))
	e.other = "file:" + hex.EncodeToString(sum[:16])
	if key == "" { // written by a build without keys
		key = e.other
	}
	e.values = []any{
		key, tenant, job, workflow, kind, model, fingerprint, attempt, process, time.UnixMilli(begun), time.UnixMilli(ended), outcome, e.cost,
		input, output, cached, reasoning, gpu, gpuMS,
	}
	return e, nil
}

// unused sums up the file, and refuses one with calls in flight.
func unused(ctx context.Context, from *dbfile.DB) (s Sum, err error) {
	var open int64
	var began sql.NullInt64
	err = from.View(ctx, "sum up ledger", func(tx *sql.Tx) error {
		if err := tx.QueryRowContext(ctx, "SELECT count(*), min(begun_ms) FROM call WHERE ended_ms IS NULL").Scan(&open, &began); err != nil {
			return err
		}
		return tx.QueryRowContext(ctx, "SELECT count(*), coalesce(sum(cost), 0) FROM call").Scan(&s.Entries, &s.MicroUSD)
	})
	if err == nil && open > 0 {
		err = fault.New(fault.Input, "copy ledger", "", fmt.Sprintf(
			"%d calls are in flight, the first since %s; let all workers of the file drain and end, wait 10 s, and copy again", open, time.UnixMilli(began.Int64).UTC().Format(time.RFC3339)))
	}
	return s, err
}
