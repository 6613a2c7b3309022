package costs

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/format"
	"github.com/cogniverse/cogflow/money"
)

// writeCSV writes the groups. Amounts have all digits of a micro-USD.
func writeCSV(out io.Writer, by []money.Dimension, c money.Costs) error {
	w := csv.NewWriter(out)
	var head []string
	for _, d := range by {
		head = append(head, string(d))
	}
	head = append(head, "calls", "answered", "refused", "charged", "lost", "open", "repeated", "settled_usd", "failed_usd", "reserved_usd",
		"input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens", "gpu_seconds")
	if err := w.Write(head); err != nil {
		return err
	}
	for _, g := range c.Groups {
		line := append([]string{}, g.Values...)
		for _, n := range []int64{g.Calls, g.Answered, g.Refused, g.Charged, g.Lost, g.Open, g.Repeated} {
			line = append(line, strconv.FormatInt(n, 10))
		}
		for _, n := range []int64{g.SettledMicroUSD, g.FailedMicroUSD, g.ReservedMicroUSD} {
			line = append(line, exact(n))
		}
		for _, n := range []int64{g.InputTokens, g.CachedTokens, g.OutputTokens, g.ReasoningTokens} {
			line = append(line, strconv.FormatInt(n, 10))
		}
		line = append(line, fmt.Sprintf("%d.%03d", g.GPUMS/1000, g.GPUMS%1000))
		if err := w.Write(line); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}

func exact(micro int64) string { return fmt.Sprintf("%d.%06d", micro/1_000_000, micro%1_000_000) }

// dollars has four decimals, so that the amounts of a column can be compared.
func dollars(micro int64) string {
	if micro > 0 && micro < 50 {
		return "<$0.0001"
	}
	return fmt.Sprintf("$%.4f", float64(micro)/1e6)
}

// table prints the groups and their total.
func (a app) table(q money.CostQuery, c money.Costs, now time.Time) {
	var columns []cli.Column
	for i, by := range q.By {
		columns = append(columns, cli.Column{Name: string(by), Flex: i == len(q.By)-1})
	}
	shown := numbers(c.Total)
	for _, n := range shown {
		columns = append(columns, cli.Column{Name: n.name, Right: true})
	}
	if c.Total.Calls == 0 {
		a.Say("No calls %s.", period(q, now))
		return
	}
	var rows [][]string
	for _, g := range c.Groups {
		rows = append(rows, cells(g.Values, shown, g.Cost))
	}
	total := cells(make([]string, len(q.By)), shown, c.Total)
	for i := range q.By {
		total[i] = ""
	}
	if len(q.By) > 0 {
		total[0] = "total"
	}
	rows = append(rows, total)
	a.Table(columns, rows)
	if left := c.Number - len(c.Groups); left > 0 {
		a.Say("%s not shown; --limit shows more. The total counts all.", format.Count(left, "row is", "rows are"))
	}
	a.Say("Calls %s.", period(q, now))
}

// number is a column of numbers.
type number struct {
	name string
	of   func(c money.Cost) string
}

// numbers are the columns. Tokens and GPU time are shown if there are any.
func numbers(total money.Cost) []number {
	count := func(of func(c money.Cost) int64) func(money.Cost) string {
		return func(c money.Cost) string { return strconv.FormatInt(of(c), 10) }
	}
	out := []number{
		{"calls", count(func(c money.Cost) int64 { return c.Calls })},
		{"failed", count(money.Cost.Failed)},
		{"repeated", count(func(c money.Cost) int64 { return c.Repeated })},
	}
	if total.InputTokens+total.OutputTokens > 0 {
		out = append(out, number{"input tokens", func(c money.Cost) string { return tokens(c.InputTokens) }})
	}
	if total.CachedTokens > 0 {
		out = append(out, number{"cached", func(c money.Cost) string { return tokens(c.CachedTokens) }})
	}
	if total.InputTokens+total.OutputTokens > 0 {
		out = append(out, number{"output tokens", func(c money.Cost) string { return tokens(c.OutputTokens) }})
	}
	if total.GPUMS > 0 {
		out = append(out, number{"GPU time", func(c money.Cost) string { return format.Seconds(float64(c.GPUMS) / 1000) }})
	}
	return append(out, number{"settled", func(c money.Cost) string { return dollars(c.SettledMicroUSD) }},
		number{"reserved", func(c money.Cost) string { return dollars(c.ReservedMicroUSD) }})
}

// tokens shortens a number; "-" = not known.
func tokens(n int64) string {
	switch {
	case n == 0:
		return "-"
	case n < 10_000:
		return strconv.FormatInt(n, 10)
	case n < 10_000_000:
		return fmt.Sprintf("%.1fk", float64(n)/1e3)
	default:
		return fmt.Sprintf("%.1fM", float64(n)/1e6)
	}
}

func cells(values []string, shown []number, c money.Cost) (line []string) {
	for _, v := range values {
		line = append(line, format.OrDash(v))
	}
	for _, n := range shown {
		line = append(line, n.of(c))
	}
	return line
}

// period describes what was selected.
func period(q money.CostQuery, now time.Time) string {
	const layout = "2006-01-02 15:04"
	from, to, whose := "from the first one", now.UTC().Format(layout), "of all tenants"
	if !q.Since.IsZero() {
		from = "from " + q.Since.UTC().Format(layout)
	}
	if !q.Until.IsZero() {
		to = q.Until.UTC().Format(layout)
	}
	if q.Tenant != "" {
		whose = "of tenant " + q.Tenant
	}
	return whose + " that began " + from + " to " + to + " UTC"
}
