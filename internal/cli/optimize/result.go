package optimize

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"

	"github.com/cogniverse/cogflow/activities/optimize"
	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/format"
	"github.com/cogniverse/cogflow/safetext"
	optimizeflow "github.com/cogniverse/cogflow/workflows/optimize"
)

func (a app) printOptimize(id string, r optimizeflow.Result) {
	if r.Plan != nil {
		a.printQuote(r)
		return
	}
	if r.Version == 0 {
		a.Say("%s: the optimization was stopped before the first trial, so nothing was published.", r.Program)
		a.Say("%s, %s", format.Count(r.Calls, "call", "calls"), format.Dollars(r.CostUSD))
		a.PrintUnusable(r.Warnings, r.Unusable)
		return
	}
	a.Say("%s: %s", cli.Ref(r.Program, r.Version), status(r))
	switch v := r.Verdict; {
	case v.Examples > 0 && v.Gain != nil:
		a.Say("Gain: %s (95 %% confidence), estimate %s, on %s that the search never saw", format.Interval(100*v.Gain.Low, 100*v.Gain.High),
			format.Points(100*v.Gain.Estimate), format.Count(v.Examples, "row", "rows"))
		a.Say("Mean scores of these rows, not corrected: %s before, %s now", format.Percent(100*v.Before), format.Percent(100*v.After))
	case v.Examples > 0: // a verdict of an earlier release, without an interval
		a.Say("Mean scores of %s that the search never saw, not corrected: %s before, %s now",
			format.Count(v.Examples, "row", "rows"), format.Percent(100*v.Before), format.Percent(100*v.After))
	case r.Kept:
		a.Say("The search found nothing better than the default program, so there was nothing to confirm.")
	case r.Status == "stopped":
		a.Say("The result was not confirmed on rows that the search never saw: the job was stopped while it waited for budget.")
		a.sayOptimistic(r)
	default:
		a.Say("No rows were left for the confirmation: set --testset, or provide at least ten examples.")
		a.sayOptimistic(r)
	}
	a.Say("%s, %s (%d repeated), %s", format.Count(r.Trials, "trial", "trials"), format.Count(r.Calls, "call", "calls"), r.Repeated, format.Dollars(r.CostUSD))
	at := cli.Ref(r.Program, r.Version)
	switch {
	case r.Promoted:
		a.Say("It is the active version. Export it: cogflow programs export %s", at)
	case r.Kept:
		a.Say("This version is the default program. More trials, more examples or another proposer may find a better one.")
	case r.Verdict.Promote:
		a.Say("It was not promoted. Promote it: cogflow programs promote %s", at)
	default:
		a.Say("It was published, but not shown to be better: cogflow programs promote %s --force promotes it anyway.", at)
	}
	a.PrintUnusable(r.Warnings, r.Unusable)
	if r.Report != "" {
		a.Say("Report: cogflow report %s", id)
	}
}

// sayOptimistic prints the score of a program that was not confirmed.
func (a app) sayOptimistic(r optimizeflow.Result) {
	a.Say("Its score, %s, is the search's own, by which it was chosen: it is optimistic.", format.Percent(r.Score))
}

func status(r optimizeflow.Result) string {
	text := r.Status
	switch r.Status {
	case "unchanged":
		text = "unchanged, optimized before"
	case "stopped":
		text = "stopped, the best so far is kept"
	}
	switch {
	case r.Promoted:
		return text + ", better than the default, promoted"
	case r.Verdict.Promote:
		return text + ", better than the default, not promoted"
	case r.Kept:
		return text + ", nothing better found"
	case r.Verdict.Examples == 0:
		return text + ", not confirmed"
	default:
		return text + ", not better than the default"
	}
}

// printQuote prints the result of a dry run: the maximum number of calls of each model, and
// their cost.
func (a app) printQuote(r optimizeflow.Result) {
	p := r.Plan
	a.Say("Dry run of %s, job %s: %s, %s", p.Name, r.Job, format.Count(p.Predictors, "predictor", "predictors"), format.Count(p.Trials, "trial", "trials"))
	a.Say("Rows: %s for demos, %s for scores, %s for the confirmation", humanize.Comma(int64(p.Train)), humanize.Comma(int64(p.Val)), humanize.Comma(int64(p.Confirm)))
	if p.Confirm == 0 {
		a.Say("No rows are left for the confirmation, so no program can be promoted: set --testset, or provide at least ten examples.")
	}
	a.Say("")
	q := p.Quote
	rows := [][]string{
		{"student", p.Models.Student, humanize.Comma(int64(q.Student))},
		{"proposer", p.Models.Proposer, humanize.Comma(int64(q.Proposer))},
	}
	if p.Models.Teacher != "" { // mode gepa has no teacher
		rows = slices.Insert(rows, 1, []string{"teacher", p.Models.Teacher, humanize.Comma(int64(q.Teacher))})
	}
	if q.Judge > 0 {
		rows = append(rows, []string{"judge", p.Models.Judge, humanize.Comma(int64(q.Judge))})
	}
	rows = append(rows, []string{"all", "", humanize.Comma(int64(q.Student + q.Teacher + q.Proposer + q.Judge))})
	a.Table([]cli.Column{{Name: "role"}, {Name: "model"}, {Name: "maximum calls", Right: true}}, rows)
	a.Say("")
	a.Say("Tokens: at most about %s in prompts, %s in answers", humanize.Comma(p.TokensIn), humanize.Comma(p.TokensOut))
	switch {
	case !p.Priced && p.CostUSD > 0 && len(p.Unpriced) > 0:
		a.Say("Cost: at most about %s, without %s, which has no price (input_usd_per_mtok and output_usd_per_mtok of its endpoint).",
			format.Dollars(p.CostUSD), safetext.Clean(strings.Join(p.Unpriced, ", ")))
	case !p.Priced:
		a.Say("Cost: unknown, a model has no price (input_usd_per_mtok and output_usd_per_mtok of its endpoint).")
	case p.Listed != "":
		a.Say("Cost: at most about %s; models without a configured price have the vendors' list prices of %s", format.Dollars(p.CostUSD), p.Listed)
	default:
		a.Say("Cost: at most about %s", format.Dollars(p.CostUSD))
	}
	a.printPace(p)
	a.Say("Answers that cannot be parsed are requested again: at most %s. Stored answers are reused.", format.Count(q.Retries, "more call", "more calls"))
	if r.Unchanged {
		a.Say("The job was completed before: a run would call no model and cost nothing.")
	}
	a.Say("No model was called.")
}

// printPace prints the estimated duration of the calls, and the source of the estimate.
func (a app) printPace(p *optimize.Plan) {
	if len(p.Pace) == 0 { // from a worker of an earlier build
		return
	}
	var each []string
	for _, m := range p.Pace {
		how := "assumed"
		if m.Measured {
			how = "measured"
		}
		text := fmt.Sprintf("of %s takes %.1f s (%s), %d concurrently", m.Model, m.Seconds, how, m.AtOnce)
		if !slices.Contains(each, text) {
			each = append(each, text)
		}
	}
	a.Say("Time: at most about %s, if a call %s", format.Span(time.Duration(p.Seconds*float64(time.Second))), strings.Join(each, "; "))
}
