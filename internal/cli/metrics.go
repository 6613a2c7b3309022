package cli

import (
	"maps"
	"slices"

	"github.com/cogniverse/cogflow/internal/cli/format"
)

// PrintMetrics prints the metrics of a base model beside those of the trained model.
func (a *App) PrintMetrics(before, after map[string]float64) {
	all := maps.Clone(after)
	if all == nil {
		all = map[string]float64{}
	}
	maps.Copy(all, before)
	if len(all) == 0 {
		return
	}
	known := func(set map[string]float64, name string) string {
		if v, ok := set[name]; ok {
			return format.Metric(v)
		}
		return "-"
	}
	var rows [][]string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		change := "-"
		best, trained := after[name]
		base, compared := before[name]
		if trained && compared {
			change = format.Metric(best - base)
			if best > base {
				change = "+" + change
			}
		}
		rows = append(rows, []string{name, known(before, name), known(after, name), change})
	}
	a.Say("")
	a.Table([]Column{{Name: "held out"}, {Name: "base", Right: true}, {Name: "trained", Right: true}, {Name: "change", Right: true}}, rows)
	a.Say("")
}
