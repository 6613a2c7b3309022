package gpus

import (
	"context"
	"sync"
	"time"

	"go.temporal.io/sdk/worker"

	"github.com/cogniverse/cogflow/internal/lease"
)

// slots are those of the training pool: one for each device that is well. It is safe for
// concurrent use.
type slots struct {
	usable func() int

	mu    sync.Mutex
	taken int
	freed chan struct{} // closed when one is released
}

func newSlots(table *lease.Table) *slots {
	return &slots{usable: table.Usable, freed: make(chan struct{})}
}

// reviewEvery is how often a wait for a slot looks whether a device is well again.
const reviewEvery = time.Second

func (s *slots) ReserveSlot(ctx context.Context, info worker.SlotReservationInfo) (*worker.SlotPermit, error) {
	review := time.NewTicker(reviewEvery)
	defer review.Stop()
	for {
		s.mu.Lock()
		freed := s.freed
		s.mu.Unlock()
		if permit := s.TryReserveSlot(info); permit != nil {
			return permit, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-freed:
		case <-review.C:
		}
	}
}

func (s *slots) TryReserveSlot(worker.SlotReservationInfo) *worker.SlotPermit {
	usable := s.usable()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken >= usable {
		return nil
	}
	s.taken++
	return &worker.SlotPermit{}
}

func (*slots) MarkSlotUsed(worker.SlotMarkUsedInfo) {}

func (s *slots) ReleaseSlot(worker.SlotReleaseInfo) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken--
	close(s.freed)
	s.freed = make(chan struct{})
}

// MaxSlots is what the SDK tells the server as the number of slots. 0 would mean that there is no
// number, so a worker without a device that is well says less than none.
func (s *slots) MaxSlots() int {
	if usable := s.usable(); usable > 0 {
		return usable
	}
	return -1
}

// tuner gives activities the slots of a table; the workers of the pool run nothing else.
func tuner(table *lease.Table) (worker.WorkerTuner, error) {
	const others = 2 // the SDK requires some
	fixed := func() (worker.SlotSupplier, error) { return worker.NewFixedSizeSlotSupplier(others) }
	o := worker.CompositeTunerOptions{
		ActivitySlotSupplier: newSlots(table),
	}
	var err error
	for _, supplier := range []*worker.SlotSupplier{&o.WorkflowSlotSupplier, &o.LocalActivitySlotSupplier, &o.NexusSlotSupplier, &o.SessionActivitySlotSupplier} {
		if *supplier, err = fixed(); err != nil {
			return nil, err
		}
	}
	return worker.NewCompositeTuner(o)
}
