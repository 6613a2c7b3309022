package memory

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/blob"
	"github.com/cogniverse/cogflow/internal/limit"
	"github.com/cogniverse/cogflow/object"
)

const gpu = "http://gpu:8000 KEY"

// process is a worker that calls the server.
type process struct {
	*Memory
	limit *limit.Limit
}

func start(t *testing.T, s Store, o limit.Options) process {
	t.Helper()
	p := process{New(), limit.New(o)}
	p.Add(gpu, "gpu", p.limit)
	p.Open(s)
	t.Cleanup(p.stop)
	return p
}

// learn makes the process call a model until it has settled at a limit. The server takes so many calls.
func (p process) learn() { p.rounds(64, 40) }

func (p process) rounds(slots, n int) {
	for range n {
		p.Called(gpu, "m")
		n := p.limit.Limit()
		calls := make([]func(limit.Outcome), n)
		for i := range calls {
			calls[i] = p.limit.Begin()
		}
		for i, done := range calls {
			if i%slots == 0 {
				pass(2 * time.Second)
			}
			done(limit.Answered)
		}
	}
}

// pass lets simulated time pass.
func pass(d time.Duration) { <-time.After(d) }

func open(t *testing.T) Store {
	t.Helper()
	store, err := blob.Open(t.Context(), "file://"+t.TempDir())
	require.NoError(t, err)
	return store
}

func records(t *testing.T, s Store) []Record {
	t.Helper()
	all, err := Read(t.Context(), s, gpu, "m")
	require.NoError(t, err)
	return all
}

// TestLaterStart: the next process starts with what this one has learned, of the same model only.
func TestLaterStart(t *testing.T) {
	t.Parallel()
	store := open(t)
	synctest.Test(t, func(t *testing.T) {
		first := start(t, store, limit.Options{})
		first.learn()
		require.NoError(t, first.Close())
		settled := first.limit.Limit()
		require.Greater(t, settled, 60)
		require.Less(t, settled, 97)
		all := records(t, store)
		require.Len(t, all, 1)
		require.InDelta(t, 2, all[0].Latency, 0.01)
		require.True(t, all[0].Ended)

		second := start(t, store, limit.Options{})
		second.Called(gpu, "m")
		require.Equal(t, settled, second.limit.Limit())
		require.NoError(t, second.Close())

		other := start(t, store, limit.Options{})
		other.Called(gpu, "n")
		require.Equal(t, limit.DefaultStart, other.limit.Limit())
		require.NoError(t, other.Close())

		fixed := start(t, store, limit.Options{Max: 8, Fixed: true})
		fixed.learn()
		require.Equal(t, 8, fixed.limit.Limit(), "max_in_flight is never exceeded")
		require.NoError(t, fixed.Close())
		require.Len(t, records(t, store), 1, "a configured limit is not learned")
	})
}

// TestKilled: what a process has learned is stored while it runs.
func TestKilled(t *testing.T) {
	t.Parallel()
	store := open(t)
	synctest.Test(t, func(t *testing.T) {
		killed := start(t, store, limit.Options{})
		killed.learn()
		all := records(t, store)
		require.Len(t, all, 1)
		require.False(t, all[0].Ended)
		killed.stop()

		soon := start(t, store, limit.Options{})
		soon.Called(gpu, "m")
		require.Equal(t, all[0].Limit/2, soon.limit.Limit(), "the killed process counts until it is known to be gone")
		soon.stop()
		pass(alive)
		later := start(t, store, limit.Options{})
		later.Called(gpu, "m")
		require.Equal(t, all[0].Limit, later.limit.Limit())
		require.NoError(t, later.Close())
	})
}

// TestTogether: a process that joins others starts with its part.
func TestTogether(t *testing.T) {
	t.Parallel()
	store := open(t)
	synctest.Test(t, func(t *testing.T) {
		first := start(t, store, limit.Options{})
		first.learn()
		second := start(t, store, limit.Options{})
		second.Called(gpu, "m")
		require.Equal(t, records(t, store)[0].Limit/2, second.limit.Limit())
		for range 20 { // each gets half of the server
			second.rounds(32, 4)
			first.rounds(32, 4)
		}
		all := records(t, store)
		require.Len(t, all, 2)
		newest, others, _ := Newest(all, "", time.Now())
		require.Equal(t, 2, others)
		require.Equal(t, 2, newest.Processes)
		require.Equal(t, 2*newest.Limit, newest.Total())
		require.NoError(t, errors.Join(first.Close(), second.Close()))
		newest, _, _ = Newest(records(t, store), "", time.Now())

		alone := start(t, store, limit.Options{})
		alone.Called(gpu, "m")
		require.Equal(t, newest.Total(), alone.limit.Limit(), "the whole server is free again")
		alone.learn()
		require.Len(t, records(t, store), 1, "records of former processes are removed")
		require.NoError(t, alone.Close())
	})
}

