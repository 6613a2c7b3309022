package ledger

import (
	"context"
	"time"

	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

// database holds the tables of a ledger: a SQLite file or a PostgreSQL database. It has no
// rule: rules.go has them all, once. All times are the database's.
type database interface {
	// update runs change in one transaction and commits it unless it fails. change runs at
	// most once, and reads only what w names.
	update(ctx context.Context, w wanted, change func(b books) error) error
	// anyGone reports whether a process that is gone has an open entry. It writes nothing.
	anyGone(ctx context.Context) (bool, error)
	spent(ctx context.Context, t tenant.ID, job, workflow string) (microUSD int64, err error)
	job(ctx context.Context, t tenant.ID, job string) (video.Spend, error)
	held(ctx context.Context, t tenant.ID, job string, n name) (microUSD int64, begun time.Time, found bool, err error)
	latency(ctx context.Context, model string, last int) (time.Duration, error)
	// budgets lists all budgets, in any order.
	budgets(ctx context.Context) ([]money.Standing, error)
	setBudget(ctx context.Context, b money.Budget) error
	clearBudget(ctx context.Context, b money.Budget) (found bool, err error)
	// budgetsAt is budgets as they stand in the periods of an earlier time.
	budgetsAt(ctx context.Context, at time.Time) ([]money.Standing, error)
	checked(ctx context.Context) (checked, error)
	// addAlerts adds those that are new, forgets those that are too old, and notes the time
	// of the check.
	addAlerts(ctx context.Context, all []money.Alert) error
	takeAlert(ctx context.Context, lease time.Duration) (d Due, found bool, err error)
	putAlert(ctx context.Context, d Due, wait time.Duration, ended bool) error
	close() error
}

// books are the tables within one transaction.
type books interface {
	// find returns the zero row if there is no such entry.
	find(ctx context.Context, n name) (row, error)
	// rival reports whether another living process has a call of the tenant and fingerprint
	// open, or has had it answered within aliveFor.
	rival(ctx context.Context, r request) (bool, error)
	// earlier counts the entries of the fingerprint in the job.
	earlier(ctx context.Context, r request) (earlier, error)
	// spent is what the job has settled, and what its open entries reserve.
	spent(ctx context.Context, r request) (settled, held int64, err error)
	// standings are the hard budgets that cover the call.
	standings(ctx context.Context, r request) ([]money.Standing, error)
	insert(ctx context.Context, r request, as money.Reservation) error
	// take assigns an open entry to this process.
	take(ctx context.Context, r row) error
	// settle books an entry, and adds the difference to what its job and workflow have
	// settled.
	settle(ctx context.Context, r row, now money.Booking) error
	// gone lists the open entries of processes that have not been seen for their lease.
	gone(ctx context.Context) ([]row, error)
	// alert adds an alert, if it is new.
	alert(ctx context.Context, a money.Alert) error
	// beat records that this process lives.
	beat(ctx context.Context) error
}

// wanted is what a change reads. A database on another host reads it for a whole batch at
// once.
type wanted struct {
	reserve []request // that need a reservation
	find    []string  // entries, by key
	gone    bool
}

func (w *wanted) add(o wanted) {
	w.reserve = append(w.reserve, o.reserve...)
	w.find = append(w.find, o.find...)
	w.gone = w.gone || o.gone
}

// name identifies an entry: its key or, of builds without keys, the number of its row.
type name struct {
	key string
	row int64
}

// request is a call that needs a reservation.
type request struct {
	video.Call
	limit int64
}

func (r request) key(attempt int) string {
	return money.NewKey(string(r.Tenant), r.Job, r.Kind, string(r.Fingerprint), attempt)
}

// earlier are the entries of a fingerprint in a job.
type earlier struct{ made, charged, lost int }

// row is an entry as it is booked.
type row struct {
	name
	tenant, job, workflow, process string
	model                          string    // read by a database on another host
	begun                          time.Time // likewise
	open                           bool
	booked                         money.Booking // of an open entry: its reservation, without an outcome
}

func (r row) known() bool { return r.name != name{} }
