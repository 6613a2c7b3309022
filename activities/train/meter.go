package train

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/panics"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/video/waits"
)

// sliceTime is the GPU time that is reserved in advance. A dead worker leaves at most this
// much open in the ledger.
const sliceTime = 10 * time.Second

// meter books the time of one trainer process in slices: reserved before, settled after. A
// ledger entry is named by job, attempt and number of the slice, so that any worker can
// settle what a dead one left.
type meter struct {
	r       *attempt
	rate    float64 // micro-USD a second; 0 = free
	unknown bool    // there is no price: slices are booked at 0, and no budget allows them
	began   time.Time
	settled int64         // micro-USD of this process that are settled
	timed   int64         // milliseconds of this process that are settled
	process int           // number of the process within the attempt
	slice   int           // number of the newest slice
	done    chan struct{} // closed when the process has ended
	ended   chan struct{} // closed when the time is booked
	err     error         // the first error of the ledger
	booked  bool          // all of the time is in the ledger
}

// settleLeft books what a dead attempt left open, at the usage of its last heartbeat. If
// the ledger has a settlement already, that stands. A slice that began after that heartbeat
// would be swept at its full price; its usage is unknown, and it was short.
//
// A tally may come from a signal, which anyone can send: an entry of another run is left
// alone, and no entry is booked at more than its time can cost.
func (r *attempt) settleLeft(ctx context.Context) error {
	t := r.snapshot().Tally
	if t.NextKey == "" && t.SliceKey == "" && t.Slice == 0 {
		return nil
	}
	if _, err := r.settleHeld(ctx, t.NextKey, 0, 0, 0); err != nil { // it may never have begun
		return err
	}
	held, err := r.settleHeld(ctx, t.SliceKey, t.Slice, max(t.SliceUsed, t.SliceMicro), t.SliceMS)
	if err != nil {
		return err
	}
	if !held && (t.SliceKey != "" || t.Slice != 0) {
		r.ignored = SignalTraining + ": an entry of the ledger that it named is not one of this run; it was left alone"
	}
	r.update(func(p *Pulse) {
		t := &p.Tally
		t.SliceKey, t.SliceUsed, t.SliceMS, t.NextKey, t.Slice, t.SliceMicro = "", 0, 0, "", 0, 0
	})
	return r.readCost(ctx)
}

// settleHeld settles an entry of this run, named by its key or its row number.
func (r *attempt) settleHeld(ctx context.Context, key string, row, used, ms int64) (held bool, err error) {
	if key == "" && row == 0 {
		return false, nil
	}
	booked, begun, held, err := r.a.Ledger.Held(ctx, r.in.Tenant, r.in.Ledger, key, row)
	if err != nil || !held {
		return false, err
	}
	since := max(0, time.Since(begun))
	used = min(used, money.Times(2+int(since/sliceTime), booked+1))
	if key == "" {
		return true, r.a.Ledger.End(ctx, row, true, used)
	}
	ms = min(ms, (since + sliceTime).Milliseconds())
	_, err = r.a.Ledger.Settle(ctx, key, money.Booking{Outcome: money.Answered, MicroUSD: used, Used: money.Used{GPUMS: ms}})
	return true, err
}

// readCost asks the ledger for the cost of the whole run.
func (r *attempt) readCost(ctx context.Context) error {
	spent, err := r.a.Ledger.Spent(ctx, r.in.Tenant, r.in.Ledger, "")
	if err != nil {
		return err
	}
	r.update(func(p *Pulse) { p.Tally.CostMicroUSD = spent })
	return nil
}

// startMeter reserves the first slice of a process. Call the returned function when the
// process has ended: it books the rest of the time and returns the ledger's error, if any,
// and whether all of the time is booked.
func (r *attempt) startMeter(ctx context.Context) (paid func() (meterErr error, booked bool), err error) {
	hourly, known := r.a.Prices[r.in.Class]
	if !known && r.in.LimitMicroUSD > 0 {
		return nil, fault.New(fault.Budget, "pay for GPU", r.in.Class,
			money.UnknownPrice+"; set cogflow.training.prices."+r.in.Class)
	}
	m := &meter{
		r: r, rate: hourly * 1e6 / 3600, unknown: !known, process: r.snapshot().Tally.Attempts,
		done: make(chan struct{}), ended: make(chan struct{}),
	}
	if err := m.reserve(ctx, false); err != nil {
		return nil, err
	}
	if m.rate > 0 {
		if err := r.readCost(ctx); err != nil {
			return nil, err
		}
	}
	m.began = time.Now()
	r.update(func(*Pulse) { r.running = m })
	panics.Go(func() error { m.run(context.WithoutCancel(ctx)); return nil }, m.end)
	return func() (error, bool) { close(m.done); <-m.ended; return m.err, m.booked }, nil
}

// count adds the process to a tally.
func (m *meter) count(t *Tally, now time.Time) {
	t.Seconds += now.Sub(m.began).Seconds()
	if t.SliceKey != "" {
		t.SliceUsed, t.SliceMS = m.due(now), m.dueMS(now)
	}
}

