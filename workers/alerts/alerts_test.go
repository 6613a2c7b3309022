package alerts_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/config/alerting"
	"github.com/cogniverse/cogflow/internal/ledger"
	"github.com/cogniverse/cogflow/internal/postgres/postgrestest"
	"github.com/cogniverse/cogflow/internal/webhook"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workers/alerts"
)

const (
	secret = "a secret"
	// senderVariable has the options of a sender process: the ledger and the URL.
	senderVariable = "ALERTS_TEST_SENDER"
)

func TestMain(m *testing.M) {
	if text := os.Getenv(senderVariable); text != "" {
		var of [2]string
		if err := json.Unmarshal([]byte(text), &of); err != nil {
			panic(err)
		}
		l, err := ledger.Open(of[0])
		if err != nil {
			panic(err)
		}
		o := options(l, of[1])
		o.Lease = 200 * time.Millisecond
		if _, err := alerts.Start(o); err != nil {
			panic(err)
		}
		select {} // until it is killed
	}
	os.Exit(postgrestest.Main(m))
}

func options(l *ledger.Ledger, url string) alerts.Options {
	return alerts.Options{
		Config: alerting.Section{Webhook: url, SecretEnv: "S"}.Alerts(),
		Getenv: func(string) string { return secret }, Ledger: l, Log: slog.New(slog.DiscardHandler),
		Every: 10 * time.Millisecond, Pause: time.Millisecond,
	}
}

// receiver is a real HTTP server that fails as it is told.
type receiver struct {
	*httptest.Server
	t   *testing.T
	ill func(n int, w http.ResponseWriter, r *http.Request) (failed bool) // of the n-th request, from 1

	mu       sync.Mutex
	requests int
	got      map[string][]alerts.Message // accepted, by id
}

func newReceiver(t *testing.T, ill func(n int, w http.ResponseWriter, r *http.Request) bool) *receiver {
	r := &receiver{t: t, ill: ill, got: map[string][]alerts.Message{}}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, err := io.ReadAll(q.Body)
	id := q.Header.Get(webhook.HeaderID)
	if err != nil || q.Header.Get(webhook.HeaderSignature) != webhook.Sign([]byte(secret), id, q.Header.Get(webhook.HeaderTimestamp), body) {
		r.t.Errorf("signature of %q: %v", id, err)
	}
	r.mu.Lock()
	r.requests++
	n := r.requests
	r.mu.Unlock()
	if r.ill(n, w, q) {
		return
	}
	var m alerts.Message
	if err := json.Unmarshal(body, &m); err != nil || m.ID != id {
		r.t.Errorf("body %s: %v", body, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.got[id] = append(r.got[id], m)
}

// accepted is how often each threshold was accepted.
func (r *receiver) accepted() map[int]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := map[int]int{}
	for _, all := range r.got {
		out[all[0].Data.Percent] += len(all)
	}
	return out
}

func (r *receiver) await(want map[int]int) {
	r.t.Helper()
	require.Eventually(r.t, func() bool { return fmt.Sprint(r.accepted()) == fmt.Sprint(want) }, time.Minute, 5*time.Millisecond, "%v", want)
}

func openLedger(t *testing.T, place string) *ledger.Ledger {
	t.Helper()
	l, err := ledger.Open(place)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	return l
}

func start(t *testing.T, l *ledger.Ledger, url string) *alerts.Watch {
	t.Helper()
	w, err := alerts.Start(options(l, url))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, w.Close()) })
	return w
}

// spend makes a settled call of a tenant.
func spend(t *testing.T, l *ledger.Ledger, what string, micro int64) {
	t.Helper()
	r, err := l.TryReserve(t.Context(), video.Call{Tenant: tenant.ID("uni:a"), Job: "job", Model: "m", Fingerprint: video.Fingerprint(what), CostMicroUSD: micro}, 0)
	require.NoError(t, err)
	_, err = l.Settle(t.Context(), r.Key, money.Booking{Outcome: money.Answered, MicroUSD: micro})
	require.NoError(t, err)
}

func limit(t *testing.T, l *ledger.Ledger, b money.Budget) {
	t.Helper()
	require.NoError(t, l.SetBudget(t.Context(), b))
}

func onBoth(t *testing.T, test func(t *testing.T, place string)) {
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		test(t, filepath.Join(t.TempDir(), "ledger.db"))
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		test(t, postgrestest.Shared(t).Database(t))
	})
}

