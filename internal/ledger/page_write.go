package ledger

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"
)

// write writes and commits, in one round trip.
func (p *page) write(ctx context.Context, c *pgx.Conn) error {
	b := &pgx.Batch{}
	p.queueInserts(b)
	if len(p.taken) > 0 {
		b.Queue("UPDATE cogflow.call SET process=$2 WHERE key = ANY($1)", p.taken, p.process)
	}
	p.queueSettlements(b)
	if p.seen {
		b.Queue(`INSERT INTO cogflow.process (id, seen_at) VALUES ($1, clock_timestamp())
			ON CONFLICT (id) DO UPDATE SET seen_at=excluded.seen_at`, p.process)
	}
	for _, a := range p.alerts {
		b.Queue(addAlertShared, alertArgs(a)...)
	}
	end := "COMMIT"
	if b.Len() == 0 {
		end = "ROLLBACK"
	}
	b.Queue(end)
	if err := c.SendBatch(ctx, b).Close(); err != nil {
		return err
	}
	if c.PgConn().TxStatus() != 'I' {
		return errors.New("the transaction did not end")
	}
	return nil
}

func (p *page) queueInserts(b *pgx.Batch) {
	if len(p.inserted) == 0 {
		return
	}
	var keys, tenants, jobs, workflows, kinds, models, fingerprints, gpus []string
	var attempts []int
	var costs []int64
	for _, i := range p.inserted {
		keys, tenants, jobs = append(keys, i.as.Key), append(tenants, string(i.Tenant)), append(jobs, i.Job)
		workflows, kinds, models = append(workflows, i.Workflow), append(kinds, i.Kind), append(models, i.Model)
		fingerprints, attempts, costs = append(fingerprints, string(i.Fingerprint)), append(attempts, i.as.Attempt), append(costs, i.as.MicroUSD)
		gpus = append(gpus, i.GPU)
	}
	b.Queue(`INSERT INTO cogflow.call (key, tenant, job, workflow, kind, model, fingerprint, attempt, cost, gpu, process, begun_at)
		SELECT *, $11, $12::timestamptz FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[], $8::integer[], $9::bigint[], $10::text[])`,
		keys, tenants, jobs, workflows, kinds, models, fingerprints, attempts, costs, gpus, p.process, p.now)
}

func (p *page) queueSettlements(b *pgx.Batch) {
	if len(p.changed) == 0 {
		return
	}
	keys := slices.Sorted(maps.Keys(p.changed))
	var outcomes []string
	var costs, in, out, cached, reasoning, gpu []int64
	for _, key := range keys {
		booked, u := p.rows[key].booked, p.rows[key].booked.Used
		outcomes, costs = append(outcomes, string(booked.Outcome)), append(costs, booked.MicroUSD)
		in, out, cached = append(in, u.InputTokens), append(out, u.OutputTokens), append(cached, u.CachedTokens)
		reasoning, gpu = append(reasoning, u.ReasoningTokens), append(gpu, u.GPUMS)
	}
	b.Queue(`UPDATE cogflow.call c SET ended_at=clock_timestamp(), outcome=n.outcome, cost=n.cost, input_tokens=nullif(n.input, 0),
		output_tokens=nullif(n.output, 0), cached_tokens=nullif(n.cached, 0), reasoning_tokens=nullif(n.reasoning, 0), gpu_ms=nullif(n.gpu, 0)
		FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[])
			AS n(key, outcome, cost, input, output, cached, reasoning, gpu) WHERE c.key = n.key`,
		keys, outcomes, costs, in, out, cached, reasoning, gpu)
	tenants, jobs, _, sums := sorted(p.spend)
	if len(sums) == 0 {
		return
	}
	b.Queue(`INSERT INTO cogflow.spend (tenant, job, settled) SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[])
		ON CONFLICT (tenant, job) DO UPDATE SET settled=least(spend.settled+excluded.settled, 4611686018427387904)`, tenants, jobs, sums)
	tenants, jobs, workflows, sums := sorted(p.workflow)
	b.Queue(`INSERT INTO cogflow.spend_workflow (tenant, job, workflow, settled) SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[])
		ON CONFLICT (tenant, job, workflow) DO UPDATE SET settled=least(spend_workflow.settled+excluded.settled, 4611686018427387904)`,
		tenants, jobs, workflows, sums)
}

// sorted lists sums by their places: transactions that add to several rows lock them in one
// order.
func sorted(sums map[[3]string]int64) (tenants, jobs, workflows []string, micro []int64) {
	for _, at := range slices.SortedFunc(maps.Keys(sums), func(a, b [3]string) int { return slices.Compare(a[:], b[:]) }) {
		tenants, jobs, workflows = append(tenants, at[0]), append(jobs, at[1]), append(workflows, at[2])
		micro = append(micro, sums[at])
	}
	return tenants, jobs, workflows, micro
}
