// Package costs renders the page of what was spent: by day, and by the dimensions of a query.
// It renders its input and does not access the ledger or the reports of other features.
package costs

import (
	_ "embed"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/internal/report"
	"github.com/cogniverse/cogflow/money"
)

// Page is a query, its answer, and the costs by day and kind in the same period.
type Page struct {
	Query   money.CostQuery
	Costs   money.Costs
	Days    []money.CostGroup // by day and kind, in any order
	Now     time.Time         // by the clock of the ledger
	Version string            // of cogflow
}

//go:embed costs.gohtml
var pageText string

//go:embed costs.css
var pageStyle string

// page is the data of the template. Every string in it is already cleaned.
type page struct {
	report.Head
	Tiles []report.Tile
	Days  *days
	Bars  *bars
	By    []string
	Names []string
	Rows  []row
	Total row
	Left  string // rows that are not shown; empty = none
}

type row struct {
	Names []string
	Cells []string
}

// columns are the names of the cells.
func columns() []string {
	return []string{"calls", "failed", "repeated", "input tokens", "cached", "output tokens", "GPU time", "settled", "reserved"}
}

// Render writes p as a complete HTML document. Texts in p may be malicious. Errors of w are
// returned as report.Write returns them.
func Render(w io.Writer, p Page) error {
	return report.Write(w, "costs", pageText, "costs", newPage(p))
}

func newPage(p Page) page {
	total := p.Costs.Total
	from, to := "the first call", report.Moment(p.Now)
	if !p.Query.Since.IsZero() {
		from = report.Moment(p.Query.Since)
	}
	if !p.Query.Until.IsZero() {
		to = report.Moment(p.Query.Until)
	}
	facts := report.Known([]report.Pair{
		{Name: "Calls that began from", Value: from},
		{Name: "to", Value: to},
		{Name: "Tenant", Value: tenant(p.Query.Tenant)},
		{Name: "Made", Value: report.Moment(p.Now)},
		{Name: "cogflow version", Value: report.Clean(p.Version, report.MaxName)},
	})
	head := report.NewHead("cost report", "Costs", []report.Badge{{Tone: "calm", Text: report.USD(usd(total.SettledMicroUSD)) + " settled"}}, report.About{}, report.CurveStyle, pageStyle)
	head.Facts = facts
	out := page{
		Head: head, Tiles: tiles(total), Days: newDays(p.Days), Bars: newBars(p.Costs),
		Names: columns(), Total: row{Cells: cells(total)},
	}
	for _, by := range p.Query.By {
		out.By = append(out.By, string(by))
	}
	for _, g := range p.Costs.Groups {
		out.Rows = append(out.Rows, row{names(g.Values), cells(g.Cost)})
	}
	if left := p.Costs.Number - len(p.Costs.Groups); left > 0 {
		out.Left = report.Plural(left, "row")
	}
	return out
}

func tenant(id string) string {
	if id == "" {
		return "all"
	}
	return report.Clean(id, report.MaxName)
}

func usd(micro int64) float64 { return float64(micro) / 1e6 }

func tiles(c money.Cost) []report.Tile {
	failed := report.Tile{Value: count(c.Failed()), Label: "failed calls", Note: report.USD(usd(c.FailedMicroUSD))}
	if c.Failed() == 0 {
		failed.Note = ""
	}
	return []report.Tile{
		{Value: report.USD(usd(c.SettledMicroUSD)), Label: "settled"},
		{Value: report.USD(usd(c.ReservedMicroUSD)), Label: "reserved", Note: "by " + report.Plural(int(c.Open), "call") + " in flight"},
		{Value: count(c.Calls), Label: "calls"},
		failed,
		{Value: count(c.Repeated), Label: "repeated calls"},
		tokensTile(c),
		{Value: span(c.GPUMS), Label: "GPU time"},
	}
}

func tokensTile(c money.Cost) report.Tile {
	t := report.Tile{Value: tokens(c.InputTokens + c.OutputTokens), Label: "tokens"}
	if c.CachedTokens > 0 {
		t.Note = tokens(c.CachedTokens) + " cached"
	}
	return t
}

// tokens shortens a number. 0 = not known.
func tokens(n int64) string {
	switch {
	case n <= 0:
		return report.Absent
	case n < 100_000:
		return count(n)
	case n < 100_000_000:
		return strconv.FormatFloat(float64(n)/1e6, 'f', 2, 64) + " M"
	}
	return count(n/1e6) + " M"
}

func span(ms int64) string {
	if ms <= 0 {
		return report.Absent
	}
	return report.Span(ms)
}

func count(n int64) string { return report.Commas(strconv.FormatInt(n, 10)) }

func names(values []string) (out []string) {
	for _, v := range values {
		if v = report.Clean(v, report.MaxName); v == "" {
			v = report.Absent
		}
		out = append(out, v)
	}
	return out
}

// name joins the values of a group.
func name(values []string) string { return strings.Join(names(values), " · ") }

func cells(c money.Cost) []string {
	return []string{
		count(c.Calls), count(c.Failed()), count(c.Repeated), tokens(c.InputTokens), tokens(c.CachedTokens), tokens(c.OutputTokens), span(c.GPUMS),
		report.USD(usd(c.SettledMicroUSD)), report.USD(usd(c.ReservedMicroUSD)),
	}
}
