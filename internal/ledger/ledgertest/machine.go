package ledgertest

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/video"
)

// machine is a ledger under random steps of several processes: calls, retries, crashes, budgets
// that are set, raised, lowered and cleared, and a clock that jumps. The model is the list of
// all entries, each looked up by its key: the sums that the database keeps must equal theirs.
type machine struct {
	t         testing.TB
	s         Store
	processes []Ledger
	kills     []func()
	made      []made
	budgets   []money.Budget
	serial    int
}

// made is an entry that the ledger has confirmed.
type made struct {
	call    video.Call
	key     string
	settled money.Booking // by a caller; zero = by none
}

// entry is what the ledger says of an entry now.
type entry struct {
	video.Call
	micro int64 // reserved, or settled
	begun time.Time
}

// RunMachine takes random steps and checks after each. How many it takes, the flags of rapid say.
func RunMachine(t *testing.T, newStore func(t testing.TB) Store) {
	rapid.Check(t, func(r *rapid.T) {
		m := &machine{t: t, s: newStore(t)}
		for range 3 {
			m.start()
		}
		r.Repeat(map[string]func(*rapid.T){
			"reserve": m.reserve, "again": m.again, "burst": m.burst, "settle": m.settle, "settle too": m.settle,
			"budget": m.budget, "clear": m.clear, "jump": m.jump, "crash": m.crash, "": m.check,
		})
		m.end(r)
	})
}

func (m *machine) start() {
	l, kill := m.s.Open(m.t)
	m.processes, m.kills = append(m.processes, l), append(m.kills, kill)
}

func (m *machine) process(r *rapid.T) Ledger {
	return m.processes[rapid.IntRange(0, len(m.processes)-1).Draw(r, "process")]
}

func (m *machine) call(r *rapid.T) video.Call {
	m.serial++
	c := by(rapid.SampledFrom([]string{"uni", "uni:a", "uni:b", "acme"}).Draw(r, "tenant"), rapid.SampledFrom([]string{"m", "n"}).Draw(r, "model"),
		fmt.Sprint(m.serial), rapid.Int64Range(0, 40).Draw(r, "cost"))
	c.Job = rapid.SampledFrom([]string{"j", "k"}).Draw(r, "job")
	switch rapid.IntRange(0, 9).Draw(r, "special") {
	case 0:
		c.Unpriced, c.CostMicroUSD = true, 0
	case 1:
		c.Owed = true
	}
	c.Unique = rapid.Bool().Draw(r, "unique")
	return c
}

// entries are all entries as the ledger has them.
func (m *machine) entries() (all []entry) {
	for _, e := range m.made {
		micro, begun, found, err := m.processes[0].Held(m.t.Context(), e.call.Tenant, e.call.Job, e.key, 0)
		require.NoError(m.t, err)
		require.True(m.t, found, "an entry is gone")
		all = append(all, entry{e.call, micro, begun})
	}
	return all
}

// sum is what entries of a budget's scope and current period have settled and reserve.
func sum(all []entry, b money.Budget, now time.Time) (micro int64) {
	for _, e := range all {
		if b.Covers(string(e.Tenant), e.Model) && b.Period.Name(e.begun) == b.Period.Name(now) {
			micro += e.micro
		}
	}
	return micro
}

// fits is the rule, applied to the model.
func (m *machine) fits(c video.Call, limit int64) bool {
	all, now := m.entries(), m.s.Now(m.t)
	if c.Owed {
		return true
	}
	for _, b := range m.budgets {
		if b.Soft || !b.Covers(string(c.Tenant), c.Model) {
			continue
		}
		if c.Unpriced || c.CostMicroUSD > 0 && sum(all, b, now)+c.CostMicroUSD > b.MicroUSD {
			return false
		}
	}
	ofJob := int64(0)
	for _, e := range all {
		if e.Tenant == c.Tenant && e.Job == c.Job {
			ofJob += e.micro
		}
	}
	return limit == 0 || c.CostMicroUSD == 0 || ofJob+c.CostMicroUSD <= limit
}

func (m *machine) reserve(r *rapid.T) {
	c, limit := m.call(r), int64(0)
	if rapid.IntRange(0, 3).Draw(r, "limited") == 0 {
		limit = rapid.Int64Range(1, 400).Draw(r, "limit")
	}
	fits := m.fits(c, limit)
	made := m.try(m.process(r), c, limit)
	require.Equal(r, fits, made, "a call of %d", c.CostMicroUSD)
}

// try reserves a call and reports whether it was made.
func (m *machine) try(l Ledger, c video.Call, limit int64) bool {
	got, err := l.TryReserve(m.t.Context(), c, limit)
	if err == nil {
		m.made = append(m.made, made{call: c, key: got.Key})
		return true
	}
	require.True(m.t, fault.ClassOf(err) == fault.Budget || errors.Is(err, money.ErrNoRoom), "%v", err)
	return false
}

// again repeats a reservation whose answer was lost: another process takes an open entry over,
// and one that is settled is refused.
func (m *machine) again(r *rapid.T) {
	if len(m.made) == 0 {
		return
	}
	e := rapid.SampledFrom(m.made).Draw(r, "entry")
	c := e.call
	c.Attempt = 1
	got, err := m.process(r).TryReserve(m.t.Context(), c, 0)
	if err != nil {
		require.Equal(r, fault.Input, fault.ClassOf(err), "%v", err)
		return
	}
	require.Equal(r, e.key, got.Key)
	require.Zero(r, e.settled)
}

