package main

import (
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

// entries runs a query on the ledger, which is written for its file, and returns one string
// per row.
func (a *accountant) entries(query string) (out []string) {
	a.t.Helper()
	if a.database == nil {
		return a.rows("ledger.db", query)
	}
	query = strings.NewReplacer("FROM call", "FROM cogflow.call", "ended_ms", "ended_at",
		"json_object(", "json_build_object(", "max(0,", "greatest(0,").Replace(query)
	c, err := pgx.Connect(a.t.Context(), a.url)
	require.NoError(a.t, err)
	results, err := c.PgConn().Exec(a.t.Context(), query).ReadAll()
	require.NoError(a.t, err)
	require.NoError(a.t, c.Close(a.t.Context()))
	for _, row := range results[0].Rows {
		texts := make([]string, len(row))
		for i, value := range row {
			texts[i] = string(value)
		}
		out = append(out, strings.Join(texts, " | "))
	}
	return out
}

func (a *accountant) booked(query string) int {
	a.t.Helper()
	return atoi(a.t, a.entries(query)[0])
}
