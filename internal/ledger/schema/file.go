// Package schema has the tables of the ledger, in a file and in PostgreSQL, with their migrations.
package schema

import "github.com/cogniverse/cogflow/internal/dbfile"

// calls is version 1. spend keeps the settled cost of each job, so that Begin
// need not add up its calls.
const calls = `
CREATE TABLE call (
	id          INTEGER PRIMARY KEY AUTOINCREMENT,
	tenant      TEXT NOT NULL,
	job         TEXT NOT NULL,
	workflow    TEXT NOT NULL,
	kind        TEXT NOT NULL,
	model       TEXT NOT NULL,
	fingerprint TEXT NOT NULL,
	begun_ms    INTEGER NOT NULL, -- Unix time
	ended_ms    INTEGER,          -- NULL: in flight, or lost with a worker
	answered    INTEGER NOT NULL DEFAULT 0,
	cost        INTEGER NOT NULL  -- micro-USD: reserved while open, then settled
) STRICT;
CREATE INDEX call_job ON call (tenant, job, fingerprint, ended_ms, answered, cost);
CREATE INDEX call_open ON call (tenant, job, begun_ms, cost) WHERE ended_ms IS NULL;
CREATE INDEX call_model ON call (model) WHERE answered;
CREATE TABLE spend (
	tenant  TEXT NOT NULL,
	job     TEXT NOT NULL,
	settled INTEGER NOT NULL, -- micro-USD
	PRIMARY KEY (tenant, job)
) STRICT, WITHOUT ROWID;
`

// owners is the step to version 2: the process that makes a call, and when each
// was last known to live. While a process lives its open calls are in flight,
// so that no other process makes them as well.
const owners = `
ALTER TABLE call ADD COLUMN process TEXT NOT NULL DEFAULT '';
CREATE INDEX call_fingerprint ON call (tenant, fingerprint);
CREATE TABLE process (
	id      TEXT PRIMARY KEY,
	seen_ms INTEGER NOT NULL -- Unix time
) STRICT, WITHOUT ROWID;
`

// keys is the first addition: what an entry is paid for, how it ended, and what
// each workflow of a job has spent. A build without it writes rows without a key.
const keys = `
ALTER TABLE call ADD COLUMN key TEXT; -- of what is paid for; NULL: written by a build without keys
ALTER TABLE call ADD COLUMN attempt INTEGER NOT NULL DEFAULT 0;
ALTER TABLE call ADD COLUMN outcome TEXT NOT NULL DEFAULT ''; -- see money.Outcome
CREATE UNIQUE INDEX call_key ON call (key) WHERE key IS NOT NULL;
CREATE TABLE spend_workflow (
	tenant   TEXT NOT NULL,
	job      TEXT NOT NULL,
	workflow TEXT NOT NULL,
	settled  INTEGER NOT NULL, -- micro-USD
	PRIMARY KEY (tenant, job, workflow)
) STRICT, WITHOUT ROWID;
`

// used is an addition: what a call used, where that is known.
const used = `
ALTER TABLE call ADD COLUMN input_tokens INTEGER;     -- NULL = not known
ALTER TABLE call ADD COLUMN output_tokens INTEGER;
ALTER TABLE call ADD COLUMN cached_tokens INTEGER;    -- of the input
ALTER TABLE call ADD COLUMN reasoning_tokens INTEGER; -- of the output
ALTER TABLE call ADD COLUMN gpu TEXT NOT NULL DEFAULT ''; -- class of the GPU that does the work; empty = not known
ALTER TABLE call ADD COLUMN gpu_ms INTEGER;           -- time of one GPU
CREATE INDEX call_begun ON call (begun_ms);
`

// File is the schema of a ledger in a file.
func File() dbfile.Kind {
	return dbfile.Kind{
		Name:          "call ledger",
		ApplicationID: 0x434f474c, // "COGL"
		Migrations:    []string{calls, owners},
		Additions:     []string{keys, budgetsInFile, used, alertsInFile},
		Quick:         true,
	}
}

// EndedInFile is the outcome of an entry in a file, as an expression of SQL. Builds before the
// column outcome left it empty.
const EndedInFile = `CASE WHEN outcome<>'' OR ended_ms IS NULL THEN outcome
	WHEN answered THEN 'answered' WHEN cost>0 THEN 'charged' ELSE 'refused' END`
