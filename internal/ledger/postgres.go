package ledger

import (
	"context"
	"hash/fnv"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cogniverse/cogflow/internal/ledger/schema"
	"github.com/cogniverse/cogflow/internal/postgres"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

// writeFor limits one transaction. It is shorter than the heartbeat timeout of activities.
const writeFor = 10 * time.Second

// shared is a ledger in PostgreSQL. A transaction takes two round trips, however many
// entries it has: one locks and reads what they want, one writes and commits.
//
// Transactions of several hosts run at once. Locks order those that decide about the same
// thing: the entries of a fingerprint, the budget of a job, one entry. They are taken in one
// order of their kinds, and sorted within a kind, so that none waits in a circle.
type shared struct {
	db      *postgres.DB
	process string
	writer  *pgx.Conn // nil = lost, or not made yet
	contact time.Time // when the writer was last answered, by the clock of the database
}

// opener is postgres.Open or postgres.OpenExisting.
type opener func(ctx context.Context, url string, kind postgres.Kind) (*postgres.DB, error)

func openShared(ctx context.Context, url, process string, open opener) (*shared, error) {
	db, err := open(ctx, url, schema.Shared())
	if err != nil {
		return nil, err
	}
	s := &shared{db: db, process: process}
	if err := s.begin(ctx); err != nil {
		db.Close()
		return nil, db.Fault("open call ledger", err)
	}
	return s, nil
}

// begin makes the writing connection, and removes the names of processes that have ended
// long ago.
func (s *shared) begin(ctx context.Context) error {
	if err := s.connect(ctx); err != nil {
		return err
	}
	_, err := s.writer.Exec(ctx, "DELETE FROM cogflow.process WHERE seen_at < clock_timestamp() - $1::interval", forgetAfter)
	if err != nil {
		s.drop()
	}
	return err
}

// connect makes the writing connection. If this process was not answered for a while, others
// were not either: the first that comes back records the end of the outage.
func (s *shared) connect(ctx context.Context) error {
	c, err := s.db.Connect(ctx)
	if err != nil {
		return err
	}
	s.writer = c
	if !s.contact.IsZero() {
		_, err = c.Exec(ctx, `INSERT INTO cogflow.outage SELECT clock_timestamp()
			WHERE clock_timestamp() - $1::timestamptz > $2::interval AND NOT EXISTS (SELECT FROM cogflow.outage WHERE ended_at > $1)`,
			s.contact, beatEvery)
	}
	if err == nil {
		err = c.QueryRow(ctx, "SELECT clock_timestamp()").Scan(&s.contact)
	}
	if err != nil {
		s.drop()
	}
	return err
}

// drop closes the writing connection. The server then ends its transaction, if there is one.
func (s *shared) drop() {
	if s.writer == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = s.writer.Close(ctx) // it is of no use any more
	s.writer = nil
}

func (s *shared) close() error {
	s.drop()
	s.db.Close()
	return nil
}

func (s *shared) update(ctx context.Context, w wanted, change func(b books) error) error {
	ctx, cancel := context.WithTimeout(ctx, writeFor)
	defer cancel()
	p, err := s.read(ctx, w)
	if err != nil {
		return s.db.Fault("write to ledger", err)
	}
	committed := false
	defer func() {
		if !committed { // also after a panic
			s.drop()
		}
	}()
	if err := change(p); err != nil {
		return s.db.Fault("write to ledger", err)
	}
	if err := p.write(ctx, s.writer); err != nil {
		return s.db.Fault("write to ledger", err)
	}
	committed = true
	return nil
}

// read begins a transaction. Nothing is written yet, so a connection that was lost while
// idle is replaced without an error.
func (s *shared) read(ctx context.Context, w wanted) (p *page, err error) {
	for range 2 {
		if s.writer == nil {
			if err = s.connect(ctx); err != nil {
				return nil, err
			}
		}
		p = newPage(s.process, w)
		if err = p.read(ctx, s.writer); err == nil {
			s.contact = p.now
			return p, nil
		}
		s.drop()
		if !postgres.Lost(err) || ctx.Err() != nil {
			break // it would fail again
		}
	}
	return nil, err
}

// lockOf is the number of an advisory lock. Two names with one number only wait for each
// other.
func lockOf(kind string, parts ...string) int64 {
	h := fnv.New64a()
	for _, part := range append([]string{"cogflow ledger", kind}, parts...) {
		_, _ = h.Write([]byte(part + "\x00")) // never fails
	}
	return int64(h.Sum64())
}

// locks are the advisory locks of a transaction, sorted. That of the process is for one
// that lost its connection: the next transaction must see what became of the last.
func locks(process string, w wanted) []int64 {
	out := []int64{lockOf("process", process)}
	for _, r := range w.reserve {
		out = append(out, lockOf("fingerprint", string(r.Tenant), string(r.Fingerprint)))
		if r.limited() {
			out = append(out, lockOf("job", string(r.Tenant), r.Job))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// goneShared selects open entries whose process has not been seen for the length of its
// lease. A process that is not listed was last seen when the call began. After an outage the
// lease is that in which others do not make the call either: who makes it again finds it
// booked as lost.
const goneShared = `FROM cogflow.call c WHERE c.ended_at IS NULL AND c.process<>$1
	AND coalesce((SELECT seen_at FROM cogflow.process p WHERE p.id = c.process), c.begun_at) < clock_timestamp() - $2::interval
	AND coalesce(` + schema.Outage + ` < clock_timestamp() - $3::interval, true)`

// leasesOf are the arguments of goneShared.
func leasesOf(process string) []any { return []any{process, leaseFor, aliveFor} }

func (s *shared) anyGone(ctx context.Context) (found bool, err error) {
	_, err = s.db.Row(ctx, "sweep ledger", "SELECT EXISTS (SELECT "+goneShared+")", leasesOf(s.process), []any{&found})
	return found, err
}

func (s *shared) spent(ctx context.Context, t tenant.ID, job, workflow string) (microUSD int64, err error) {
	query, args := "SELECT settled FROM cogflow.spend WHERE tenant=$1 AND job=$2", []any{string(t), job}
	if workflow != "" {
		query, args = "SELECT settled FROM cogflow.spend_workflow WHERE tenant=$1 AND job=$2 AND workflow=$3", append(args, workflow)
	}
	_, err = s.db.Row(ctx, "sum up calls", query, args, []any{&microUSD})
	return microUSD, err
}

func (s *shared) job(ctx context.Context, t tenant.ID, job string) (out video.Spend, err error) {
	var settled, reserved float64
	_, err = s.db.Row(ctx, "sum up calls", `SELECT coalesce(sum(calls), 0)::bigint, coalesce(sum(describe), 0)::bigint, coalesce(sum(answered), 0)::bigint,
		coalesce(sum(open), 0)::bigint, coalesce(sum(charged), 0)::bigint, coalesce(sum(lost), 0)::bigint,
		coalesce(sum(greatest(0, answered + charged + lost - 1)), 0)::bigint, coalesce(sum(settled), 0)::float8, coalesce(sum(reserved), 0)::float8
		FROM (SELECT count(*) FILTER (WHERE outcome<>'released') AS calls,
			count(*) FILTER (WHERE outcome<>'released' AND kind='describe') AS describe,
			count(*) FILTER (WHERE outcome='answered') AS answered, count(*) FILTER (WHERE outcome='') AS open,
			count(*) FILTER (WHERE outcome='charged') AS charged, count(*) FILTER (WHERE outcome='lost') AS lost,
			sum(cost) FILTER (WHERE outcome<>'') AS settled, sum(cost) FILTER (WHERE outcome='') AS reserved
			FROM cogflow.call WHERE tenant=$1 AND job=$2 GROUP BY fingerprint) AS f`,
		[]any{string(t), job},
		[]any{&out.Calls, &out.Describe, &out.Answered, &out.Open, &out.Charged, &out.Lost, &out.Repeated, &settled, &reserved})
	out.CostMicroUSD, out.Reserved = micro(settled), micro(reserved)
	return out, err
}

// held finds no entry by its row: rows of this database have no numbers.
func (s *shared) held(ctx context.Context, t tenant.ID, job string, n name) (microUSD int64, begun time.Time, found bool, err error) {
	found, err = s.db.Row(ctx, "find call", "SELECT cost, begun_at FROM cogflow.call WHERE tenant=$1 AND job=$2 AND key=$3",
		[]any{string(t), job, n.key}, []any{&microUSD, &begun})
	return microUSD, begun, found, err
}

func (s *shared) latency(ctx context.Context, model string, last int) (time.Duration, error) {
	var seconds float64
	_, err := s.db.Row(ctx, "measure calls", `SELECT coalesce(avg(greatest(0, extract(epoch FROM ended_at - begun_at))), 0)::float8 FROM
		(SELECT begun_at, ended_at FROM cogflow.call WHERE model=$1 AND outcome='answered' AND kind<>'train' ORDER BY ended_at DESC LIMIT $2) AS recent`,
		[]any{model, last}, []any{&seconds})
	return time.Duration(seconds * float64(time.Second)), err
}
