package ledger

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/ledger/ledgertest"
	"github.com/cogniverse/cogflow/internal/postgres"
	"github.com/cogniverse/cogflow/internal/postgres/postgrestest"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/video"
)

// persist repeats a call to the ledger as the broker does, while the connection is down.
func persist(ctx context.Context, do func() error) (err error) {
	wait := time.NewTicker(20 * time.Millisecond)
	defer wait.Stop()
	for range 3000 {
		err = do()
		if class := fault.ClassOf(err); class != fault.Transport && class != fault.Overload {
			return err
		}
		select {
		case <-wait.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return err
}

// cut ends all connections. Between two cuts there may be none for a moment.
func cut(t *testing.T, server *postgrestest.Server) {
	t.Helper()
	for until := time.Now().Add(time.Minute); server.Cut(t) == 0; {
		require.True(t, time.Now().Before(until), "there is no connection")
	}
}

// TestOutages: calls of two processes while connections are cut and the server crashes. Each
// call is booked once, nothing stays reserved, and the limit holds.
func TestOutages(t *testing.T) {
	t.Parallel()
	const workers, calls, cost, paid, limit = 6, 30, 10, 9, 1 << 40
	server := postgrestest.New(t)
	url := server.Database(t)
	var done atomic.Int64
	var over atomic.Bool // the last cut was made
	var all sync.WaitGroup
	defer all.Wait() // also if an assertion fails
	defer over.Store(true)
	for process := range 2 {
		l := open(t, url)
		for worker := range workers {
			all.Go(func() {
				for i := 0; i < calls || !over.Load(); i++ {
					c := call(fmt.Sprint(process, worker, i), cost)
					var r money.Reservation
					err := persist(t.Context(), func() (err error) { r, err = l.TryReserve(t.Context(), c, limit); return err })
					if err == nil {
						err = persist(t.Context(), func() error {
							_, err := l.Settle(t.Context(), r.Key, money.Booking{Outcome: money.Answered, MicroUSD: paid})
							return err
						})
					}
					if err != nil {
						t.Errorf("call: %v", err)
						return
					}
					done.Add(1)
				}
			})
		}
	}
	for part := 1; part < 6; part++ {
		next := done.Load() + 2*workers*calls/6
		require.Eventually(t, func() bool { return done.Load() >= next }, time.Minute, time.Millisecond)
		if part == 3 {
			server.Stop(t)
			server.Start(t)
			continue
		}
		cut(t, server)
	}
	over.Store(true)
	all.Wait()
	total := int(done.Load())
	l := open(t, url)
	var s video.Spend
	require.NoError(t, persist(t.Context(), func() (err error) { s, err = l.Job(t.Context(), "acme", "job"); return err }))
	require.Equal(t, video.Spend{
		Calls: total, Describe: total, Answered: total, CostMicroUSD: int64(total) * paid,
	}, s)
	spent, err := l.Spent(t.Context(), "acme", "job", "job/video")
	require.NoError(t, err)
	require.Equal(t, s.CostMicroUSD, spent)
	_, err = l.TryReserve(t.Context(), call("last", cost), spent+cost-1)
	require.Equal(t, fault.Budget, fault.ClassOf(err), "%v", err)
	_, err = l.TryReserve(t.Context(), call("last", cost), spent+cost)
	require.NoError(t, err, "nothing else holds money")
}

// openQuiet opens a ledger that says and sweeps nothing between the steps of a test.
func openQuiet(t *testing.T, url string) *Ledger {
	t.Helper()
	process := rand.Text()
	db, err := openShared(t.Context(), url, process, postgres.Open)
	require.NoError(t, err)
	l := start(db, process, 1000*time.Hour)
	t.Cleanup(func() { require.NoError(t, l.Close()) })
	return l
}

// TestLostCommit: the server commits, and its answer is lost. A reservation that its caller
// does not know of is released; a settlement is booked once.
func TestLostCommit(t *testing.T) {
	t.Parallel()
	url := postgrestest.Shared(t).Database(t)
	storeAt(url).Stop(t)
	p := proxy(t, url)
	l, witness := openQuiet(t, p.url), openQuiet(t, url)

	p.lose.Store(true)
	_, err := l.TryReserve(t.Context(), call("a", 10), 10)
	require.Equal(t, fault.Transport, fault.ClassOf(err), "%v", err)
	require.Equal(t, 1, spend(t, witness).Open, "it was committed")

	r, err := l.TryReserve(t.Context(), call("a", 10), 10)
	require.NoError(t, err, "the lost one holds no money")
	require.Equal(t, video.Spend{Calls: 1, Describe: 1, Open: 1, Reserved: 10}, spend(t, witness))

	p.lose.Store(true)
	_, err = l.Settle(t.Context(), r.Key, money.Booking{Outcome: money.Answered, MicroUSD: 7})
	require.Equal(t, fault.Transport, fault.ClassOf(err), "%v", err)
	booked, err := l.Settle(t.Context(), r.Key, money.Booking{Outcome: money.Answered, MicroUSD: 7})
	require.NoError(t, err)
	require.Equal(t, money.Booking{Outcome: money.Answered, MicroUSD: 7}, booked)
	require.Equal(t, video.Spend{Calls: 1, Describe: 1, Answered: 1, CostMicroUSD: 7}, spend(t, witness))

	slice := call("slice", 5)
	slice.Attempt = 1
	p.lose.Store(true)
	_, err = l.TryReserve(t.Context(), slice, 0)
	require.Equal(t, fault.Transport, fault.ClassOf(err), "%v", err)
	_, err = l.TryReserve(t.Context(), slice, 0)
	require.NoError(t, err)
	require.Equal(t, 1, spend(t, witness).Open, "the entry of a known attempt is taken over")
}

// TestIdleConnection: a connection that was cut while nothing happened fails no call.
func TestIdleConnection(t *testing.T) {
	t.Parallel()
	server := postgrestest.New(t)
	l := open(t, server.Database(t))
	require.Positive(t, server.Cut(t))
	_, err := l.TryReserve(t.Context(), call("a", 1), 0)
	require.NoError(t, err)
}

// TestOthersWereCutOffToo: after an outage, processes have the time of a lease to come back.
// A short loss of one connection is none.
func TestOthersWereCutOffToo(t *testing.T) {
	t.Parallel()
	server := postgrestest.New(t)
	url := server.Database(t)
	s := storeAt(url)
	s.Stop(t)
	other, l, third := openQuiet(t, url), openQuiet(t, url), openQuiet(t, url)
	for _, name := range []string{"a", "b"} {
		_, err := other.TryReserve(t.Context(), call(name, 1), 0)
		require.NoError(t, err)
	}
	kill(t, other) // it does not come back
	s.Age(t, time.Minute)
	l.db.(*shared).contact = s.Now(t).Add(-time.Minute) // l is idle
	require.Positive(t, server.Cut(t))
	for _, process := range []*Ledger{l, third} {
		_, err := process.TryReserve(t.Context(), call("a", 1), 0)
		require.ErrorIs(t, err, money.ErrElsewhere)
		require.Equal(t, 2, spend(t, process).Open)
	}
	s.Age(t, time.Minute)
	require.Positive(t, server.Cut(t))
	_, err := l.TryReserve(t.Context(), call("a", 1), 0)
	require.NoError(t, err)
	require.Equal(t, 2, spend(t, l).Lost)
}

// TestWrongClock: the clock of a host does not matter. That of the database is ten years
// ahead here, and every test passes.
func TestWrongClock(t *testing.T) {
	t.Parallel()
	const ahead = 10 * 365 * 24 * time.Hour
	newStore := func(t testing.TB) ledgertest.Store {
		url := postgrestest.Shared(t).Database(t)
		c, err := pgx.Connect(t.Context(), url)
		require.NoError(t, err)
		_, err = c.Exec(t.Context(), fmt.Sprintf(`CREATE SCHEMA ahead;
			CREATE FUNCTION ahead.clock_timestamp() RETURNS timestamptz VOLATILE LANGUAGE sql
				RETURN pg_catalog.clock_timestamp() + interval '%d seconds';
			DO $$ BEGIN EXECUTE format('ALTER DATABASE %%I SET search_path = ahead, pg_catalog', current_database()); END $$`, int(ahead.Seconds())))
		require.NoError(t, err)
		require.NoError(t, c.Close(t.Context()))
		return storeAt(url)
	}
	s := newStore(t)
	l, _ := s.Open(t)
	r, err := l.TryReserve(t.Context(), call("a", 1), 0)
	require.NoError(t, err)
	_, begun, _, err := l.Held(t.Context(), "acme", "job", r.Key, 0)
	require.NoError(t, err)
	require.WithinDuration(t, time.Now().Add(ahead), begun, time.Minute)
	require.Less(t, s.Seen(t), time.Minute)
	ledgertest.Run(t, newStore)
}

// lossy passes bytes to a server of PostgreSQL, and loses the answer to a commit when it is
// told to.
type lossy struct {
	url  string
	lose atomic.Bool
}

func proxy(t *testing.T, url string) *lossy {
	t.Helper()
	_, query, _ := strings.Cut(url, "?host=")
	to, _, _ := strings.Cut(query, "&")
	dir := t.TempDir()
	const socket = ".s.PGSQL.5432"
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "unix", filepath.Join(dir, socket))
	require.NoError(t, err)
	t.Cleanup(func() { _ = listener.Close() })
	p := &lossy{url: strings.Replace(url, to, dir, 1)}
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			server, err := (&net.Dialer{}).Dial("unix", filepath.Join(to, socket))
			if err != nil {
				t.Errorf("dial: %v", err)
				return
			}
			go func() { _, _ = io.Copy(server, client); _ = server.Close() }()
			go func() { p.answer(client, server); _ = client.Close() }()
		}
	}()
	return p
}

func (p *lossy) answer(client io.Writer, server io.Reader) {
	buffer := make([]byte, 1<<16)
	for {
		n, err := server.Read(buffer)
		if bytes.Contains(buffer[:n], []byte("COMMIT\x00")) && p.lose.CompareAndSwap(true, false) {
			return
		}
		if _, wrote := client.Write(buffer[:n]); errors.Join(err, wrote) != nil {
			return
		}
	}
}
