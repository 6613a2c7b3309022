package transfer

import (
	"context"
	"database/sql"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/cogniverse/cogflow/internal/dbfile"
	"github.com/cogniverse/cogflow/money"
)

// begin makes the table of a batch, which only this connection sees.
func begin(ctx context.Context, c *pgx.Conn) error {
	_, err := c.Exec(ctx, `CREATE TEMPORARY TABLE batch ON COMMIT DELETE ROWS AS
		SELECT `+strings.Join(columns(), ", ")+`, '' AS other, false AS added FROM cogflow.call LIMIT 0`)
	return err
}

// batch is what a transaction did.
type batch struct {
	added, there Sum
	renamed      int64
}

// An entry is there already if the database has one with its key that began at the same time. If
// it began at another time, another host has used the key, and the entry gets a key of its own.
// What was added is summed up as settlements do.
func write(ctx context.Context, tx pgx.Tx, rows []entry) (b batch, err error) {
	values := make([][]any, len(rows))
	for i, e := range rows {
		values[i] = append(append(make([]any, 0, len(e.values)+2), e.values...), e.other, false)
	}
	if _, err := tx.CopyFrom(ctx, pgx.Identifier{"batch"}, append(columns(), "other", "added"), pgx.CopyFromRows(values)); err != nil {
		return b, err
	}
	renamed, err := tx.Exec(ctx, `UPDATE batch SET key=other WHERE EXISTS (SELECT FROM cogflow.call c WHERE c.key=batch.key AND c.begun_at<>batch.begun_at)
		AND NOT EXISTS (SELECT FROM cogflow.call c WHERE c.key=batch.other)`)
	if err != nil {
		return b, err
	}
	b.renamed = renamed.RowsAffected()
	list := strings.Join(columns(), ", ")
	for _, statement := range []string{
		// Entries that an earlier copy has renamed.
		"UPDATE batch SET key=other WHERE EXISTS (SELECT FROM cogflow.call c WHERE c.key=batch.other)",
		`WITH new AS (INSERT INTO cogflow.call (` + list + `) SELECT ` + list + ` FROM batch ORDER BY key ON CONFLICT (key) DO NOTHING RETURNING key)
			UPDATE batch SET added=true FROM new WHERE new.key=batch.key`,
		`INSERT INTO cogflow.spend (tenant, job, settled) SELECT tenant, job, sum(cost) FROM batch WHERE added GROUP BY 1, 2 ORDER BY 1, 2
			ON CONFLICT (tenant, job) DO UPDATE SET settled=spend.settled+excluded.settled`,
		`INSERT INTO cogflow.spend_workflow (tenant, job, workflow, settled) SELECT tenant, job, workflow, sum(cost) FROM batch WHERE added GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
			ON CONFLICT (tenant, job, workflow) DO UPDATE SET settled=spend_workflow.settled+excluded.settled`,
		`INSERT INTO cogflow.spend_period (period, tenant, model, org, settled)
			SELECT p.period, tenant, model, split_part(tenant, ':', 1), sum(cost)
			FROM (SELECT *, begun_at AT TIME ZONE 'UTC' AS begun FROM batch WHERE added AND cost<>0) AS b,
				LATERAL (VALUES (to_char(begun, 'YYYY-MM-DD')), (to_char(begun, 'YYYY-MM')), ('total')) AS p (period)
			GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
			ON CONFLICT (period, tenant, model) DO UPDATE SET settled=least(spend_period.settled+excluded.settled, 4611686018427387904)`,
	} {
		if _, err := tx.Exec(ctx, statement); err != nil {
			return b, err
		}
	}
	err = tx.QueryRow(ctx, `SELECT count(*) FILTER (WHERE added), coalesce(sum(c.cost) FILTER (WHERE added), 0)::bigint, count(*), coalesce(sum(c.cost), 0)::bigint
		FROM batch b JOIN cogflow.call c ON c.key=b.key AND c.begun_at=b.begun_at`).
		Scan(&b.added.Entries, &b.added.MicroUSD, &b.there.Entries, &b.there.MicroUSD)
	return b, err
}

// budgets copies the budgets of the file. The database's own stay.
func budgets(ctx context.Context, from *dbfile.DB, c *pgx.Conn) (added int64, kept []string, err error) {
	var all []money.Budget
	err = from.View(ctx, "read budgets", func(tx *sql.Tx) error {
		rows, err := tx.QueryContext(ctx, "SELECT org, tenant, model, period, soft, amount FROM budget ORDER BY 1, 2, 3, 4, 5")
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var b money.Budget
			if err := rows.Scan(&b.Org, &b.Tenant, &b.Model, &b.Period, &b.Soft, &b.MicroUSD); err != nil {
				return err
			}
			all = append(all, b)
		}
		return rows.Err()
	})
	if err != nil {
		return 0, nil, err
	}
	for _, b := range all {
		var amount int64
		var fresh bool
		err := c.QueryRow(ctx, `WITH new AS (INSERT INTO cogflow.budget (org, tenant, model, period, soft, amount) VALUES ($1, $2, $3, $4, $5, $6)
				ON CONFLICT DO NOTHING RETURNING amount)
			SELECT amount, true FROM new UNION ALL
			SELECT amount, false FROM cogflow.budget WHERE org=$1 AND tenant=$2 AND model=$3 AND period=$4 AND soft=$5 AND NOT EXISTS (SELECT FROM new)`,
			b.Org, b.Tenant, b.Model, string(b.Period), b.Soft, b.MicroUSD).Scan(&amount, &fresh)
		if err != nil {
			return added, kept, err
		}
		switch {
		case fresh:
			added++
		case amount != b.MicroUSD:
			kept = append(kept, b.String())
		}
	}
	return added, kept, nil
}