// due is the usage that is not settled, in micro-USD. It is rounded over the whole process,
// so that cheap classes do not lose the fraction of each slice.
func (m *meter) due(now time.Time) int64 {
	return max(0, int64(math.Round(m.rate*now.Sub(m.began).Seconds()))-m.settled)
}

// dueMS is the time that is not settled, in milliseconds.
func (m *meter) dueMS(now time.Time) int64 { return now.Sub(m.began).Milliseconds() - m.timed }

// reserve reserves a slice within the limit and the budgets. One that is owed is used whatever
// they say. A free GPU is booked too, for its time.
func (m *meter) reserve(ctx context.Context, owed bool) error {
	if m.rate <= 0 && !m.unknown && m.r.in.Class == "cpu" {
		return nil
	}
	m.slice++
	in := m.r.in
	defer activities.Wait(ctx, waits.Reason{Code: waits.Reserved, On: in.Class, Text: "reserve GPU time within the limit"})()
	made, err := m.r.a.Ledger.Reserve(ctx, video.Call{
		Tenant: in.Tenant, Job: in.Ledger, Workflow: activity.GetInfo(ctx).WorkflowExecution.ID,
		Kind: meterKind, Model: in.Spec.Model, CostMicroUSD: int64(math.Round(m.rate * sliceTime.Seconds())),
		Fingerprint: m.fingerprint(m.slice), Attempt: 1, Unpriced: m.unknown, Owed: owed, GPU: in.Class,
	}, in.LimitMicroUSD)
	if err != nil {
		return err
	}
	next := money.NewKey(string(in.Tenant), in.Ledger, meterKind, string(m.fingerprint(m.slice+1)), 1)
	m.r.update(func(p *Pulse) { p.Tally.SliceKey, p.Tally.NextKey = made.Key, next })
	return nil
}

// meterKind is the ledger's kind of GPU time. Its model is the base model, so that budgets of the
// model cover it; the class is the entry's GPU.
const meterKind = "train"

// fingerprint names a slice of this process.
func (m *meter) fingerprint(slice int) video.Fingerprint {
	return video.NewFingerprint(meterKind, m.r.in.Job, m.r.token, fmt.Sprint(m.process), fmt.Sprint(slice))
}

// settle books the open slice, with all usage since the previous one.
func (m *meter) settle(ctx context.Context, now time.Time) error {
	key := m.r.snapshot().Tally.SliceKey
	if key == "" {
		return nil
	}
	ms := m.dueMS(now)
	booked, err := m.r.a.Ledger.Settle(ctx, key, money.Booking{Outcome: money.Answered, MicroUSD: m.due(now), Used: money.Used{GPUMS: ms}})
	if err != nil {
		return err
	}
	m.r.update(func(p *Pulse) {
		m.settled += booked.MicroUSD
		m.timed += ms
		p.Tally.CostMicroUSD += booked.MicroUSD
		p.Tally.SliceKey = ""
	})
	return nil
}

// run pays slice by slice until the process has ended. When the budget does not allow the
// next one, the trainer is stopped at a checkpoint. The time for that exceeds the limit,
// but it is used, so it is booked.
func (m *meter) run(ctx context.Context) {
	reserving, cancel := context.WithCancel(ctx) // a reservation may wait for room
	defer cancel()
	panics.Go(func() error { <-m.done; return nil }, func(error) { cancel() })
	owed := false
	tick := time.NewTicker(sliceTime)
	defer tick.Stop()
	for {
		select {
		case <-m.done:
			m.finish(ctx)
			return
		case <-tick.C:
		}
		err := m.settle(ctx, time.Now())
		if err == nil {
			err = m.reserve(reserving, owed)
		}
		if err == nil || reserving.Err() != nil {
			continue
		}
		if m.err == nil {
			m.err = err
		}
		if fault.ClassOf(err) != fault.Budget {
			m.r.stop(err)
			continue
		}
		m.r.stop(errBudget)
		owed = true
		if err := m.reserve(reserving, owed); err != nil && reserving.Err() == nil {
			m.err = err
		}
	}
}

// end stops a trainer after a panic of run, because its time is no longer paid; err is nil
// otherwise.
func (m *meter) end(err error) {
	if err != nil {
		m.err, m.booked = errors.Join(m.err, err), false
		m.r.stop(err)
	}
	close(m.ended)
}

// finish books the rest and removes the process from the pulse.
func (m *meter) finish(ctx context.Context) {
	now := time.Now()
	err := m.settle(ctx, now)
	if err == nil && m.dueMS(now) > 0 { // the ledger refused the slice before
		err = errors.Join(m.reserve(ctx, true), m.settle(ctx, now))
	}
	m.booked = err == nil
	m.err = errors.Join(m.err, err)
	m.r.update(func(p *Pulse) {
		m.count(&p.Tally, now)
		p.Tally.NextKey = ""
		m.r.running = nil
	})
}
