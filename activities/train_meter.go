package activities

import (
	"context"
	"fmt"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/video"
)

// sliceTime is the GPU time that is paid for in advance: a hard budget is never
// exceeded, and a worker that dies has at most this much open in the ledger.
const sliceTime = 10 * time.Second

// meter books the time of a GPU in slices: reserved before, settled after.
type meter struct {
	r    *trainRun
	rate float64 // micro-USD a second; 0 = free
	slot int
	at   time.Time // begin of the open slice
	err  error     // what ended it; valid when run has returned
}

// newMeter settles what a dead attempt left open and pays for the first slice.
func (a *Train) newMeter(ctx context.Context, r *trainRun) (*meter, error) {
	hourly, known := a.Prices[r.in.Class]
	if !known && r.in.LimitMicroUSD > 0 {
		return nil, fault.New(fault.Budget, "pay for GPU", r.in.Class,
			"its price is unknown under a hard limit; set cogflow.training.prices."+r.in.Class)
	}
	m := &meter{r: r, rate: hourly * 1e6 / 3600}
	if m.rate <= 0 {
		return m, nil
	}
	if open := r.snapshot().Tally; open.Slice != 0 {
		if err := a.Ledger.End(ctx, open.Slice, true, open.SliceMicro); err != nil {
			return nil, err
		}
		r.update(func(p *trainPulse) {
			p.Tally.CostMicroUSD += open.SliceMicro
			p.Tally.Slice, p.Tally.SliceMicro = 0, 0
		})
	}
	return m, m.begin(ctx)
}

// begin reserves a slice within the limit.
func (m *meter) begin(ctx context.Context) error {
	return m.reserve(ctx, m.r.in.LimitMicroUSD)
}

func (m *meter) reserve(ctx context.Context, limit int64) error {
	m.slot++
	cost := int64(m.rate * sliceTime.Seconds())
	id, err := m.r.a.Ledger.Begin(ctx, video.Call{
		Tenant: m.r.in.Tenant, Job: m.r.in.Ledger, Workflow: activity.GetInfo(ctx).WorkflowExecution.ID,
		Kind: "train", Model: m.r.in.Spec.Model + " on " + m.r.in.Class, CostMicroUSD: cost,
		Fingerprint: video.NewFingerprint("train", m.r.in.Job, m.r.token, fmt.Sprint(m.slot)),
	}, limit)
	if err != nil {
		return err
	}
	m.at = time.Now()
	m.r.update(func(p *trainPulse) { p.Tally.Slice, p.Tally.SliceMicro = id, cost })
	return nil
}

// end settles the open slice.
func (m *meter) end(ctx context.Context) error {
	open := m.r.snapshot().Tally
	if open.Slice == 0 {
		return nil
	}
	cost := min(int64(m.rate*time.Since(m.at).Seconds()), open.SliceMicro)
	if err := m.r.a.Ledger.End(context.WithoutCancel(ctx), open.Slice, true, cost); err != nil {
		return err
	}
	m.r.update(func(p *trainPulse) {
		p.Tally.CostMicroUSD += cost
		p.Tally.Slice, p.Tally.SliceMicro = 0, 0
	})
	return nil
}

// run pays slice by slice until done. When the next one cannot be paid, the
// trainer is stopped at a checkpoint.
func (m *meter) run(ctx context.Context, done <-chan struct{}) {
	if m.rate <= 0 {
		return
	}
	for {
		timer := time.NewTimer(sliceTime)
		select {
		case <-done:
			timer.Stop()
			m.err = m.end(ctx)
			return
		case <-timer.C:
		}
		m.err = m.end(ctx)
		if m.err == nil {
			m.err = m.begin(context.WithoutCancel(ctx))
		}
		if m.err == nil {
			continue
		}
		if fault.ClassOf(m.err) == fault.Budget {
			m.r.stop(errBudget)
			m.lastCheckpoint(context.WithoutCancel(ctx), done)
		} else {
			m.r.stop(m.err)
		}
		return
	}
}

// lastCheckpoint books the time that a stopped trainer still takes: a step and a
// checkpoint. It is beyond the limit, but it is spent, so it is told.
func (m *meter) lastCheckpoint(ctx context.Context, done <-chan struct{}) {
	for {
		if err := m.reserve(ctx, 0); err != nil {
			m.err = err
			return
		}
		timer := time.NewTimer(sliceTime)
		select {
		case <-done:
			timer.Stop()
			if err := m.end(ctx); err != nil {
				m.err = err
			}
			return
		case <-timer.C:
		}
		if err := m.end(ctx); err != nil {
			m.err = err
			return
		}
	}
}
