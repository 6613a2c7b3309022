package ledgertest

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/video"
)

// long is longer than any lease.
const long = time.Minute

// testSweep: what a process that is gone has open is booked as lost at its reservation, and
// who knows better may say so later.
func testSweep(t *testing.T, s Store) {
	gone, kill := s.Open(t)
	l := s.open(t)
	a := begin(t, gone, call("job", "a", 100), 100)
	_, err := l.TryReserve(t.Context(), call("job", "b", 1), 100)
	require.ErrorIs(t, err, money.ErrNoRoom)
	kill()
	require.Equal(t, 1, spend(t, l).Open, "its lease has not ended")
	s.Age(t, long)
	require.Equal(t, video.Spend{Calls: 1, Describe: 1, Lost: 1, CostMicroUSD: 100}, spend(t, l))
	_, err = l.TryReserve(t.Context(), call("job", "b", 1), 100)
	require.Equal(t, fault.Budget, fault.ClassOf(err))
	again := begin(t, l, call("job", "a", 50), 0)
	require.NotEqual(t, a, again)
	require.Equal(t, money.Booking{Outcome: money.Answered, MicroUSD: 90}, settle(t, l, a, money.Answered, 90), "it was late, not lost")
	require.EqualValues(t, 90, spend(t, l).CostMicroUSD)
	require.EqualValues(t, 90, spent(t, l, "job", "job/video"))
}

// testSweepTwice: processes that sweep at once book what is lost once.
func testSweepTwice(t *testing.T, s Store) {
	gone, kill := s.Open(t)
	for i := range 20 {
		begin(t, gone, call("job", fmt.Sprint(i), 5), 0)
	}
	kill()
	s.Age(t, long)
	errs := make(chan error)
	for range 4 {
		l := s.open(t)
		go func() { errs <- l.Sweep(t.Context()) }()
	}
	for range 4 {
		require.NoError(t, <-errs)
	}
	l := s.open(t)
	require.Equal(t, video.Spend{Calls: 20, Describe: 20, Lost: 20, CostMicroUSD: 100}, spend(t, l))
	require.EqualValues(t, 100, spent(t, l, "job", ""))
}

// testClose books what is still in flight as lost.
func testClose(t *testing.T, s Store) {
	l := s.open(t)
	begin(t, l, call("job", "a", 9), 0)
	require.NoError(t, l.Close())
	require.Equal(t, video.Spend{Calls: 1, Describe: 1, Lost: 1, CostMicroUSD: 9}, spend(t, s.open(t)))
}

func testClosed(t *testing.T, s Store) {
	l := s.open(t)
	require.NoError(t, l.Close())
	require.NoError(t, l.Close())
	_, err := l.TryReserve(t.Context(), call("job", "a", 1), 0)
	require.Equal(t, fault.Preempted, fault.ClassOf(err))
}

// testReserveWaits: a reservation that settles for less makes room, also if another process
// made it.
func testReserveWaits(t *testing.T, s Store) {
	l, other := s.open(t), s.open(t)
	a := begin(t, l, call("job", "a", 60), 100)
	b := begin(t, other, call("job", "b", 40), 100)
	got := make(chan error, 2)
	wait := func(name string, cost int64) {
		_, err := l.Reserve(t.Context(), call("job", name, cost), 100)
		got <- err
	}
	go wait("c", 45)
	settle(t, l, a, money.Answered, 10)
	require.NoError(t, <-got)
	go wait("d", 50) // 10 settled, 85 reserved
	settle(t, other, b, money.Answered, 40)
	settle(t, other, money.NewKey("acme", "job", "describe", "c", 1), money.BilledFailure, 45)
	require.Equal(t, fault.Budget, fault.ClassOf(<-got), "nothing is in flight any more, and 95 of 100 are spent")
}