// TestTold: two workers tell each threshold once, although the receiver is broken in several ways
// at first.
func TestTold(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, place string) {
		r := newReceiver(t, func(n int, w http.ResponseWriter, _ *http.Request) bool {
			switch n {
			case 1, 2:
				w.WriteHeader(http.StatusInternalServerError)
			case 3:
				w.Header().Set("Location", "/elsewhere")
				w.WriteHeader(http.StatusFound)
			case 4:
				panic(http.ErrAbortHandler) // the connection is lost
			default:
				return false
			}
			return true
		})
		one, other := openLedger(t, place), openLedger(t, place)
		start(t, one, r.URL)
		start(t, other, r.URL)
		limit(t, one, money.Budget{Scope: money.Scope{Org: "uni"}, Period: money.Month, MicroUSD: 10_000_000})
		spend(t, one, "a", 8_000_000)
		r.await(map[int]int{80: 1})
		_, err := other.TryReserve(t.Context(), video.Call{Tenant: "uni:b", Job: "job", Model: "m", Fingerprint: "b", CostMicroUSD: 3_000_000}, 0)
		require.Error(t, err)
		r.await(map[int]int{80: 1, 100: 1})
		limit(t, one, money.Budget{Scope: money.Scope{Model: "m"}, Period: money.Total, MicroUSD: 5_000_000, Soft: true})
		r.await(map[int]int{80: 2, 100: 2})

		r.mu.Lock()
		defer r.mu.Unlock()
		for id, all := range r.got {
			m := all[0]
			require.Equal(t, []any{id, "budget_alert"}, []any{m.ID, m.Type})
			require.Equal(t, m.Data.Percent == 100, m.Data.Reached)
			require.InDelta(t, 8, m.Data.SpentUSD, 1e-9)
			switch m.Data.Kind {
			case "hard":
				require.Equal(t, money.Scope{Org: "uni"}, m.Data.Scope)
				require.Equal(t, m.Timestamp.Format("2006-01"), m.Data.PeriodName)
				require.True(t, m.Data.Ends.After(m.Timestamp))
				require.Equal(t, "cogflow budget set --org uni --period month USD", m.Data.Command)
			default:
				require.Equal(t, money.Scope{Model: "m"}, m.Data.Scope)
				require.Nil(t, m.Data.Ends)
			}
		}
	})
}

// TestDown: alerts wait for a receiver that is down, and no other work waits for them.
func TestDown(t *testing.T) {
	t.Parallel()
	down := httptest.NewServer(nil)
	address := down.Listener.Addr().String()
	down.Close()
	l := openLedger(t, filepath.Join(t.TempDir(), "ledger.db"))
	w := start(t, l, "http://"+address+"/hook")
	limit(t, l, money.Budget{Scope: money.Scope{Tenant: "uni:a"}, Period: money.Day, MicroUSD: 10, Soft: true})
	spend(t, l, "a", 9)
	require.Eventually(t, func() bool { all, _, _ := w.Budgets(); return len(all) == 1 && all[0].Settled == 9 }, time.Minute, time.Millisecond)
	require.NoError(t, w.Close())

	r := newReceiver(t, func(int, http.ResponseWriter, *http.Request) bool { return false })
	start(t, l, r.URL)
	r.await(map[int]int{80: 1})
}

// TestKilledSender: what a worker was telling when it was killed is told by another, with the same
// id.
func TestKilledSender(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, place string) {
		taken, over := make(chan string, 1), make(chan struct{})
		r := newReceiver(t, func(n int, _ http.ResponseWriter, q *http.Request) bool {
			if n == 1 {
				taken <- q.Header.Get(webhook.HeaderID)
				<-over
			}
			return n == 1
		})
		defer close(over)
		l := openLedger(t, place)
		limit(t, l, money.Budget{Scope: money.Scope{Tenant: "uni:a"}, Period: money.Total, MicroUSD: 10})
		spend(t, l, "a", 9)
		text, err := json.Marshal([2]string{place, r.URL})
		require.NoError(t, err)
		ctx, kill := context.WithCancel(t.Context()) // SIGKILL
		sender := exec.CommandContext(ctx, os.Args[0])
		sender.Env = append(os.Environ(), senderVariable+"="+string(text))
		sender.Stderr = os.Stderr
		require.NoError(t, sender.Start())
		id := <-taken
		kill()
		require.Error(t, sender.Wait())
		start(t, l, r.URL)
		r.await(map[int]int{80: 1})
		r.mu.Lock()
		defer r.mu.Unlock()
		require.Contains(t, r.got, id)
	})
}

// TestUnreadable: what was read before stays, with the reason why it is old.
func TestUnreadable(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ledger.db")
	l := openLedger(t, path)
	limit(t, l, money.Budget{Scope: money.Scope{Tenant: "uni:a"}, Period: money.Day, MicroUSD: 10})
	o := options(l, "")
	o.Config = alerting.Alerts{}
	w, err := alerts.Start(o)
	require.NoError(t, err)
	defer func() { require.NoError(t, w.Close()) }()
	require.Eventually(t, func() bool { all, _, _ := w.Budgets(); return len(all) == 1 }, time.Minute, time.Millisecond)
	require.NoError(t, os.Remove(path))
	require.Eventually(t, func() bool { _, _, err := w.Budgets(); return err != nil }, time.Minute, time.Millisecond)
	all, at, _ := w.Budgets()
	require.Len(t, all, 1)
	require.False(t, at.IsZero())
}

func TestSecretIsMissing(t *testing.T) {
	t.Parallel()
	o := options(nil, "http://127.0.0.1:1/hook")
	o.Getenv = func(string) string { return "" }
	_, err := alerts.Start(o)
	require.ErrorContains(t, err, "the variable S is not set")
}
