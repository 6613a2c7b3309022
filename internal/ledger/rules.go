package ledger

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/money"
)

// check refuses a call that cannot be booked.
func (r request) check() error {
	if r.Tenant == "" || r.Job == "" || r.Fingerprint == "" || r.Attempt < 0 || r.CostMicroUSD < 0 || r.limit < 0 {
		return fault.New(fault.Input, "begin call", r.Model,
			"a call needs a tenant, a job and a fingerprint; its attempt, cost and limit must not be negative")
	}
	for _, text := range []string{string(r.Tenant), r.Job, r.Workflow, r.Kind, r.Model, string(r.Fingerprint), r.GPU} {
		if !storable(text) {
			return fault.New(fault.Input, "begin call", r.Model, "its names must be valid UTF-8 without NUL characters")
		}
	}
	return nil
}

// subject is what a fault is about. The price and the time of training are those of a GPU class.
func (r request) subject() string {
	if r.Kind == "train" && r.GPU != "" {
		return r.Model + " on " + r.GPU
	}
	return r.Model
}

// storable reports whether every database can store a text.
func storable(text string) bool { return utf8.ValidString(text) && !strings.Contains(text, "\x00") }

// reserve returns a refusal, without writing, if the call must not be made now.
func reserve(ctx context.Context, b books, r request) (out money.Reservation, refusal, err error) {
	if r.Attempt > 0 {
		out.Key, out.Attempt = r.key(r.Attempt), r.Attempt
		if taken, refusal, err := takeOver(ctx, b, &out, r); taken || refusal != nil || err != nil {
			return out, refusal, err
		}
	}
	if !r.Unique {
		if refusal, err := compare(ctx, b, &out, r); refusal != nil || err != nil {
			return out, refusal, err
		}
	}
	if out.Key == "" {
		out.Attempt++
		out.Key = r.key(out.Attempt)
	}
	for _, rule := range []func(context.Context, books, request) (refusal, err error){afford, allowed} {
		if refusal, err := rule(ctx, b, r); refusal != nil || err != nil {
			return out, refusal, err
		}
	}
	out.MicroUSD = r.CostMicroUSD
	return out, nil, b.insert(ctx, r, out)
}

// compare applies the rules about other calls of the fingerprint. It sets the attempt to the number
// of those in the job, unless the call has one.
func compare(ctx context.Context, b books, out *money.Reservation, r request) (refusal, err error) {
	switch rival, err := b.rival(ctx, r); {
	case err != nil:
		return nil, err
	case rival:
		return &fault.Error{
			Class: fault.Overload, Op: "begin call", Subject: r.subject(), RetryAfter: time.Second, Err: money.ErrElsewhere,
			Reason: "another worker is making or has just made the same call; waiting for its answer",
		}, nil
	}
	if r.Attempt > 0 {
		return nil, nil
	}
	before, err := b.earlier(ctx, r)
	if err != nil {
		return nil, err
	}
	if out.Charged = before.charged; out.Charged >= money.MaxCharged {
		return money.GiveUp("begin call", r.Model, out.Charged, nil), nil
	}
	if before.lost >= money.MaxLost {
		return money.GiveUpLost("begin call", r.Model, before.lost), nil
	}
	out.Attempt = before.made
	return nil, nil
}

// takeOver assigns an open entry to this process. A settled one is refused: it is paid.
func takeOver(ctx context.Context, b books, out *money.Reservation, r request) (taken bool, refusal, err error) {
	one, err := b.find(ctx, name{key: out.Key})
	if err != nil || !one.known() {
		return false, nil, err
	}
	if !one.open {
		return false, fault.New(fault.Input, "begin call", r.subject(), fmt.Sprintf("attempt %d is settled already", r.Attempt)), nil
	}
	out.MicroUSD = one.booked.MicroUSD
	return true, nil, b.take(ctx, one)
}

// limited reports whether the job's limit decides about the call.
func (r request) limited() bool { return !r.Owed && r.limit > 0 && r.CostMicroUSD > 0 }

// afford applies the rule of the job's limit.
func afford(ctx context.Context, b books, r request) (refusal, err error) {
	if !r.limited() {
		return nil, nil
	}
	settled, held, err := b.spent(ctx, r)
	if err != nil {
		return nil, err
	}
	switch money.Decide(r.limit, settled, held, r.CostMicroUSD) {
	case money.Exceeded:
		return fault.New(fault.Budget, "begin call", r.subject(), fmt.Sprintf(
			"it may cost %s, and job %q has spent %s of its limit of %s; raise the limit to continue",
			dollars(r.CostMicroUSD), r.Job, dollars(settled), dollars(r.limit))), nil
	case money.Wait:
		return noRoom(r, fmt.Sprintf("it may cost %s, and calls in flight of job %q reserve %s of what is left; waiting for them to end",
			dollars(r.CostMicroUSD), r.Job, dollars(held)), money.ErrNoRoom), nil
	default:
		return nil, nil
	}
}

func noRoom(r request, reason string, cause error) error {
	return &fault.Error{Class: fault.Overload, Op: "begin call", Subject: r.subject(), RetryAfter: time.Second, Reason: reason, Err: cause}
}

// settle books how an entry ended, unless it was settled before: see money.Settle.
func settle(ctx context.Context, b books, n name, said money.Booking) (now money.Booking, refusal, err error) {
	r, err := b.find(ctx, n)
	if err != nil {
		return said, nil, err
	}
	if !r.known() {
		return said, fault.New(fault.Input, "end call", "", "the ledger has no such entry"), nil
	}
	now, err = again(ctx, b, r, said)
	return now, nil, err
}

// again settles an entry that may have been settled before.
func again(ctx context.Context, b books, r row, said money.Booking) (money.Booking, error) {
	before := r.booked
	if r.open {
		before = money.Booking{}
	}
	now, changed := money.Settle(before, said)
	if !changed {
		return now, nil
	}
	return now, b.settle(ctx, r, now)
}

// difference is what a new booking adds to the settled cost.
func (r row) difference(now money.Booking) int64 {
	if r.open {
		return now.MicroUSD
	}
	return now.MicroUSD - r.booked.MicroUSD
}

// mostMicro limits one entry, so that sums do not overflow in a database.
const mostMicro = 1 << 53

// micro converts a sum of SQL to an amount without overflow.
func micro(sum float64) int64 { return int64(min(max(sum, 0), 1<<62)) }

func dollars(micro int64) string {
	return fmt.Sprintf("$%d.%06d", micro/1_000_000, micro%1_000_000)
}
