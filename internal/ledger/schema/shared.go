package schema

import "github.com/cogniverse/cogflow/internal/postgres"

// tables is version 1 of the schema in PostgreSQL. spend and spend_workflow keep the
// settled cost of jobs and workflows, so that a reservation need not add up their calls.
const tables = `
CREATE TABLE cogflow.call (
	key         text PRIMARY KEY,      -- of what is paid for
	tenant      text NOT NULL,
	job         text NOT NULL,
	workflow    text NOT NULL,
	kind        text NOT NULL,
	model       text NOT NULL,
	fingerprint text NOT NULL,
	attempt     integer NOT NULL,
	process     text NOT NULL,         -- that makes the call
	begun_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
	ended_at    timestamptz,           -- NULL: in flight, or lost with a worker
	outcome     text NOT NULL DEFAULT '', -- answered, refused, charged, lost or released; empty while in flight
	cost        bigint NOT NULL        -- micro-USD: reserved while open, then settled
);
CREATE INDEX call_fingerprint ON cogflow.call (tenant, fingerprint);
CREATE INDEX call_job ON cogflow.call (tenant, job);
CREATE INDEX call_open ON cogflow.call (tenant, job) INCLUDE (cost) WHERE ended_at IS NULL;
CREATE INDEX call_model ON cogflow.call (model, ended_at) WHERE outcome='answered';
-- Times at which processes were last seen. A process that lives has its calls in flight.
CREATE TABLE cogflow.process (
	id      text PRIMARY KEY,
	seen_at timestamptz NOT NULL
);
-- Ends of outages of this database. Nobody was seen during them.
CREATE TABLE cogflow.outage (
	ended_at timestamptz NOT NULL
);
CREATE TABLE cogflow.spend (
	tenant  text NOT NULL,
	job     text NOT NULL,
	settled bigint NOT NULL, -- micro-USD
	PRIMARY KEY (tenant, job)
);
CREATE TABLE cogflow.spend_workflow (
	tenant   text NOT NULL,
	job      text NOT NULL,
	workflow text NOT NULL,
	settled  bigint NOT NULL, -- micro-USD
	PRIMARY KEY (tenant, job, workflow)
);
`

// usedShared is the version that adds what a call used, where that is known.
const usedShared = `
ALTER TABLE cogflow.call
	ADD COLUMN input_tokens     bigint, -- NULL = not known
	ADD COLUMN output_tokens    bigint,
	ADD COLUMN cached_tokens    bigint, -- of the input
	ADD COLUMN reasoning_tokens bigint, -- of the output
	ADD COLUMN gpu              text NOT NULL DEFAULT '', -- class of the GPU that does the work; empty = not known
	ADD COLUMN gpu_ms           bigint; -- time of one GPU
CREATE INDEX call_begun ON cogflow.call (begun_at);
`

// Outage is the end of the last outage; NULL = there was none. The leases of processes begin
// again then.
const Outage = "(SELECT max(o.ended_at) FROM cogflow.outage o)"

// Shared is the schema of a ledger in PostgreSQL.
func Shared() postgres.Kind {
	return postgres.Kind{
		Name: "call ledger", Schema: "cogflow",
		Migrations: []postgres.Migration{
			{SQL: tables, Oldest: 1}, {SQL: budgetsShared, Oldest: 1}, {SQL: usedShared, Oldest: 1}, {SQL: alertsShared, Oldest: 1},
		},
	}
}
