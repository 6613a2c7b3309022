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

// Attributes are the search attributes of a run, for the Web UI and `list`.
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

// SetAttributes sets them from inside the workflow, for runs that were started without, or
// with those of another tenant or kind.
func SetAttributes(ctx workflow.Context, kind string, c Common, profile string) error {
	found := workflow.GetTypedSearchAttributes(ctx)
	set := func(name, want string) bool {
		value, ok := found.GetKeyword(temporal.NewSearchAttributeKeyKeyword(name))
		return ok && value == want
	}
	if set(AttrProfile, profile) {
		if set(AttrKind, kind) && set(AttrTenant, c.Tenant) ||
			workflow.GetVersion(ctx, "all-attributes-set", workflow.DefaultVersion, 1) == workflow.DefaultVersion {
			return nil // a former build looked at the profile alone
		}
	}
	values := []temporal.SearchAttributeUpdate{
		temporal.NewSearchAttributeKeyKeyword(AttrKind).ValueSet(kind),
		temporal.NewSearchAttributeKeyKeyword(AttrTenant).ValueSet(c.Tenant),
	}
	if profile != "" {
		values = append(values, temporal.NewSearchAttributeKeyKeyword(AttrProfile).ValueSet(profile))
	}
	return workflow.UpsertTypedSearchAttributes(ctx, values...)
}

// StageDryRun is the stage of a dry run from its start to its end, which tells it from a job.
const StageDryRun = "dry_run"

// SetStage sets the search attributes that say how far a run is, for the Web UI and `list`.
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

// Cell escapes a name of others, so that it cannot break out of a table.
func Cell(s string) string {
	return strings.Map(func(r rune) rune {
		if strings.ContainsRune("|`<>[]*\\", r) {
			return '·'
		}
		return r
	}, safetext.Line(s, safetext.MaxReason))
}

// IgnoredNote describes a signal that was ignored.
func IgnoredNote(ignored string) string {
	if ignored == "" {
		return ""
	}
	return "\nAn invalid signal was ignored: " + Cell(ignored) + "\n"
}

// Bar draws a progress bar.
func Bar(done, of int) string {
	const width = 10
	if of <= 0 {
		return ""
	}
	// In floating point: a product of counts may overflow.
	full := int(width * (float64(min(max(done, 0), of)) / float64(of)))
	return strings.Repeat("█", full) + strings.Repeat("░", width-full)
}

// Count renders progress as text.
func Count(done, of int) string {
	if of <= 0 {
		return fmt.Sprint(done)
	}
	return fmt.Sprintf("%d of %d", done, of)
}

// Clock renders a duration, rounded to seconds.
func Clock(d time.Duration) string { return d.Round(time.Second).String() }

// USD converts micro-USD to USD, for people and inputs.
func USD(micro int64) float64 { return float64(micro) / 1e6 }

// MicroUSD converts a limit of an input to micro-USD.
func MicroUSD(usd float64) int64 { return money.Limit(usd) }
