package schema

// Budgets are rows, and the sums of what was settled in each period are kept by triggers of the
// database. So they are right whatever build writes, a new budget counts what was spent before
// it, and a reservation need not add up calls. What open entries reserve is not kept: it is
// the sum of the open entries, so nothing is left over when a process is killed.

// budgetsInFile is the second addition of the file. In STRICT tables a trigger could refuse a
// row of an earlier build: so a time that is no date counts in the total alone.
const budgetsInFile = `
CREATE TABLE budget (
	org    TEXT NOT NULL, -- empty = any
	tenant TEXT NOT NULL, -- empty = any
	model  TEXT NOT NULL, -- empty = any
	period TEXT NOT NULL, -- see money.Period
	soft   INTEGER NOT NULL,
	amount INTEGER NOT NULL, -- micro-USD
	PRIMARY KEY (org, tenant, model, period, soft)
) STRICT, WITHOUT ROWID;
CREATE TABLE spend_period (
	period  TEXT NOT NULL, -- the day, the month or 'total' in which entries were reserved; UTC
	tenant  TEXT NOT NULL,
	model   TEXT NOT NULL,
	org     TEXT NOT NULL,
	settled INTEGER NOT NULL, -- micro-USD
	PRIMARY KEY (period, tenant, model)
) STRICT, WITHOUT ROWID;
CREATE INDEX spend_period_org ON spend_period (period, org, model, settled);
CREATE INDEX spend_period_model ON spend_period (period, model, settled);
CREATE INDEX call_reserved ON call (begun_ms, tenant, model, cost) WHERE ended_ms IS NULL;
INSERT INTO spend_period (period, tenant, model, org, settled)
	SELECT CASE n.column1 WHEN 'day' THEN coalesce(date(begun_ms/1000, 'unixepoch'), '')
			WHEN 'month' THEN coalesce(strftime('%Y-%m', begun_ms/1000, 'unixepoch'), '') ELSE 'total' END,
		tenant, model, substr(tenant, 1, instr(tenant || ':', ':') - 1), cast(min(total(cost), 1<<62) AS INTEGER)
	FROM call, (VALUES ('day'), ('month'), ('total')) AS n WHERE ended_ms IS NOT NULL AND cost<>0 GROUP BY 1, 2, 3;
CREATE TRIGGER call_settled AFTER UPDATE OF ended_ms, cost ON call
	WHEN NEW.ended_ms IS NOT NULL AND NEW.cost <> iif(OLD.ended_ms IS NULL, 0, OLD.cost)
BEGIN
	INSERT INTO spend_period (period, tenant, model, org, settled)
		SELECT n.column1, NEW.tenant, NEW.model, substr(NEW.tenant, 1, instr(NEW.tenant || ':', ':') - 1),
			NEW.cost - iif(OLD.ended_ms IS NULL, 0, OLD.cost)
		FROM (VALUES (coalesce(date(NEW.begun_ms/1000, 'unixepoch'), '')), (coalesce(strftime('%Y-%m', NEW.begun_ms/1000, 'unixepoch'), '')), ('total')) AS n
		WHERE true
		ON CONFLICT DO UPDATE SET settled=min(settled+excluded.settled, 1<<62);
END;
`

// budgetsShared is version 2 of the schema in PostgreSQL. The trigger runs once for each
// statement and adds in one order, so that transactions of several hosts do not wait in a
// circle.
const budgetsShared = `
CREATE TABLE cogflow.budget (
	org    text NOT NULL,   -- empty = any
	tenant text NOT NULL,   -- empty = any
	model  text NOT NULL,   -- empty = any
	period text NOT NULL,   -- see money.Period
	soft   boolean NOT NULL,
	amount bigint NOT NULL, -- micro-USD
	PRIMARY KEY (org, tenant, model, period, soft)
);
CREATE TABLE cogflow.spend_period (
	period  text NOT NULL,   -- the day, the month or 'total' in which entries were reserved; UTC
	tenant  text NOT NULL,
	model   text NOT NULL,
	org     text NOT NULL,
	settled bigint NOT NULL, -- micro-USD
	PRIMARY KEY (period, tenant, model)
);
CREATE INDEX spend_period_org ON cogflow.spend_period (period, org, model);
CREATE INDEX spend_period_model ON cogflow.spend_period (period, model);
CREATE INDEX call_reserved ON cogflow.call (begun_at) INCLUDE (tenant, model, cost) WHERE ended_at IS NULL;
CREATE FUNCTION cogflow.add_settled() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO cogflow.spend_period (period, tenant, model, org, settled)
		SELECT p.period, d.tenant, d.model, split_part(d.tenant, ':', 1), sum(d.more)::bigint
		FROM (SELECT n.tenant, n.model, n.begun_at AT TIME ZONE 'UTC' AS begun, n.cost - CASE WHEN o.ended_at IS NULL THEN 0 ELSE o.cost END AS more
				FROM new_rows n JOIN old_rows o ON o.key = n.key WHERE n.ended_at IS NOT NULL) AS d,
			LATERAL (VALUES (to_char(d.begun, 'YYYY-MM-DD')), (to_char(d.begun, 'YYYY-MM')), ('total')) AS p (period)
		WHERE d.more <> 0 GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
		ON CONFLICT (period, tenant, model) DO UPDATE SET settled=least(spend_period.settled+excluded.settled, 4611686018427387904);
	RETURN NULL;
END $$;
CREATE TRIGGER call_settled AFTER UPDATE ON cogflow.call REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
	FOR EACH STATEMENT EXECUTE FUNCTION cogflow.add_settled();
INSERT INTO cogflow.spend_period (period, tenant, model, org, settled)
	SELECT p.period, tenant, model, split_part(tenant, ':', 1), least(sum(cost), 4611686018427387904)::bigint
	FROM (SELECT *, begun_at AT TIME ZONE 'UTC' AS begun FROM cogflow.call WHERE ended_at IS NOT NULL AND cost<>0) AS c,
		LATERAL (VALUES (to_char(begun, 'YYYY-MM-DD')), (to_char(begun, 'YYYY-MM')), ('total')) AS p (period)
	GROUP BY 1, 2, 3;
`