// testSeenByOthers: what TryReserve and Settle returned for is in the database, also after a
// SIGKILL.
func testSeenByOthers(t *testing.T, s Store) {
	dying, kill := s.Open(t)
	a := begin(t, dying, call("job", "a", 10), 0)
	begin(t, dying, call("job", "b", 10), 0)
	settle(t, dying, a, money.Answered, 9)
	kill()

	next := s.open(t)
	require.Equal(t, video.Spend{Calls: 2, Describe: 2, Answered: 1, Open: 1, CostMicroUSD: 9, Reserved: 10}, spend(t, next))
	s.Age(t, long)
	b := begin(t, next, call("job", "b", 10), 0)
	settle(t, next, b, money.Answered, 9)
	require.Equal(t, 1, spend(t, next).Repeated)
}

// testRival lets two processes want the same calls.
func testRival(t *testing.T, s Store) {
	one, kill := s.Open(t)
	other, killOther := s.Open(t)
	refused := func(l Ledger, c video.Call) {
		t.Helper()
		before := spend(t, one)
		_, err := l.TryReserve(t.Context(), c, 0)
		require.ErrorIs(t, err, money.ErrElsewhere)
		require.Equal(t, fault.Overload, fault.ClassOf(err), err)
		require.Positive(t, fault.RetryAfter(err))
		require.Equal(t, before, spend(t, one), "a refused call leaves nothing")
	}
	id := begin(t, one, call("job", "a", 1), 0)
	refused(other, call("job", "a", 1))
	refused(other, call("another job", "a", 1))
	rival := call("job", "a", 1)
	rival.Tenant = "rival"
	begin(t, other, rival, 0)
	begin(t, other, call("job", "b", 1), 0)

	settle(t, one, id, money.Refused, 0)
	id = begin(t, other, call("job", "a", 1), 0)
	refused(one, call("job", "a", 1))
	settle(t, other, id, money.Answered, 1)
	refused(one, call("job", "a", 1)) // it looked for the answer too early

	kill()
	killOther()
	s.Age(t, long)
	afterwards := s.open(t)
	begin(t, afterwards, call("job", "a", 1), 0) // the answer has been lost since
	begin(t, afterwards, call("job", "b", 1), 0) // the other process has died
}

// testOneProcessMayRepeat: the entries of one process are told apart by their attempt. Which
// of its calls are in flight it knows itself.
func testOneProcessMayRepeat(t *testing.T, s Store) {
	l := s.open(t)
	a := begin(t, l, call("job", "a", 1), 0)
	b := begin(t, l, call("job", "a", 1), 0)
	require.NotEqual(t, a, b)
	require.Equal(t, 2, spend(t, l).Open)
}

// testBeat keeps a call that takes long from being taken for lost.
func testBeat(t *testing.T, s Store) {
	busy := s.open(t)
	begin(t, busy, call("job", "a", 1), 0)
	s.Age(t, time.Hour)
	require.Eventually(t, func() bool { return s.Seen(t) < time.Hour/2 }, 30*time.Second, 50*time.Millisecond)
}

func testLatency(t *testing.T, s Store) {
	l := s.open(t)
	latency := func() time.Duration {
		d, err := l.Latency(t.Context(), "vlm")
		require.NoError(t, err)
		return d
	}
	require.Zero(t, latency())
	took := func(d time.Duration, o money.Outcome) {
		id := begin(t, l, call("job", "a", 1), 0)
		s.Age(t, d)
		settle(t, l, id, o, 1)
	}
	near := func(want, got time.Duration) {
		t.Helper()
		require.GreaterOrEqual(t, got, want)
		require.Less(t, got, want+30*time.Second, "this test takes some time itself")
	}
	took(time.Hour, money.Answered)
	took(2*time.Hour, money.Answered)
	took(1000*time.Hour, money.BilledFailure)
	near(90*time.Minute, latency())
	for range 200 {
		id := begin(t, l, call("job", "a", 1), 0)
		settle(t, l, id, money.Answered, 1)
	}
	near(0, latency()) // what is long ago does not count
	slice := call("job", "gpu", 1)
	slice.Kind = "train"
	id := begin(t, l, slice, 0)
	s.Age(t, time.Minute)
	settle(t, l, id, money.Answered, 1)
	near(0, latency()) // training on the model is no call
}
