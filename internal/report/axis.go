package report

import (
	"math"
	"strconv"
	"strings"
)

// An axis has at least minTicks labels if its values allow that, and few enough that no two
// labels touch on a narrow screen.
const (
	minTicks   = 4
	logTicks   = 8 // powers of ten on a logarithmic axis; more are thinned out
	logDecades = 2 // minimum number of powers of ten for a logarithmic axis
)

// niceSteps are round distances between ticks, to be multiplied by a power of ten. Each is
// at most twice the previous one.
func niceSteps() [5]float64 { return [5]float64{1, 2, 2.5, 4, 5} }

// axisStep is the largest of niceSteps that gives at least minTicks ticks from low to high.
// If whole is true, ticks are integers.
func axisStep(low, high float64, whole bool) float64 {
	span := high - low
	if !Finite(span) || span <= 0 {
		return 1
	}
	for exponent := int(math.Floor(math.Log10(span))); ; exponent-- {
		steps := niceSteps()
		for i := len(steps) - 1; i >= 0; i-- {
			step := scaled(steps[i], exponent)
			if whole && step != math.Trunc(step) {
				continue
			}
			if lastTick(high, step)-firstTick(low, step)+1 >= minTicks || (whole && step <= 1) {
				return step
			}
		}
		if whole && exponent < 0 {
			return 1
		}
	}
}

// scaled is n × 10^exponent, correctly rounded.
func scaled(n float64, exponent int) float64 {
	v, err := strconv.ParseFloat(strconv.FormatFloat(n, 'f', -1, 64)+"e"+strconv.Itoa(exponent), 64)
	if err != nil {
		return math.Inf(1)
	}
	return v
}

// firstTick and lastTick are the first and the last tick, as numbers of steps from 0. A tick
// within a rounding error of an end is at that end.
func firstTick(low, step float64) float64 { return math.Ceil(low/step - 1e-9) }
func lastTick(high, step float64) float64 { return math.Floor(high/step + 1e-9) }

// linearTicks are the values and labels of ticks from low to high.
func linearTicks(low, high float64, whole bool) (values []float64, labels []string) {
	step := axisStep(low, high, whole)
	for n := firstTick(low, step); n <= lastTick(high, step); n++ {
		values, labels = append(values, n*step), append(labels, tickLabel(n*step, step, max(math.Abs(low), math.Abs(high))))
	}
	return values, labels
}

// spansDecades reports whether values from low to high need a logarithmic axis.
func spansDecades(low, high float64) bool {
	return low > 0 && Finite(high) && math.Log10(high/low) >= logDecades
}

// logTicksOf are the values and labels of ticks of a logarithmic axis: powers of ten, with
// 2 and 5 between them if there are few powers, and only some powers if there are many.
func logTicksOf(low, high float64) (values []float64, labels []string) {
	first, last := int(math.Floor(math.Log10(low)-1e-9)), int(math.Ceil(math.Log10(high)+1e-9))
	between := []float64{1}
	if decades := math.Log10(high / low); decades < minTicks {
		between = []float64{1, 2, 5}
		if decades > 2.5 {
			between = []float64{1, 3}
		}
	}
	every := max(1, (last-first+logTicks-2)/logTicks)
	for e := first; e <= last; e++ {
		if e%every != 0 {
			continue
		}
		for _, n := range between {
			if v := scaled(n, e); v >= low*(1-1e-9) && v <= high*(1+1e-9) {
				values, labels = append(values, v), append(labels, logLabel(v))
			}
		}
	}
	return values, labels
}

func logLabel(v float64) string {
	if v < 1e-3 || v >= 1e5 {
		return Power(v, 0)
	}
	whole, rest, _ := strings.Cut(strconv.FormatFloat(v, 'f', -1, 64), ".")
	if rest != "" {
		return Commas(whole) + "." + rest
	}
	return Commas(whole)
}

// decimals is the number of decimal places that a multiple of step needs.
func decimals(step float64) int {
	for digits := range 18 {
		if v := step * math.Pow10(digits); math.Abs(v-math.Round(v)) < 1e-6*v {
			return digits
		}
	}
	return 18
}

// powersBelow is the magnitude under which an axis writes small steps with powers of ten:
// 5e-5 to 2e-4, but 0.6910 to 0.6930.
const powersBelow = 0.01

// tickLabel writes v with the digits that its step needs. The notation depends on most, the
// largest magnitude on the axis, so that all labels of an axis have the same one.
func tickLabel(v, step, most float64) string {
	a := math.Abs(v)
	if a < step/1e6 {
		return "0"
	}
	if step < 1e-3 && most < powersBelow || step < 1e-5 || a >= 1e6 {
		// Use enough digits to distinguish v from the neighbouring ticks.
		power := int(math.Floor(math.Log10(a) + 1e-9))
		unit, _, _ := strings.Cut(strconv.FormatFloat(step, 'e', 1, 64), "e")
		digits := power - int(math.Floor(math.Log10(step)+1e-9))
		if !strings.HasSuffix(unit, ".0") {
			digits++
		}
		return Power(v, max(0, digits))
	}
	whole, rest, _ := strings.Cut(strconv.FormatFloat(v, 'f', decimals(step), 64), ".")
	if rest != "" {
		return Commas(whole) + "." + rest
	}
	return Commas(whole)
}

// stepLabels are numbers of steps, all in the same unit, short enough for an axis: 25,000 to
// 75,000, 50k to 150k, 2.5M.
func stepLabels(values []float64) []string {
	of, name := 1.0, ""
	for _, unit := range []struct {
		of   float64
		name string
	}{{1e3, "k"}, {1e6, "M"}, {1e9, "B"}, {1e12, "T"}} {
		if len(values) > 0 && values[len(values)-1] >= max(unit.of, 1e5) {
			of, name = unit.of, unit.name
		}
	}
	var out []string
	for _, v := range values {
		switch {
		case v == 0:
			out = append(out, "0")
		case name == "":
			out = append(out, Count(int(math.Round(v))))
		default:
			out = append(out, strconv.FormatFloat(v/of, 'f', -1, 64)+name)
		}
	}
	return out
}

// StepTicks are the ticks of an axis of steps from 0 to last.
func StepTicks(last float64) []Tick {
	last = max(last, 1)
	values, _ := linearTicks(0, last, true)
	labels := stepLabels(values)
	var out []Tick
	for i, v := range values {
		t := Tick{X: Percent(v / last), Anchor: "middle", Label: labels[i]}
		if i == 0 {
			t.Anchor = "start"
		}
		out = append(out, t)
	}
	return out
}

// LinearTicks are ticks of a horizontal axis from low to high, few enough for a narrow screen.
func LinearTicks(low, high float64) []Tick {
	values, labels := linearTicks(low, high, false)
	every := 1
	if len(values) > MaxTicks {
		every = 2
	}
	var out []Tick
	for i := 0; i < len(values); i += every {
		out = append(out, Tick{X: Percent(Unit((values[i] - low) / (high - low))), Anchor: "middle", Label: strings.Replace(labels[i], "-", "−", 1)})
	}
	return out
}
