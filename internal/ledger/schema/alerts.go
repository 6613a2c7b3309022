package schema

// Alerts of budgets, and when budgets were last checked for them.

const alertsInFile = `
CREATE TABLE alert (
	id       TEXT PRIMARY KEY, -- see money.Alert
	org      TEXT NOT NULL,
	tenant   TEXT NOT NULL,
	model    TEXT NOT NULL,
	period   TEXT NOT NULL,
	soft     INTEGER NOT NULL,
	amount   INTEGER NOT NULL, -- micro-USD
	name     TEXT NOT NULL,    -- of the period
	percent  INTEGER NOT NULL,
	spent    INTEGER NOT NULL, -- micro-USD
	made_ms  INTEGER NOT NULL, -- Unix time
	due_ms   INTEGER NOT NULL, -- of the next attempt
	attempts INTEGER NOT NULL DEFAULT 0,
	told     TEXT NOT NULL DEFAULT '', -- receivers that have it, separated by spaces
	ended_ms INTEGER           -- NULL: a receiver lacks it
) STRICT, WITHOUT ROWID;
CREATE INDEX alert_due ON alert (due_ms) WHERE ended_ms IS NULL;
CREATE TABLE budget_check (
	one        INTEGER PRIMARY KEY CHECK (one=1),
	checked_ms INTEGER NOT NULL -- no row: nobody is told of alerts
) STRICT;
`

const alertsShared = `
CREATE TABLE cogflow.alert (
	id       text PRIMARY KEY, -- see money.Alert
	org      text NOT NULL,
	tenant   text NOT NULL,
	model    text NOT NULL,
	period   text NOT NULL,
	soft     boolean NOT NULL,
	amount   bigint NOT NULL, -- micro-USD
	name     text NOT NULL,   -- of the period
	percent  integer NOT NULL,
	spent    bigint NOT NULL, -- micro-USD
	made_at  timestamptz NOT NULL,
	due_at   timestamptz NOT NULL, -- of the next attempt
	attempts integer NOT NULL DEFAULT 0,
	told     text NOT NULL DEFAULT '', -- receivers that have it, separated by spaces
	ended_at timestamptz -- NULL: a receiver lacks it
);
CREATE INDEX alert_due ON cogflow.alert (due_at) WHERE ended_at IS NULL;
CREATE TABLE cogflow.budget_check (
	one        boolean PRIMARY KEY CHECK (one),
	checked_at timestamptz NOT NULL -- no row: nobody is told of alerts
);
`
