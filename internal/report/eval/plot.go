package eval

import (
	"fmt"
	"strconv"

	"github.com/cogniverse/cogflow/eval"
	"github.com/cogniverse/cogflow/internal/report"
)

// Pixels of the bar plot of scores.
const (
	groupHead  = 26 // a line with the name of the metric
	barStep    = 20
	barHeight  = 16
	groupGap   = 14
	plotShare  = 0.86 // of the width; the rest is for the numbers
	scoreTicks = 4
)

// scorePlot has a group of bars for each metric and one bar for each rank, from 0 to 1.
type scorePlot struct {
	Height, AxisY, GridY int
	Width                string // position of 1
	Ticks                []report.Tick
	Groups               []scoreGroup
}

type scoreGroup struct {
	TextY int
	Name  string
	Bars  []scoreBar
}

type scoreBar struct {
	Y, TextY, Color    int
	Width, Rank, Value string
}

func newScorePlot(r eval.Report) *scorePlot {
	if len(r.Ranks) == 0 {
		return nil
	}
	p := &scorePlot{Width: report.Percent(plotShare)}
	y := 0
	for _, metric := range []struct {
		name string
		of   func(eval.RankScores) float64
	}{
		{fmt.Sprintf("nDCG@%d", r.K), func(s eval.RankScores) float64 { return s.NDCG }},
		{fmt.Sprintf("recall@%d", r.K), func(s eval.RankScores) float64 { return s.Recall }},
		{"MRR", func(s eval.RankScores) float64 { return s.MRR }},
	} {
		g := scoreGroup{TextY: y + groupHead - 9, Name: metric.name}
		y += groupHead
		for i, rank := range r.Ranks {
			v := metric.of(rank)
			g.Bars = append(g.Bars, scoreBar{
				Y: y, TextY: y + barHeight - 3, Color: i % report.Palette,
				Width: report.Percent(plotShare * report.Unit(v)), Rank: rankName(rank), Value: score(v),
			})
			y += barStep
		}
		y += groupGap
		p.Groups = append(p.Groups, g)
	}
	p.GridY = y - groupGap
	p.AxisY = p.GridY + report.AxisHeight - 6
	p.Height = p.GridY + report.AxisHeight
	for i := range scoreTicks + 1 {
		at := float64(i) / scoreTicks
		t := report.Tick{X: report.Percent(plotShare * at), Anchor: "middle", Label: strconv.FormatFloat(at, 'f', -1, 64)}
		if i == 0 {
			t.Anchor = "start"
		}
		p.Ticks = append(p.Ticks, t)
	}
	return p
}
