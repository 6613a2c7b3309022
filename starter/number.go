package main

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/dustin/go-humanize"
)

func bytesText(n int64) string {
	if n <= 0 {
		return "-"
	}
	return humanize.IBytes(uint64(n))
}

func secondsText(seconds float64) string {
	if seconds <= 0 || seconds > math.MaxInt64/1e10 {
		return "-"
	}
	return span(time.Duration(seconds * float64(time.Second)))
}

// metricText is a metric with the digits that matter.
func metricText(v float64) string {
	if v != 0 && math.Abs(v) < 0.001 {
		return strconv.FormatFloat(v, 'g', 3, 64)
	}
	return strconv.FormatFloat(v, 'f', 4, 64)
}

func percentText(v float64) string { return strconv.FormatFloat(v, 'f', 1, 64) + " %" }

func signedPoints(v float64) string { return fmt.Sprintf("%+.1f points", v) }

// printMetrics compares what was measured of a base model and of what was trained from it.
func (a *App) printMetrics(before, after map[string]float64) {
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
			return metricText(v)
		}
		return "-"
	}
	var rows [][]string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		change := "-"
		best, trained := after[name]
		base, compared := before[name]
		if trained && compared {
			change = metricText(best - base)
			if best > base {
				change = "+" + change
			}
		}
		rows = append(rows, []string{name, known(before, name), known(after, name), change})
	}
	a.say("")
	a.table([]column{{name: "held out"}, {name: "base", right: true}, {name: "trained", right: true}, {name: "change", right: true}}, rows)
	a.say("")
}
