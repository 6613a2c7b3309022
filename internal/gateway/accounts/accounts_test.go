package accounts_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/gateway/accounts"
	"github.com/cogniverse/cogflow/internal/gateway/api"
	"github.com/cogniverse/cogflow/internal/ledger"
	"github.com/cogniverse/cogflow/internal/ledger/costs"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

type bench struct {
	ledger *ledger.Ledger
	mux    *api.Mux
	told   []money.Scope
}

func newBench(t *testing.T) *bench {
	t.Helper()
	place := filepath.Join(t.TempDir(), "ledger.db")
	l, err := ledger.Open(place)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	b := &bench{ledger: l}
	b.mux = api.NewMux((&accounts.API{
		Ledger: l,
		Costs:  func(ctx context.Context) (accounts.Costs, error) { return costs.Open(ctx, place) },
		Tell: func(_ context.Context, s money.Scope) (int, error) {
			b.told = append(b.told, s)
			if s.Model == "down" {
				return 0, fault.New(fault.Transport, "tell jobs", "", "the server is down")
			}
			return 2, nil
		},
	}).Routes())
	return b
}

func (b *bench) do(t *testing.T, c api.Caller, method, path, text string) (int, string) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(text))
	r.Header.Set("Content-Type", "application/json")
	w := httptest.NewRecorder()
	route, err := b.mux.Find(w, r)
	if err == nil {
		err = route.Handle(w, r, c)
	}
	if err != nil {
		api.Write(w, api.Of(err))
	}
	return w.Code, w.Body.String()
}

// TestBudgets: a budget is that of the caller's tenant, whatever the body says, and a key alone
// changes none.
func TestBudgets(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	operator, key := api.Caller{Tenant: "uni:a", Local: true}, api.Caller{Tenant: "uni:a", Key: "key_1"}
	require.NoError(t, b.ledger.SetBudget(t.Context(), money.Budget{Scope: money.Scope{Org: "uni"}, Period: money.Total, MicroUSD: 9e6}))
	require.NoError(t, b.ledger.SetBudget(t.Context(), money.Budget{Scope: money.Scope{Tenant: "uni:b"}, Period: money.Total, MicroUSD: 9e6}))

	for _, method := range []string{http.MethodPut, http.MethodDelete} {
		status, answer := b.do(t, key, method, "/budgets", `{"usd":5}`)
		require.Equal(t, http.StatusForbidden, status, answer)
		require.Contains(t, answer, "operators_only")
	}
	status, answer := b.do(t, operator, http.MethodPut, "/budgets", `{"usd":5,"model":"gpt"}`)
	require.Equal(t, http.StatusOK, status, answer)
	var done accounts.Changed
	require.NoError(t, json.Unmarshal([]byte(answer), &done))
	require.Equal(t, money.Scope{Tenant: "uni:a", Model: "gpt"}, done.Budget.Scope)
	require.InDelta(t, 5.0, done.Budget.LimitUSD, 0)
	require.Equal(t, 2, done.Told)
	_, answer = b.do(t, operator, http.MethodPut, "/budgets", `{"usd":0,"model":"down","period":"day"}`)
	require.Contains(t, answer, "the server is down", "the budget is set all the same")
	require.Contains(t, answer, `"done":"set"`)

	list := func(c api.Caller) (scopes []string) {
		var out accounts.Budgets
		_, answer := b.do(t, c, http.MethodGet, "/budgets", "")
		require.NoError(t, json.Unmarshal([]byte(answer), &out))
		require.Equal(t, c.Local, out.Changeable)
		for _, one := range out.Budgets {
			scopes = append(scopes, one.String())
		}
		return scopes
	}
	require.Equal(t, []string{"organisation uni", "tenant uni:a, model down", "tenant uni:a, model gpt"}, list(operator))
	require.Equal(t, []string{"tenant uni:a, model down", "tenant uni:a, model gpt"}, list(key))

	for _, wrong := range []string{``, `{}`, `{"usd":-1}`, `{"usd":"5"}`, `{"usd":1e99}`, `{"usd":1,"usd":2}`, `{"USD":1}`, `{"usd":1,"tenant":"uni:b"}`, `{"usd":1,"period":"week"}`, `[]`} {
		status, answer := b.do(t, operator, http.MethodPut, "/budgets", wrong)
		require.Equal(t, http.StatusBadRequest, status, wrong+answer)
	}
	status, _ = b.do(t, operator, http.MethodDelete, "/budgets?model=gpt", "")
	require.Equal(t, http.StatusOK, status)
	status, _ = b.do(t, operator, http.MethodDelete, "/budgets?model=gpt", "")
	require.Equal(t, http.StatusNotFound, status)
}

// TestCosts: the sums are those of the caller's tenant.
func TestCosts(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for who, micro := range map[tenant.ID]int64{"a": 1_500_000, "b": 7_000_000} {
		r, err := b.ledger.TryReserve(t.Context(), video.Call{Tenant: who, Job: "job", Model: "m", Fingerprint: video.Fingerprint(who), CostMicroUSD: micro}, 0)
		require.NoError(t, err)
		_, err = b.ledger.Settle(t.Context(), r.Key, money.Booking{Outcome: money.Answered, MicroUSD: micro})
		require.NoError(t, err)
	}
	status, answer := b.do(t, api.Caller{Tenant: "a", Local: true}, http.MethodGet, "/costs?by=model&by=day&since=all", "")
	require.Equal(t, http.StatusOK, status, answer)
	var out money.CostReport
	require.NoError(t, json.Unmarshal([]byte(answer), &out))
	require.InDelta(t, 1.5, out.Total.Settled, 0)
	require.Len(t, out.Groups, 1)
	require.Equal(t, "m", out.Groups[0].Group[money.ByModel])
	for _, wrong := range []string{"by=cat", "since=yesterday", "tenant=b", "limit=0", "limit=1&limit=2"} {
		status, answer := b.do(t, api.Caller{Tenant: "a"}, http.MethodGet, "/costs?"+wrong, "")
		require.Equal(t, http.StatusBadRequest, status, wrong+answer)
	}
}
