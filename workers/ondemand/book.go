package ondemand

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/cogniverse/cogflow/internal/config/ownserver"
	"github.com/cogniverse/cogflow/internal/modelserver"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

// Ledger books the time of servers.
type Ledger interface {
	TryReserve(ctx context.Context, c video.Call, limitMicroUSD int64) (money.Reservation, error)
	Settle(ctx context.Context, key string, said money.Booking) (money.Booking, error)
}

// slice is how often the time of servers is booked. A worker that is killed leaves at most this
// much unbooked.
const slice = 10 * time.Second

// The ledger's kinds of the time of servers. Requests are booked by their jobs.
const (
	kindColdStart = "cold_start" // from the start of the process until it is ready, or has failed
	kindIdle      = "idle"       // ready, without a request in progress
)

// Account is the tenant to whom the time of the servers of a GPU class is booked. No tenant's job
// causes it alone.
func Account(class string) tenant.ID { return tenant.ID("pool:" + class) }

// books books the time of the servers of this worker process that have GPUs, after it has
// passed. Entries are named by process, server, kind and number, so a slice is never booked twice.
type books struct {
	o      Options
	usage  func(server string) modelserver.Usage
	models func(server string) []string

	mu      sync.Mutex
	entries map[entryOf]*entry
	err     error // of the last time
}

type entryOf struct{ server, kind string }

// entry is the booking of one kind of time of one server.
type entry struct {
	number int           // of the slice that is booked next
	booked time.Duration // of one server, not of each GPU
	due    time.Duration // of the slice that is being booked; 0 = none is
	key    string        // of its entry; "" = it is not reserved
}

func newBooks(o Options, usage func(string) modelserver.Usage, models func(string) []string) *books {
	return &books{o: o, usage: usage, models: models, entries: map[entryOf]*entry{}}
}

// book books what is due. What fails is booked the next time, with the same name and amount.
func (b *books) book(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	var errs []error
	for _, s := range b.o.Config.Servers {
		if s.GPUs == 0 || b.o.Ledger == nil {
			continue
		}
		used := b.usage(s.Name)
		for kind, total := range map[string]time.Duration{kindColdStart: used.Boot, kindIdle: used.Idle} {
			e := b.entries[entryOf{s.Name, kind}]
			if e == nil {
				e = &entry{}
				b.entries[entryOf{s.Name, kind}] = e
			}
			errs = append(errs, b.settle(ctx, s, kind, e, total))
		}
	}
	b.err = errors.Join(errs...)
	return b.err
}

func (b *books) settle(ctx context.Context, s ownserver.Server, kind string, e *entry, total time.Duration) error {
	for total-e.booked >= time.Millisecond {
		if e.due == 0 {
			e.due = total - e.booked
		}
		ms := e.due.Milliseconds() * int64(s.GPUs)
		hourly, priced := b.o.Config.Training.Prices[b.o.Class]
		cost := int64(math.Round(hourly * 1e6 / 3600 * float64(ms) / 1000))
		if e.key == "" {
			job := "model-server/" + s.Name
			r, err := b.o.Ledger.TryReserve(ctx, video.Call{
				Tenant: Account(b.o.Class), Job: job, Workflow: job, Kind: kind, Model: b.model(s), CostMicroUSD: cost, Attempt: 1,
				Fingerprint: video.NewFingerprint(kind, s.Name, process(), fmt.Sprint(e.number)), Unpriced: !priced, Owed: true, GPU: b.o.Class,
			}, 0)
			if err != nil {
				return err
			}
			e.key = r.Key
		}
		if _, err := b.o.Ledger.Settle(ctx, e.key, money.Booking{Outcome: money.Answered, MicroUSD: cost, Used: money.Used{GPUMS: ms}}); err != nil {
			return err
		}
		e.booked, e.due, e.key = e.booked+e.due, 0, ""
		e.number++
	}
	return nil
}

// model is the first model of a server.
func (b *books) model(s ownserver.Server) string {
	if all := b.models(s.Name); len(all) > 0 {
		return all[0]
	}
	return s.Name
}

func (b *books) problem() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}
