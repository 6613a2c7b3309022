package ledger

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cogniverse/cogflow/internal/ledger/schema"
	"github.com/cogniverse/cogflow/money"
)

// page is what a transaction in PostgreSQL has read, and what it will write. The entries of
// a batch see each other's changes in it.
type page struct {
	process string
	wanted  wanted
	now     time.Time // of the database

	rows   map[string]*row // of wanted.find and inserted ones, by key
	rivals map[string]bool // by tenant and fingerprint
	counts map[string]*earlier
	jobs   map[string]*account
	lost   []*row

	budgets []*money.Standing // hard ones that cover a reservation

	inserted        []insertion
	taken           []string
	changed         map[string]bool // keys of rows that were settled
	spend, workflow map[[3]string]int64
	seen            bool
	alerts          []money.Alert
}

// account is the money of a job.
type account struct{ settled, held int64 }

type insertion struct {
	request
	as money.Reservation
}

func newPage(process string, w wanted) *page {
	return &page{
		process: process, wanted: w, rows: map[string]*row{}, rivals: map[string]bool{},
		counts: map[string]*earlier{}, jobs: map[string]*account{}, changed: map[string]bool{},
		spend: map[[3]string]int64{}, workflow: map[[3]string]int64{},
	}
}

func place(parts ...string) (out string) {
	for _, p := range parts {
		out += p + "\x00"
	}
	return out
}

func (r request) fingerprintPlace() string { return place(string(r.Tenant), string(r.Fingerprint)) }
func (r request) countPlace() string {
	return place(string(r.Tenant), r.Job, string(r.Fingerprint))
}
func (r request) jobPlace() string { return place(string(r.Tenant), r.Job) }

const rowColumns = "key, tenant, job, workflow, model, begun_at, process, ended_at IS NULL, outcome, cost"

// facts reads what reservations want to know of their fingerprints and jobs.
const facts = `SELECT
	EXISTS (SELECT FROM cogflow.call c JOIN cogflow.process p ON p.id = c.process
		WHERE c.tenant=q.tenant AND c.fingerprint=q.fingerprint AND c.process<>$5
		AND (c.ended_at IS NULL AND greatest(p.seen_at, ` + schema.Outage + `) > clock_timestamp() - $6::interval
			OR c.outcome='answered' AND c.ended_at > clock_timestamp() - $6::interval)),
	e.made, e.charged, e.lost,
	CASE WHEN q.limited THEN coalesce((SELECT settled FROM cogflow.spend s WHERE s.tenant=q.tenant AND s.job=q.job), 0) ELSE 0 END,
	CASE WHEN q.limited THEN (SELECT least(coalesce(sum(cost), 0), 4611686018427387904)::bigint FROM cogflow.call c
		WHERE c.tenant=q.tenant AND c.job=q.job AND c.ended_at IS NULL) ELSE 0 END
	FROM unnest($1::text[], $2::text[], $3::text[], $4::boolean[]) WITH ORDINALITY AS q(tenant, job, fingerprint, limited, number),
	LATERAL (SELECT count(*) AS made, count(*) FILTER (WHERE outcome='charged') AS charged, count(*) FILTER (WHERE outcome='lost') AS lost
		FROM cogflow.call c WHERE c.tenant=q.tenant AND c.job=q.job AND c.fingerprint=q.fingerprint) AS e
	ORDER BY q.number`

// read begins the transaction and reads, in one round trip. Each statement sees what was
// committed before it: the locks come first.
func (p *page) read(ctx context.Context, c *pgx.Conn) error {
	b := &pgx.Batch{}
	b.Queue("BEGIN")
	tenants, models := budgetedOf(p.wanted)
	if len(tenants) > 0 {
		b.Queue("SELECT pg_advisory_xact_lock_shared($1)", budgetsLock())
	}
	b.Queue("SELECT count(pg_advisory_xact_lock(number)), clock_timestamp() FROM unnest($1::bigint[]) AS number", locks(p.process, p.wanted)).
		QueryRow(func(row pgx.Row) error { return row.Scan(nil, &p.now) })
	if len(tenants) > 0 {
		b.Queue(lockBudgets, tenants, models)
	}
	if keys := p.wanted.find; len(keys) > 0 {
		b.Queue("SELECT "+rowColumns+" FROM cogflow.call WHERE key = ANY($1) ORDER BY key FOR UPDATE", keys).Query(func(rows pgx.Rows) error {
			return readRows(rows, func(r *row) { p.rows[r.key] = r })
		})
	}
	if p.wanted.gone {
		b.Queue("SELECT "+rowColumns+" "+goneShared+" ORDER BY key LIMIT 1000 FOR UPDATE SKIP LOCKED", leasesOf(p.process)...).Query(func(rows pgx.Rows) error {
			return readRows(rows, func(r *row) {
				p.rows[r.key] = cmp.Or(p.rows[r.key], r)
				p.lost = append(p.lost, p.rows[r.key])
			})
		})
	}
	if len(p.wanted.reserve) > 0 {
		p.readFacts(b)
	}
	if len(tenants) > 0 {
		p.readBudgets(b, tenants, models)
	}
	return c.SendBatch(ctx, b).Close()
}

