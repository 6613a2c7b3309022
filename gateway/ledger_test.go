package main

import (
	"database/sql"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	_ "modernc.org/sqlite" // the ledger's driver, to lock its file
)

// TestLockedLedger: a call that cannot be booked is no failure of its model server. The caller is told
// what it is, and the server is asked as soon as the ledger can be written again.
func TestLockedLedger(t *testing.T) {
	const asked = `{"model":"m","messages":[{"role":"user","content":"hi"}],"max_tokens":5}`
	t.Parallel()
	model := serves(t, text(http.StatusOK, "application/json", answered))
	g := startGateway(t, `"gateway":{"address":"127.0.0.1:0","queue_seconds":1},"endpoints":{`+endpoint(model, "a", "")+`}`)
	db, err := sql.Open("sqlite", filepath.Join(g.dir, "ledger.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, db.Close()) })
	lock, err := db.Conn(t.Context())
	require.NoError(t, err)
	_, err = lock.ExecContext(t.Context(), "BEGIN IMMEDIATE")
	require.NoError(t, err)

	status, header, answer, err := g.post(t, "/v1/chat/completions", asked)
	for err == nil && code(t, answer) == "overloaded" { // a slow machine: the second was over before the ledger was asked
		status, header, answer, err = g.post(t, "/v1/chat/completions", asked)
	}
	require.NoError(t, err)
	require.Equal(t, http.StatusServiceUnavailable, status, answer)
	require.Equal(t, "ledger_unavailable", code(t, answer), answer)
	require.NotContains(t, answer, "model server")
	require.NotContains(t, answer, g.dir)
	require.NotEmpty(t, header.Get("Retry-After"))
	require.Zero(t, model.calls.Load())

	_, err = lock.ExecContext(t.Context(), "ROLLBACK")
	require.NoError(t, err)
	require.NoError(t, lock.Close())
	require.Eventually(t, func() bool {
		status, _, _, err = g.post(t, "/v1/chat/completions", asked)
		return err == nil && status == http.StatusOK
	}, time.Minute, 10*time.Millisecond)
}
