package costs

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/cogniverse/cogflow/internal/report"
	"github.com/cogniverse/cogflow/money"
)

// Limits of the plots.
const (
	maxDays  = 120 // bars; of more days, several share a bar
	maxBars  = 12
	dayGap   = 0.15 // of the width of a bar
	barStep  = 44   // pixels of a group: its name and its bar
	barShare = 0.86 // of the width; the rest is for the amounts
)

// days is the plot of the costs by day, stacked by kind.
type days struct {
	*report.Curve
	Rects []rect
	Every string // number of days of a bar, if it is not one
}

type rect struct {
	X, Y, Width, Height string
	Color               int
	Name                string
}

// newDays draws costs by day and kind; nil if there are none.
func newDays(groups []money.CostGroup) *days {
	by := map[int]map[string]int64{} // micro-USD by day since 1970 and kind
	sums := map[string]int64{}
	for _, g := range groups {
		if len(g.Values) != 2 {
			continue
		}
		t, err := time.Parse(time.DateOnly, g.Values[0])
		if err != nil {
			continue
		}
		day := int(t.Unix() / 86_400)
		if by[day] == nil {
			by[day] = map[string]int64{}
		}
		by[day][g.Values[1]] += g.SettledMicroUSD
		sums[g.Values[1]] += g.SettledMicroUSD
	}
	if len(by) == 0 || slices.Max(slices.Collect(maps.Values(sums))) == 0 {
		return nil
	}
	kinds := slices.SortedFunc(maps.Keys(sums), func(a, b string) int { return cmp.Or(cmp.Compare(sums[b], sums[a]), cmp.Compare(a, b)) })
	all := slices.Sorted(maps.Keys(by))
	return draw(by, kinds, all[0], all[len(all)-1])
}

// draw draws the bars from the first to the last day.
func draw(by map[int]map[string]int64, kinds []string, first, last int) *days {
	per := (last-first)/maxDays + 1
	number := (last-first)/per + 1
	bins := make([]map[string]int64, number)
	highest := int64(0)
	for i := range bins {
		bins[i] = map[string]int64{}
		sum := int64(0)
		for day := first + i*per; day < first+(i+1)*per; day++ {
			for kind, micro := range by[day] {
				bins[i][kind] += micro
				sum += micro
			}
		}
		highest = max(highest, sum)
	}
	p := report.Plot{
		Title: "Settled by day", Label: "Settled costs by day, as bars. Each has a part for each kind.", Unit: "USD", Along: "day in UTC", Height: report.CurveHigh, Last: 1,
	}
	d := &days{Curve: report.NewCurve(p, []report.XY{{}, {Y: usd(highest)}})}
	if d.XTicks = nil; per > 1 {
		d.Every = strconv.Itoa(per)
	}
	for i, bin := range bins {
		d.stack(i, number, bin, kinds, date(first+i*per))
	}
	every := (number + report.MaxTicks - 1) / report.MaxTicks
	for i := 0; i < number; i += every {
		d.XTicks = append(d.XTicks, report.Tick{X: report.Percent((float64(i) + 0.5) / float64(number)), Anchor: "middle", Label: date(first + i*per)[5:]})
	}
	for i, kind := range kinds {
		d.Legend = append(d.Legend, report.Key{Class: fmt.Sprintf("dot c%d", i%report.Palette), Name: names([]string{kind})[0]})
	}
	return d
}

// stack draws one bar.
func (d *days) stack(i, number int, bin map[string]int64, kinds []string, from string) {
	width := 1 / float64(number)
	below := int64(0)
	for color, kind := range kinds {
		micro := bin[kind]
		if micro <= 0 {
			continue
		}
		top, bottom := d.Pixel(usd(below+micro)), d.Pixel(usd(below))
		d.Rects = append(d.Rects, rect{
			X: report.Percent((float64(i) + dayGap/2) * width), Width: report.Percent(width * (1 - dayGap)),
			Y: strconv.FormatFloat(top, 'f', 1, 64), Height: strconv.FormatFloat(bottom-top, 'f', 1, 64),
			Color: color % report.Palette, Name: from + " " + names([]string{kind})[0] + " " + report.USD(usd(micro)),
		})
		below += micro
	}
}

func date(day int) string { return time.Unix(int64(day)*86_400, 0).UTC().Format(time.DateOnly) }

// bars is the plot of the most expensive groups.
type bars struct {
	Height int
	Bars   []bar
}

type bar struct {
	TextY, Y           int
	Width, Name, Value string
	Color              int
}

// newBars draws the groups; nil if there are fewer than two, or nothing was spent.
func newBars(c money.Costs) *bars {
	groups := slices.Clone(c.Groups)
	slices.SortStableFunc(groups, func(a, b money.CostGroup) int { return cmp.Compare(b.SettledMicroUSD, a.SettledMicroUSD) })
	groups = groups[:min(len(groups), maxBars)]
	if len(groups) < 2 || groups[0].SettledMicroUSD <= 0 {
		return nil
	}
	b := &bars{Height: barStep * len(groups)}
	for i, g := range groups {
		b.Bars = append(b.Bars, bar{
			TextY: i*barStep + 14, Y: i*barStep + 20, Color: 0,
			Width: report.Percent(barShare * float64(g.SettledMicroUSD) / float64(groups[0].SettledMicroUSD)),
			Name:  name(g.Values), Value: report.USD(usd(g.SettledMicroUSD)),
		})
	}
	return b
}