func readRows(rows pgx.Rows, take func(r *row)) error {
	for rows.Next() {
		r := &row{}
		err := rows.Scan(&r.key, &r.tenant, &r.job, &r.workflow, &r.model, &r.begun, &r.process, &r.open, &r.booked.Outcome, &r.booked.MicroUSD)
		if err != nil {
			return err
		}
		take(r)
	}
	return rows.Err()
}

func (p *page) readFacts(b *pgx.Batch) {
	var tenants, jobs, fingerprints []string
	var limited []bool
	for _, r := range p.wanted.reserve {
		tenants, jobs = append(tenants, string(r.Tenant)), append(jobs, r.Job)
		fingerprints, limited = append(fingerprints, string(r.Fingerprint)), append(limited, r.limited())
	}
	b.Queue(facts, tenants, jobs, fingerprints, limited, p.process, aliveFor).Query(func(rows pgx.Rows) error {
		for _, r := range p.wanted.reserve {
			if !rows.Next() {
				return errors.Join(rows.Err(), errors.New("the database answers for fewer calls than were asked"))
			}
			var rival bool
			var e earlier
			var a account
			if err := rows.Scan(&rival, &e.made, &e.charged, &e.lost, &a.settled, &a.held); err != nil {
				return err
			}
			p.rivals[r.fingerprintPlace()], p.counts[r.countPlace()] = rival, &e
			if r.limited() {
				p.jobs[r.jobPlace()] = &a
			}
		}
		return rows.Err()
	})
}

func (p *page) find(_ context.Context, n name) (row, error) {
	if r := p.rows[n.key]; r != nil {
		return *r, nil
	}
	return row{}, nil
}

func (p *page) rival(_ context.Context, r request) (bool, error) {
	return p.rivals[r.fingerprintPlace()], nil
}

func (p *page) earlier(_ context.Context, r request) (earlier, error) {
	return *p.counts[r.countPlace()], nil
}

func (p *page) spent(_ context.Context, r request) (settled, held int64, err error) {
	a := p.jobs[r.jobPlace()]
	return a.settled, a.held, nil
}

func (p *page) insert(_ context.Context, r request, as money.Reservation) error {
	p.inserted = append(p.inserted, insertion{r, as})
	p.rows[as.Key] = &row{
		name: name{key: as.Key}, tenant: string(r.Tenant), job: r.Job, workflow: r.Workflow, model: r.Model, begun: p.now, process: p.process,
		open: true, booked: money.Booking{MicroUSD: as.MicroUSD},
	}
	p.spendBudgets(*p.rows[as.Key], 0, as.MicroUSD)
	p.counts[r.countPlace()].made++
	if a := p.jobs[r.jobPlace()]; a != nil {
		a.held = min(a.held+as.MicroUSD, 1<<62)
	}
	return nil
}

func (p *page) take(_ context.Context, r row) error {
	p.rows[r.key].process = p.process
	p.taken = append(p.taken, r.key)
	return nil
}

func (p *page) settle(_ context.Context, r row, now money.Booking) error {
	more := r.difference(now)
	if more != 0 {
		p.spend[[3]string{r.tenant, r.job}] += more
		p.workflow[[3]string{r.tenant, r.job, r.workflow}] += more
	}
	if a := p.jobs[place(r.tenant, r.job)]; a != nil {
		a.settled += more
		if r.open {
			a.held -= r.booked.MicroUSD
		}
	}
	freed := int64(0)
	if r.open {
		freed = r.booked.MicroUSD
	}
	p.spendBudgets(r, more, -freed)
	one := p.rows[r.key]
	one.open, one.booked = false, now
	p.changed[r.key] = true
	return nil
}

func (p *page) gone(context.Context) (out []row, err error) {
	for _, r := range p.lost {
		if r.open {
			out = append(out, *r)
		}
	}
	return out, nil
}

func (p *page) beat(context.Context) error {
	p.seen = true
	return nil
}
