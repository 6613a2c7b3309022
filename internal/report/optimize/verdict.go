package optimize

import (
	"fmt"
	"strings"

	"github.com/cogniverse/cogflow/internal/report"
	"github.com/cogniverse/cogflow/prompt"
)

// verdict is the result of the confirmation: first the interval of the true gain and its
// estimate, then the scores that they are based on.
func verdict(r prompt.Release) (verdict, detail string) {
	v := r.Verdict
	switch {
	case v.Examples <= 0 && r.Trials > 0 && len(r.Choice) == 0:
		return "The search found nothing better than the default program, so there was nothing to confirm.", ""
	case v.Examples <= 0:
		return "No rows were left that the search had not seen, so the result was not confirmed. Set a testset, or provide more rows.",
			"The scores are those of the search, which chose the program by them: they are optimistic."
	case len(r.Choice) == 0 && !v.Promote:
		return fmt.Sprintf("The search found nothing better than the default program. Its mean score on %s that the search never saw is %s.",
			report.Plural(v.Examples, "row"), ofOne(v.Before)), ""
	}
	scores := fmt.Sprintf("On %s that the search never saw the mean score is %s instead of %s.", report.Plural(v.Examples, "row"), ofOne(v.After), ofOne(v.Before))
	if g := v.Gain; g != nil {
		verdict = fmt.Sprintf("The true gain is between %s and %s with 95 %% confidence; the estimate is %s.",
			strings.TrimSuffix(points(g.Low), " points"), points(g.High), points(g.Estimate))
		detail = scores + " These means are not corrected: a confirmation that stops early stops on favorable rows. Interval and estimate allow for that. "
	} else { // releases of earlier versions have no gain
		verdict = scores
		detail = fmt.Sprintf("These means are not corrected for an early stop; with %s %% confidence the true gain is above %s. ", v.ConfidencePercent(), points(v.Bound))
	}
	detail += fmt.Sprintf("A gain this large by chance has %s. Both programs ran on the same rows; the test is paired.", report.PValue(v.Chance))
	if v.Examples < v.Planned {
		detail += fmt.Sprintf(" %s more rows were not needed for the decision.", report.Count(v.Planned-v.Examples))
	}
	return verdict + " " + significance(v), detail
}

func significance(v prompt.Verdict) string {
	switch {
	case v.Promote:
		return "The difference is statistically significant."
	case v.After > v.Before:
		return "The difference is not statistically significant: it can be chance. More rows for the confirmation or more trials can make it clearer."
	case v.After == v.Before:
		return "The mean scores of both programs are equal."
	default:
		return "The program did not get better on rows that the search never saw."
	}
}

// scoreTiles are the gain and the scores of both programs.
func scoreTiles(r prompt.Release) []report.Tile {
	before, after := report.Tile{Value: percentage(r.Default), Label: "score before"}, report.Tile{Value: percentage(r.Score), Label: "score now"}
	switch {
	case r.Verdict.Gain != nil:
		g := r.Verdict.Gain
		return []report.Tile{{
			Value: strings.TrimSuffix(points(g.Low), " points") + " to " + strings.TrimSuffix(points(g.High), " points"),
			Label: "points gained, 95 % interval", Note: "estimate " + points(g.Estimate),
		}, {
			Value: strings.TrimSuffix(before.Value, " %") + " → " + after.Value, Label: "score before and now, estimate",
		}}
	case r.Verdict.Examples <= 0 && len(r.Choice) > 0:
		after.Note = "optimistic: not confirmed"
	case report.Finite(r.Score - r.Default):
		after.Note = points((report.Rounded(r.Score, 1) - report.Rounded(r.Default, 1)) / 100)
	}
	return []report.Tile{before, after}
}