// TestAge: an old record counts less, and expires.
func TestAge(t *testing.T) {
	t.Parallel()
	now := time.Now()
	r := Record{Limit: 80, Processes: 1, Latency: 2, Last: now}
	limitAfter := func(d time.Duration) int { return r.share(0, now.Add(d)).Limit }
	require.Equal(t, 80, limitAfter(0))
	require.Equal(t, 80, limitAfter(fresh))
	require.Equal(t, limit.DefaultStart+32, limitAfter(2*fresh))
	require.Equal(t, limit.DefaultStart+16, limitAfter(3*fresh))
	r.Limit = 2
	require.Equal(t, 2, limitAfter(fresh))
	require.Equal(t, 9, limitAfter(2*fresh))

	store := open(t)
	synctest.Test(t, func(t *testing.T) {
		old := start(t, store, limit.Options{})
		old.learn()
		require.NoError(t, old.Close())
		pass(valid)
		require.Empty(t, records(t, store))
		next := start(t, store, limit.Options{})
		next.Called(gpu, "m")
		require.Equal(t, limit.DefaultStart, next.limit.Limit())
		require.NoError(t, next.Close())
	})
}

// TestForget: a process that runs starts from the beginning within a minute.
func TestForget(t *testing.T) {
	t.Parallel()
	store := open(t)
	synctest.Test(t, func(t *testing.T) {
		p := start(t, store, limit.Options{})
		p.learn()
		removed, err := Forget(t.Context(), store, func(r Record) bool { return r.Model == "other" })
		require.NoError(t, err)
		require.Empty(t, removed)
		removed, err = Forget(t.Context(), store, func(r Record) bool { return r.Endpoint == "gpu" && r.Model == "m" })
		require.NoError(t, err)
		require.Len(t, removed, 1)
		pass(confirm + every)
		require.Equal(t, limit.DefaultStart, p.limit.Limit())
		require.Empty(t, records(t, store), "it stores nothing that it has not learned again")
		p.learn()
		require.Len(t, records(t, store), 1)
		require.NoError(t, p.Close())
	})
}

// TestDamaged: records that another build or a person has damaged are ignored.
func TestDamaged(t *testing.T) {
	t.Parallel()
	store := open(t)
	put := func(r Record) { require.NoError(t, kept().Put(t.Context(), store, r.key(gpu), r)) }
	good := Record{Model: "m", Process: "a", Limit: 40, Latency: 1, Processes: 1, Last: time.Now()}
	huge, none, late := good, good, good
	huge.Process, huge.Limit = "b", 1<<40
	none.Process, none.Latency = "c", 0
	late.Process, late.Last = "d", time.Now().Add(-valid)
	for _, r := range []Record{good, huge, none, late} {
		put(r)
	}
	require.Equal(t, "a", records(t, store)[0].Process)
	require.Len(t, records(t, store), 1)
	_, err := store.Put(t.Context(), Prefix(gpu, "m")+"e.json", strings.NewReader("{"))
	require.NoError(t, err)
	all, err := Read(t.Context(), store, gpu, "m")
	require.ErrorContains(t, err, "read learned limit")
	require.Len(t, all, 1)
	p := start(t, store, limit.Options{})
	p.Called(gpu, "m")
	require.Equal(t, 40/2, p.limit.Limit(), "another process calls the server")
	require.Error(t, p.Err())
	require.NoError(t, p.Close())
}

// TestStoreIsDown: calls go on.
func TestStoreIsDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		p := start(t, down{}, limit.Options{})
		p.learn()
		require.ErrorContains(t, p.Err(), "is down")
		require.NoError(t, p.Close())
		unopened := New()
		unopened.Called(gpu, "m")
		require.NoError(t, unopened.Close())
	})
}

// down is a store that does not answer in time.
type down struct{}

var errDown = errors.New("the store is down")

func (down) wait(ctx context.Context) error {
	<-ctx.Done()
	return errDown
}

func (d down) Put(ctx context.Context, _ string, _ io.Reader) (object.Info, error) {
	return object.Info{}, d.wait(ctx)
}

func (d down) Get(ctx context.Context, _ string) (io.ReadCloser, object.Info, error) {
	return nil, object.Info{}, d.wait(ctx)
}

func (d down) List(ctx context.Context, _ string, _ func(object.Info) error) error {
	return d.wait(ctx)
}

func (d down) Delete(ctx context.Context, _ string) error { return d.wait(ctx) }
