// Package costs sums up a ledger while others write to it: calls, amounts and outcomes, by
// tenant, model, day and more. The database adds up; no entry is loaded. It makes no entry
// and settles none.
package costs

import (
	"context"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/ledger"
	"github.com/cogniverse/cogflow/internal/ledger/schema"
	"github.com/cogniverse/cogflow/internal/postgres"
	"github.com/cogniverse/cogflow/money"
)

// Reader reads a ledger.
type Reader struct{ db readable }

// readable is a database as a Reader uses it.
type readable interface {
	now(ctx context.Context) (time.Time, error)
	costs(ctx context.Context, query string, args []any, take func(scan func(into ...any) error) error) error
	dialect() dialect
	close() error
}

// Open opens a ledger that exists: the path of a SQLite file, or the URL of a PostgreSQL
// database.
func Open(ctx context.Context, place string) (*Reader, error) {
	if postgres.Is(place) {
		db, err := postgres.OpenExisting(ctx, place, schema.Shared())
		if err != nil {
			return nil, err
		}
		return &Reader{&sharedReader{db}}, nil
	}
	if err := ledger.CheckFile(place); err != nil {
		return nil, err
	}
	db, err := openFileReader(ctx, place)
	if err != nil {
		return nil, err
	}
	return &Reader{db}, nil
}

// Close closes the ledger.
func (r *Reader) Close() error { return r.db.close() }

// Now is the time by the clock of the ledger.
func (r *Reader) Now(ctx context.Context) (time.Time, error) { return r.db.now(ctx) }

// Costs sums up entries in the database.
func (r *Reader) Costs(ctx context.Context, q money.CostQuery) (out money.Costs, err error) {
	for _, by := range q.By {
		if !slices.Contains(money.Dimensions(), by) {
			return out, fault.New(fault.Input, "sum up costs", string(by), "is not a dimension of costs")
		}
	}
	s := sums{dialect: r.db.dialect(), q: q}
	query := s.text()
	err = r.db.costs(ctx, query, s.args, func(scan func(into ...any) error) error {
		g := money.CostGroup{Values: make([]string, len(q.By))}
		var number int64
		var settled, failed, reserved, in, said, cached, reasoning, gpu float64
		into := []any{&number}
		for i := range g.Values {
			into = append(into, &g.Values[i])
		}
		into = append(into, &g.Calls, &g.Answered, &g.Refused, &g.Charged, &g.Lost, &g.Open, &g.Repeated, &settled, &failed, &reserved, &in, &said, &cached, &reasoning, &gpu)
		if err := scan(into...); err != nil {
			return err
		}
		g.SettledMicroUSD, g.FailedMicroUSD, g.ReservedMicroUSD = micro(settled), micro(failed), micro(reserved)
		g.Used = money.Used{InputTokens: micro(in), OutputTokens: micro(said), CachedTokens: micro(cached), ReasoningTokens: micro(reasoning), GPUMS: micro(gpu)}
		if number >= 0 {
			out.Total, out.Number = g.Cost, int(number)
			return nil
		}
		out.Groups = append(out.Groups, g)
		return nil
	})
	if len(q.By) == 0 {
		out.Number, out.Groups = 0, nil
	}
	return out, err
}

// dialect is how a database writes what the query needs.
type dialect struct {
	from    string // the entries, as c
	outcome string // of an entry
	before  string // condition: entry e is of the same fingerprint and earlier than c
	begun   string // column of the time at which a call began
	org     string // of the tenant
	day     string // of begun, as a value that can be sorted
	dayText func(day string) string
	float   func(sum string) string // without overflow; 0 for no rows
	arg     func(n int) string
	moment  func(t time.Time) any
}

// sums builds the query.
type sums struct {
	dialect
	q    money.CostQuery
	args []any
}

const (
	billed = "IN ('answered', 'charged', 'lost')"
	failed = "IN ('refused', 'charged', 'lost')"
)

