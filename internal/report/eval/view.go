package eval

import (
	"cmp"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/cogniverse/cogflow/eval"
	"github.com/cogniverse/cogflow/internal/report"
)

// maxAnswers is the maximum number of queries on a page; the JSON document has all.
const maxAnswers = 1000

// page is the data of the template. Every string in it is already cleaned.
type page struct {
	report.Head
	K           int
	Ranks       []rankRow
	Plot        *scorePlot
	Answers     []answerRow
	MoreAnswers int
	Again       string
}

type rankRow struct {
	Name              string
	Color             int
	NDCG, Recall, MRR string
	Found             string // queries with a relevant hit
	Best              bool
}

// answerRow is one query, with a cell for each rank profile.
type answerRow struct {
	Query string
	Cells []answerCell
}

type answerCell struct {
	NDCG, Note string
	Best       bool // better than another rank
}

func newPage(r eval.Report, from Searched) page {
	queries := 0
	for _, rank := range r.Ranks {
		queries = max(queries, len(rank.Queries))
	}
	from.Profile = cmp.Or(from.Profile, r.Profile)
	about := from.About(r.Tenant,
		report.Pair{Name: "Queries", Value: report.Place(r.Queries)}, report.Pair{Name: "Hits judged", Value: "the first " + report.Count(r.K) + " of each query"})
	title := cmp.Or(report.Base(report.Place(r.Queries)), "Search quality")
	p := page{
		Head: report.NewHead("search quality report", title, []report.Badge{{Tone: "calm", Text: report.Plural(queries, "query")}}, about),
		K:    r.K, Ranks: rankRows(r.Ranks), Plot: newScorePlot(r), Again: again(r),
		MoreAnswers: max(0, queries-maxAnswers),
	}
	for i := range min(queries, maxAnswers) {
		p.Answers = append(p.Answers, newAnswer(r.Ranks, i))
	}
	return p
}

func rankRows(ranks []eval.RankScores) []rankRow {
	var rows []rankRow
	best, worst := math.Inf(-1), math.Inf(1)
	for _, r := range ranks {
		best, worst = max(best, r.NDCG), min(worst, r.NDCG)
	}
	for i, r := range ranks {
		found := 0
		for _, q := range r.Queries {
			if q.First > 0 {
				found++
			}
		}
		rows = append(rows, rankRow{
			Name: rankName(r), Color: i % report.Palette, NDCG: score(r.NDCG), Recall: score(r.Recall), MRR: score(r.MRR),
			Found: report.Count(found) + " of " + report.Count(len(r.Queries)), Best: r.NDCG == best && best > worst,
		})
	}
	return rows
}

func rankName(r eval.RankScores) string { return report.Clean(string(r.Rank), 2*report.MaxLabel) }

// newAnswer is the row of query i. All rank profiles have the same queries.
func newAnswer(ranks []eval.RankScores, i int) answerRow {
	var row answerRow
	var scores []float64
	for _, r := range ranks {
		if i >= len(r.Queries) {
			row.Cells = append(row.Cells, answerCell{NDCG: report.Absent})
			scores = append(scores, math.NaN())
			continue
		}
		q := r.Queries[i]
		row.Query = report.Clean(q.Query, report.MaxCaption)
		note := "not found"
		if q.First > 0 {
			note = "first at " + report.Count(q.First) + ", recall " + score(q.Recall)
		}
		row.Cells = append(row.Cells, answerCell{NDCG: score(q.NDCG), Note: note})
		scores = append(scores, q.NDCG)
	}
	if len(scores) == 0 {
		return row
	}
	best, worst := slices.Max(scores), slices.Min(scores)
	for j, s := range scores {
		row.Cells[j].Best = s == best && best > worst
	}
	return row
}

// score formats a number from 0 to 1.
func score(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return report.Absent
	}
	return strconv.FormatFloat(v, 'f', 3, 64)
}

// again is the command that repeats the measurement; empty if it cannot be shown unchanged.
func again(r eval.Report) string {
	var ranks []string
	for _, rank := range r.Ranks {
		ranks = append(ranks, string(rank.Rank))
	}
	args := []string{"cogflow", "eval"}
	for _, flag := range []report.Pair{
		{Name: "queries", Value: r.Queries}, {Name: "tenant", Value: r.Tenant}, {Name: "profile", Value: r.Profile}, {Name: "rank", Value: strings.Join(ranks, ",")}, {Name: "k", Value: strconv.Itoa(r.K)},
	} {
		if report.Clean(flag.Value, report.MaxReason) != flag.Value {
			return ""
		}
		if flag.Value != "" {
			args = append(args, "--"+flag.Name+"="+report.Quote(flag.Value))
		}
	}
	return strings.Join(args, " ")
}
