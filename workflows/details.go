package workflows

import (
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/safetext"
)

// Attributes are what a run is found by in the Web UI and with `list`.
func Attributes(kind string, c Common, profile string) temporal.SearchAttributes {
	values := []temporal.SearchAttributeUpdate{
		temporal.NewSearchAttributeKeyKeyword(AttrKind).ValueSet(kind),
		temporal.NewSearchAttributeKeyKeyword(AttrTenant).ValueSet(c.Tenant),
	}
	if profile != "" {
		values = append(values, temporal.NewSearchAttributeKeyKeyword(AttrProfile).ValueSet(profile))
	}
	return temporal.NewSearchAttributes(values...)
}

// SetAttributes sets them from inside, for runs that were started without.
func SetAttributes(ctx workflow.Context, kind string, c Common, profile string) error {
	found := workflow.GetTypedSearchAttributes(ctx)
	key := temporal.NewSearchAttributeKeyKeyword(AttrProfile)
	if value, ok := found.GetKeyword(key); ok && value == profile {
		return nil
	}
	values := []temporal.SearchAttributeUpdate{
		temporal.NewSearchAttributeKeyKeyword(AttrKind).ValueSet(kind),
		temporal.NewSearchAttributeKeyKeyword(AttrTenant).ValueSet(c.Tenant),
	}
	if profile != "" {
		values = append(values, key.ValueSet(profile))
	}
	return workflow.UpsertTypedSearchAttributes(ctx, values...)
}

// SetStage writes where a run stands, for the Web UI and for `list`.
func SetStage(ctx workflow.Context, stage string, failed int, costUSD float64) error {
	return workflow.UpsertTypedSearchAttributes(ctx,
		temporal.NewSearchAttributeKeyKeyword(AttrStage).ValueSet(stage),
		temporal.NewSearchAttributeKeyInt64(AttrFailed).ValueSet(int64(failed)),
		temporal.NewSearchAttributeKeyFloat64(AttrCost).ValueSet(costUSD))
}

// Table renders Markdown for the current details.
func Table(head []string, rows [][]string) string {
	var b strings.Builder
	line := func(cells []string) {
		for i, c := range cells {
			cells[i] = Cell(c)
		}
		b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
	}
	line(head)
	b.WriteString(strings.Repeat("|---", len(head)) + "|\n")
	for _, row := range rows {
		line(row)
	}
	return b.String()
}

// Cell keeps hostile names from breaking out of a table.
func Cell(s string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("|`<>[]*\\", r) {
			return '·'
		}
		return r
	}, safetext.Line(s, safetext.MaxReason))
}

// IgnoredNote tells people of a signal that changed nothing.
func IgnoredNote(ignored string) string {
	if ignored == "" {
		return ""
	}
	return "\nAn invalid signal was ignored: " + Cell(ignored) + "\n"
}

// Bar draws how far a count has come.
func Bar(done, of int) string {
	const width = 10
	if of <= 0 {
		return ""
	}
	// In floating point: a product of counts may overflow.
	full := int(width * (float64(min(max(done, 0), of)) / float64(of)))
	return strings.Repeat("█", full) + strings.Repeat("░", width-full)
}

// Count is how far a count has come, in words.
func Count(done, of int) string {
	if of <= 0 {
		return fmt.Sprint(done)
	}
	return fmt.Sprintf("%d of %d", done, of)
}

// Clock renders a duration as people say it.
func Clock(d time.Duration) string { return d.Round(time.Second).String() }

// USD is an amount as people and inputs say it.
func USD(micro int64) float64 { return float64(micro) / 1e6 }

// MicroUSD is a limit of an input in millionths of a USD.
func MicroUSD(usd float64) int64 { return money.Limit(usd) }