// text is one statement, so that the total and the groups agree while others write. The row of
// the total begins with the number of groups, that of a group with -1.
func (s *sums) text() string {
	var names, values, shown, none []string
	order := []string{}
	for i, by := range s.q.By {
		name := "g" + strconv.Itoa(i)
		names, values, none = append(names, name), append(values, s.value(by)+" AS "+name), append(none, "''")
		if by == money.ByDay {
			shown, order = append(shown, s.dayText(name)), append(order, name+" DESC")
			continue
		}
		shown = append(shown, name)
	}
	order = append(append(order, "settled + reserved DESC", "calls DESC"), names...)
	counts := []string{"calls", "answered", "refused", "charged", "lost", "open", "repeated"}
	amounts := []string{"settled", "failed", "reserved", "used_input", "used_output", "used_cached", "used_reasoning", "used_gpu"}
	var totals []string
	for _, c := range counts {
		totals = append(totals, "CAST(coalesce(sum("+c+"), 0) AS bigint)")
	}
	for _, c := range amounts {
		totals = append(totals, s.float(c))
	}
	columns := slices.Concat(names, counts, amounts)
	most, group := int64(math.MaxInt64), ""
	if s.q.Limit > 0 {
		most = int64(s.q.Limit)
	}
	if len(names) > 0 {
		group = " GROUP BY " + list(names)
	}
	text := "WITH entry AS (" + s.entries() + "),\n" +
		"summed AS MATERIALIZED (SELECT " + list(append(values,
		"count(*) AS calls",
		"count(*) FILTER (WHERE outcome='answered') AS answered", "count(*) FILTER (WHERE outcome='refused') AS refused",
		"count(*) FILTER (WHERE outcome='charged') AS charged", "count(*) FILTER (WHERE outcome='lost') AS lost",
		"count(*) FILTER (WHERE outcome='') AS open", "count(*) FILTER (WHERE again) AS repeated",
		s.float("CASE WHEN outcome='' THEN 0 ELSE cost END")+" AS settled", s.float("CASE WHEN outcome "+failed+" THEN cost ELSE 0 END")+" AS failed",
		s.float("CASE WHEN outcome='' THEN cost ELSE 0 END")+" AS reserved",
		s.float("input_tokens")+" AS used_input", s.float("output_tokens")+" AS used_output", s.float("cached_tokens")+" AS used_cached",
		s.float("reasoning_tokens")+" AS used_reasoning", s.float("gpu_ms")+" AS used_gpu")) + " FROM entry" + group + ")\n" +
		"SELECT " + list(slices.Concat([]string{"count(*)"}, none, totals)) + " FROM summed"
	if len(names) > 0 {
		text += "\nUNION ALL SELECT * FROM (SELECT " + list(slices.Concat([]string{"-1"}, shown, counts, amounts)) +
			" FROM (SELECT " + list(columns) + " FROM summed) AS one ORDER BY " + list(order) +
			" LIMIT " + s.add(most) + ") AS chosen" // SQLite ignores an order without a limit here
	}
	return text
}

// entries selects the entries that count, with their outcome. Only an entry that is not the
// first of its fingerprint can be a repetition, so that few need to look for an earlier one.
func (s *sums) entries() string {
	where := []string{}
	for _, bound := range []struct {
		compare string
		at      time.Time
	}{{">=", s.q.Since}, {"<", s.q.Until}} {
		if !bound.at.IsZero() {
			where = append(where, s.begun+bound.compare+s.add(s.moment(bound.at)))
		}
	}
	if s.q.Tenant != "" {
		where = append(where, "tenant="+s.add(s.q.Tenant))
	}
	where = append(where, s.outcome+"<>'released'")
	return "SELECT tenant, job, workflow, kind, model, gpu, cost, input_tokens, output_tokens, cached_tokens, reasoning_tokens, gpu_ms, " + s.begun + ", " + s.outcome + " AS outcome,\n" +
		"attempt<>1 AND " + s.outcome + " " + billed + " AND EXISTS (SELECT 1 FROM " + strings.Replace(s.from, " c", " e", 1) +
		" WHERE e.tenant=c.tenant AND e.job=c.job AND e.fingerprint=c.fingerprint AND " + s.before + " AND " + s.outcome + " " + billed + ") AS again\n" +
		"FROM " + s.from + " WHERE " + strings.Join(where, " AND ")
}

func (s *sums) add(arg any) string {
	s.args = append(s.args, arg)
	return s.arg(len(s.args))
}

func (s *sums) value(by money.Dimension) string {
	switch by {
	case money.ByOrg:
		return s.org
	case money.ByDay:
		return s.day
	default:
		return string(by)
	}
}

func list(parts []string) string { return strings.Join(parts, ", ") }

// micro converts a sum of SQL to an amount without overflow.
func micro(sum float64) int64 { return int64(min(max(sum, 0), 1<<62)) }
