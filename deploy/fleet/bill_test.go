//go:build linux

package fleet

import (
	"encoding/json"
	"slices"
	"strconv"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/answer/billtest"
)

// booked is an entry of the ledger.
type booked struct {
	Key, Outcome, Tenant, Kind, Model, Fingerprint string
	Cost                                           int64
}

func (f *fleet) ledger() map[string]booked {
	f.t.Helper()
	rows, err := f.ledgerDB.rows(`SELECT json_build_object('Key', key, 'Outcome', outcome, 'Tenant', tenant,
		'Kind', kind, 'Model', model, 'Fingerprint', fingerprint, 'Cost', cost)::text FROM cogflow.call`)
	require.NoError(f.t, err)
	out := map[string]booked{}
	for _, row := range rows {
		var b booked
		require.NoError(f.t, json.Unmarshal([]byte(row), &b), row)
		require.NotContains(f.t, out, b.Key)
		out[b.Key] = b
	}
	return out
}

// openEntries is the number of calls that are in flight.
func (f *fleet) openEntries() string {
	f.t.Helper()
	rows, err := f.ledgerDB.rows("SELECT count(*)::text FROM cogflow.call WHERE ended_at IS NULL")
	require.NoError(f.t, err)
	return rows[0]
}

// spent is what a tenant has spent, with what is reserved, in micro-USD.
func (f *fleet) spent(tenant string) (int64, error) {
	rows, err := f.ledgerDB.rows("SELECT coalesce(sum(cost), 0)::text FROM cogflow.call WHERE tenant=$1", tenant)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(rows[0], 10, 64)
}

// singleEntries are the keys of the entries in the ledger of the host for comparison.
func (f *fleet) singleEntries() map[string]bool {
	f.t.Helper()
	if f.workers[single] == nil {
		return nil
	}
	db := f.copied(single, "ledger.db")
	defer db.Close()
	rows, err := db.QueryContext(f.t.Context(), "SELECT key FROM call")
	require.NoError(f.t, err)
	defer rows.Close()
	out := map[string]bool{}
	for rows.Next() {
		var key string
		require.NoError(f.t, rows.Scan(&key))
		out[key] = true
	}
	require.NoError(f.t, rows.Err())
	return out
}

// compareBill compares the ledger, call by call, with the requests that endpoints have billed.
func (f *fleet) compareBill() {
	f.t.Helper()
	entries, others := f.ledger(), f.singleEntries()
	requests := slices.DeleteFunc(f.bill.Requests(), func(r billtest.Request) bool { return others[r.Entry] })
	twice, none := billtest.Entries(requests)
	assert.Empty(f.t, twice, "two requests have the same entry")
	assert.Zero(f.t, none, "a request has no entry")
	asked, answered := map[string]bool{}, map[[2]string]string{}
	var billed, spent, repeated int64
	for _, r := range requests {
		e, ok := entries[r.Entry]
		if !assert.True(f.t, ok, "the ledger has no entry for %+v", r) {
			continue
		}
		asked[r.Entry] = true
		billed += r.Billed
		if r.Exact && e.Outcome == "answered" {
			assert.Equal(f.t, r.Billed, e.Cost, "%+v was booked as %+v", r, e)
		}
		// A caller that did not get the answer books at least what it may have cost.
		assert.GreaterOrEqual(f.t, e.Cost, r.Billed, "%+v was booked as %+v", r, e)
		assert.NotEqual(f.t, "released", e.Outcome, "%+v was booked as %+v", r, e)
	}
	outcomes := map[string]int{}
	for _, e := range entries {
		outcomes[e.Outcome]++
		spent += e.Cost
		if e.Outcome == "answered" {
			question := [2]string{e.Tenant, e.Fingerprint}
			assert.Empty(f.t, answered[question], "an answer was stored and paid twice: %+v", e)
			answered[question] = e.Key
		}
		if !asked[e.Key] && e.Outcome != "lost" && e.Outcome != "charged" {
			assert.Zero(f.t, e.Cost, "no endpoint saw a request of %+v", e)
			assert.NotEqual(f.t, "answered", e.Outcome, "no endpoint saw a request of %+v", e)
		}
	}
	repeated = int64(len(requests) - len(answered))
	f.logf("%d requests, of which %d are repeats; billed %d, booked %d micro-USD, entries %v", len(requests), repeated, billed, spent, outcomes)
}
