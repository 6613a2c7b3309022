package optimize

import (
	"strconv"
	"strings"

	"github.com/cogniverse/cogflow/internal/report"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/safetext"
)

// frontRow is a candidate of mode gepa.
type frontRow struct {
	Number, Choice, From, Changed, Score, Front string
	Feedback                                    []string
	Won, Listed                                 bool // chosen; on the Pareto front
}

// newFront lists the candidates in the order in which they were found. rejected counts the
// new candidates that did not improve on their first rows.
func newFront(r prompt.Report) (rows []frontRow, omitted int, rejected string) {
	winner := choiceText(r.Release.Choice)
	accepted, tried := 0, 0
	for i, c := range r.Candidates {
		if len(c.Parents) > 0 {
			accepted++
		}
		won := c.Choice == winner || winner == "" && len(c.Parents) == 0
		if len(rows) >= maxCandidates && !won {
			omitted++
			continue
		}
		row := frontRow{
			Number: report.Count(i), Choice: report.Clean(c.Choice, report.MaxName), From: "the program as it was", Score: percentage(c.Score),
			Changed: report.Clean(strings.Join(c.Changed, ", "), report.MaxName), Front: report.Plural(c.Front, "row"), Won: won, Listed: c.Front > 0,
		}
		if len(c.Parents) > 0 {
			row.From = "candidate " + strconv.Itoa(c.Parents[0])
		}
		if len(c.Parents) > 1 {
			row.From = "merge of " + strconv.Itoa(c.Parents[0]) + " and " + strconv.Itoa(c.Parents[1])
		}
		for _, text := range c.Feedback {
			row.Feedback = append(row.Feedback, safetext.Lines(text, report.MaxReason))
		}
		rows = append(rows, row)
	}
	for _, t := range r.Trials {
		if t.Kind == "sample" || t.Kind == "merge" {
			tried++
		}
	}
	return rows, omitted, report.Plural(max(0, tried-accepted), "new candidate")
}