// burst lets all processes reserve at once, each several calls in one transaction.
func (m *machine) burst(r *rapid.T) {
	var calls []video.Call
	for range 3 * len(m.processes) {
		calls = append(calls, m.call(r))
	}
	before, now := m.entries(), m.s.Now(m.t)
	got, errs := make([]money.Reservation, len(calls)), make([]error, len(calls))
	var all sync.WaitGroup
	for i, c := range calls {
		all.Go(func() { got[i], errs[i] = m.processes[i%len(m.processes)].TryReserve(m.t.Context(), c, 0) })
	}
	all.Wait()
	owed := map[int]int64{}
	for i, c := range calls {
		if errs[i] != nil {
			require.True(r, fault.ClassOf(errs[i]) == fault.Budget || errors.Is(errs[i], money.ErrNoRoom), "%v", errs[i])
			continue
		}
		m.made = append(m.made, made{call: c, key: got[i].Key})
		for k, b := range m.budgets {
			if c.Owed && b.Covers(string(c.Tenant), c.Model) {
				owed[k] += c.CostMicroUSD
			}
		}
	}
	after := m.entries()
	for k, b := range m.budgets {
		if !b.Soft {
			require.LessOrEqual(r, sum(after, b, now), max(b.MicroUSD, sum(before, b, now))+owed[k], "%s", b.Scope)
		}
	}
}

func (m *machine) settle(r *rapid.T) {
	if len(m.made) == 0 {
		return
	}
	e := &m.made[rapid.IntRange(0, len(m.made)-1).Draw(r, "entry")]
	said := money.Booking{
		Outcome:  rapid.SampledFrom([]money.Outcome{money.Answered, money.BilledFailure, money.Refused}).Draw(r, "outcome"),
		MicroUSD: rapid.Int64Range(0, e.call.CostMicroUSD).Draw(r, "paid"),
	}
	if said.Outcome == money.Refused {
		said.MicroUSD = 0
	}
	booked, err := m.process(r).Settle(m.t.Context(), e.key, said)
	require.NoError(r, err)
	if (e.settled == money.Booking{}) {
		e.settled = said
	}
	require.Equal(r, e.settled, booked, "the first settlement of a caller stands")
}

func (m *machine) budget(r *rapid.T) {
	b := money.Budget{
		Scope: rapid.SampledFrom([]money.Scope{
			{Org: "uni"}, {Tenant: "uni:a"}, {Tenant: "acme"}, {Model: "m"}, {Tenant: "uni:b", Model: "n"}, {Org: "uni", Model: "m"},
		}).Draw(r, "scope"),
		Period:   rapid.SampledFrom(money.Periods()).Draw(r, "period"),
		MicroUSD: rapid.Int64Range(0, 400).Draw(r, "amount"),
		Soft:     rapid.IntRange(0, 4).Draw(r, "soft") == 0,
	}
	require.NoError(r, m.process(r).SetBudget(m.t.Context(), b))
	m.budgets = append(slices.DeleteFunc(m.budgets, b.Same), b)
}

func (m *machine) clear(r *rapid.T) {
	if len(m.budgets) == 0 {
		return
	}
	b := rapid.SampledFrom(m.budgets).Draw(r, "budget")
	found, err := m.process(r).ClearBudget(m.t.Context(), b)
	require.NoError(r, err)
	require.True(r, found)
	m.budgets = slices.DeleteFunc(m.budgets, b.Same)
}

func (m *machine) jump(r *rapid.T) {
	m.s.Jump(m.t, time.Duration(rapid.IntRange(-3, 800).Draw(r, "hours"))*time.Hour)
}

// crash kills a process with what it has open, and starts another.
func (m *machine) crash(r *rapid.T) {
	i := rapid.IntRange(0, len(m.processes)-1).Draw(r, "process")
	m.kills[i]()
	m.processes[i], m.kills[i] = m.s.Open(m.t)
}

// check compares all sums of the database with the entries.
func (m *machine) check(r *rapid.T) {
	listed, err := m.processes[0].Budgets(m.t.Context())
	require.NoError(r, err)
	require.Len(r, listed, len(m.budgets))
	all := m.entries()
	for _, s := range listed {
		require.True(r, slices.Contains(m.budgets, s.Budget))
		require.Equal(r, sum(all, s.Budget, s.At), s.Settled+s.Reserved, "%s, %s", s.Scope, s.Period)
	}
}

// end settles what is open: nothing stays reserved, and each entry is booked once.
func (m *machine) end(r *rapid.T) {
	for _, e := range m.made {
		if (e.settled == money.Booking{}) {
			_, err := m.processes[0].Settle(m.t.Context(), e.key, money.Booking{Outcome: money.Answered, MicroUSD: e.call.CostMicroUSD})
			require.NoError(r, err)
		}
	}
	m.check(r)
	listed, err := m.processes[0].Budgets(m.t.Context())
	require.NoError(r, err)
	for _, s := range listed {
		require.Zero(r, s.Reserved)
	}
	type job struct{ owner, name string }
	want := map[job]int64{}
	for _, e := range m.entries() {
		want[job{string(e.Tenant), e.Job}] += e.micro
	}
	for j, micro := range want {
		spend, err := m.processes[0].Job(m.t.Context(), by(j.owner, "", "", 0).Tenant, j.name)
		require.NoError(r, err)
		require.Equal(r, []int64{micro, 0}, []int64{spend.CostMicroUSD, spend.Reserved})
	}
	for _, kill := range m.kills {
		kill()
	}
}
