package lease

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/fault"
)

// waiter is one call that waits.
type waiter struct {
	Ask
	as     holder
	places []int         // what it got, set before ready is closed
	err    error         // why it got none, set before ready is closed
	ready  chan struct{} // closed when the wait has ended
	why    []reason      // it waits
}

func (t *Table) wait(ctx context.Context, w *waiter) error {
	poll := time.NewTicker(pollEvery)
	defer poll.Stop()
	for {
		t.say(w)
		select {
		case <-w.ready:
			return w.err
		case <-poll.C:
			if err := t.look(ctx); err != nil {
				t.withdraw(w)
				return err
			}
			t.mu.Lock()
			t.serve()
			t.mu.Unlock()
		case <-ctx.Done():
			t.withdraw(w)
			return ctx.Err()
		}
	}
}

// say tells a caller why it waits.
func (t *Table) say(w *waiter) {
	if w.Says == nil {
		return
	}
	t.mu.Lock()
	why := w.why
	t.mu.Unlock()
	select {
	case <-w.ready:
		return
	default:
	}
	texts := make([]string, len(why))
	for i, reason := range why {
		texts[i] = reason()
	}
	w.Says(strings.Join(texts, "; "))
}

// serve gives devices to waiters in order: one that waits for many is not overtaken by
// those of this process that need few, or it might wait for ever.
func (t *Table) serve() {
	for at := 0; at < len(t.queue); {
		w := t.queue[at]
		avoided := t.avoided(w)
		got, err := t.lock(w, avoided)
		if err == nil && !got {
			if !slices.Contains(avoided, true) {
				break
			}
			at++
			continue
		}
		w.err = err
		t.queue = slices.Delete(t.queue, at, at+1)
		close(w.ready)
	}
	for _, w := range t.queue {
		if w.why == nil {
			w.why = []reason{because("earlier work of this worker waits for its GPUs")}
		}
	}
	if err := t.mark(); err != nil && len(t.queue) > 0 {
		t.queue[0].err = err
		close(t.queue[0].ready)
		t.queue = t.queue[1:]
	}
}

// mark shows the holders in other processes whether this one waits.
func (t *Table) mark() (err error) {
	if len(t.queue) == 0 {
		for _, release := range t.marks {
			release()
		}
		t.marks = nil
		return nil
	}
	for len(t.marks) < len(t.devices) && err == nil {
		var release func()
		if release, err = t.locks.Want(t.devices[len(t.marks)]); err == nil {
			t.marks = append(t.marks, release)
		}
	}
	return err
}

// avoided says by place which devices a waiter does not take; nil = it takes all.
func (t *Table) avoided(w *waiter) []bool {
	if w.Avoid == nil {
		return nil
	}
	out, left := make([]bool, len(t.devices)), 0
	for place, device := range t.devices {
		out[place] = w.Avoid(device)
		if !out[place] && t.facts.aside(device) == "" {
			left++
		}
	}
	if left < w.N {
		return nil
	}
	return out
}

// lock takes the devices of a waiter, or none if there is no room on enough of them.
func (t *Table) lock(w *waiter, avoided []bool) (got bool, err error) {
	var reasons []reason
	var ill []string
	w.places = nil
	for place, device := range t.devices {
		if len(w.places) == w.N || err != nil {
			break
		}
		if aside := t.facts.aside(device); aside != "" {
			ill = append(ill, device+" is set aside: "+aside)
			continue
		}
		if avoided != nil && avoided[place] {
			continue
		}
		var held *hold
		var why reason
		if held, why, err = t.one(w, place); held != nil {
			t.held[place] = append(t.held[place], held)
			w.places = append(w.places, place)
		} else if why != nil {
			reasons = append(reasons, func() string { return label(device) + " " + why() })
		}
	}
	if len(w.places) == w.N && err == nil {
		return true, nil
	}
	for _, place := range w.places {
		t.drop(place, w.as.Mark).undo()
	}
	w.places = nil
	if err == nil && len(ill) > len(t.devices)-w.N {
		return false, fault.New(fault.Capacity, leaseOp, fmt.Sprint(w.N), "too few GPUs of this worker are well: "+strings.Join(ill, "; "))
	}
	for _, text := range ill {
		reasons = append(reasons, because(text))
	}
	w.why = reasons
	return false, err
}

func label(device string) string {
	if device == "" {
		return "the slot"
	}
	return device
}

// one takes one device for a waiter.
func (t *Table) one(w *waiter, place int) (*hold, reason, error) {
	var mine []holder
	for _, h := range t.held[place] {
		if h.Bytes == 0 || w.Bytes == 0 {
			return nil, func() string { return heldBy + h.describe(t.procs) }, nil
		}
		mine = append(mine, h.holder)
	}
	device := t.devices[place]
	has := func(others []holder) (reason, error) {
		s, known := t.facts.state(device)
		switch {
		case t.facts.err != nil:
			return because("is not leased, because the driver does not answer: " + t.facts.err.Error()), nil //nolint:nilerr // a wait says it
		case !known && w.Bytes == 0:
			return nil, nil
		}
		return admits(t.procs, s, w.as, others)
	}
	if t.locks.dir == "" || device == "" {
		why, err := has(mine)
		if why != nil || err != nil {
			return nil, why, err
		}
		return &hold{holder: w.as, release: func() {}, undo: func() {}}, nil, nil
	}
	return t.locks.take(t.procs, device, w.as, has)
}

// drop removes the lease with a mark from a place.
func (t *Table) drop(place int, mark string) (out *hold) {
	at := slices.IndexFunc(t.held[place], func(h *hold) bool { return h.Mark == mark })
	out = t.held[place][at]
	t.held[place] = slices.Delete(t.held[place], at, at+1)
	return out
}

// withdraw ends the wait of w, which may have been served at this moment.
func (t *Table) withdraw(w *waiter) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.queue = slices.DeleteFunc(t.queue, func(other *waiter) bool { return other == w })
	t.giveBack(w)
}

func (t *Table) giveBack(w *waiter) {
	for _, place := range w.places {
		t.drop(place, w.as.Mark).release()
	}
	w.places = nil
	t.serve()
}
