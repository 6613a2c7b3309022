// Package diff compares two versions of a program for people: instructions word by word,
// and added and removed demos. It knows nothing of layout.
package diff

import (
	"strings"
	"unicode"

	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/python"
)

// Op is the change of a piece of text.
type Op string

// The operations.
const (
	Same    Op = "same"
	Removed Op = "removed"
	Added   Op = "added"
)

// Part is a piece of text. The text before consists of all parts except the added ones; the text
// after, of all parts except the removed ones.
type Part struct {
	Op   Op     `json:"op"`
	Text string `json:"text"`
}

// Predictor is the change of one predictor.
type Predictor struct {
	Name         string           `json:"name"`
	Changed      bool             `json:"changed"` // instructions or demos
	Instructions []Part           `json:"instructions"`
	DemosBefore  int              `json:"demos_before"`
	DemosAfter   int              `json:"demos_after"`
	DemosAdded   []*prompt.Object `json:"demos_added"`
	DemosRemoved []*prompt.Object `json:"demos_removed"`
}

// Programs compares predictors by name, in the order of after; predictors of before only come
// last. Either program may be nil.
func Programs(before, after *prompt.Program) []Predictor {
	var out []Predictor
	old := map[string]*prompt.Predictor{}
	for _, p := range predictors(before) {
		old[p.Name] = p
	}
	for _, p := range predictors(after) {
		out = append(out, compare(p.Name, old[p.Name], p))
		delete(old, p.Name)
	}
	for _, p := range predictors(before) {
		if old[p.Name] != nil {
			out = append(out, compare(p.Name, p, nil))
		}
	}
	return out
}

func predictors(p *prompt.Program) []*prompt.Predictor {
	if p == nil {
		return nil
	}
	return p.Predictors
}

func compare(name string, before, after *prompt.Predictor) Predictor {
	if before == nil {
		before = &prompt.Predictor{}
	}
	if after == nil {
		after = &prompt.Predictor{}
	}
	d := Predictor{
		Name: name, Instructions: Words(before.Instructions, after.Instructions),
		DemosBefore: len(before.Demos), DemosAfter: len(after.Demos),
		DemosAdded: without(after.Demos, before.Demos), DemosRemoved: without(before.Demos, after.Demos),
	}
	d.Changed = before.Instructions != after.Instructions || len(d.DemosAdded)+len(d.DemosRemoved) > 0
	return d
}

// without lists the demos that are not in others, with multiplicity.
func without(demos, others []*prompt.Object) []*prompt.Object {
	out := []*prompt.Object{}
	known := map[string]int{}
	for _, d := range others {
		known[python.Dumps(d)]++
	}
	for _, d := range demos {
		if text := python.Dumps(d); known[text] > 0 {
			known[text]--
		} else {
			out = append(out, d)
		}
	}
	return out
}

// Words compares two texts word by word, and very long ones line by line.
func Words(before, after string) []Part {
	a, b := words(before), words(after)
	if !fits(a, b) {
		a, b = strings.SplitAfter(before, "\n"), strings.SplitAfter(after, "\n")
	}
	return readable(align(a, b))
}

// words splits a text into words, spaces and single other characters.
func words(text string) []string {
	var out []string
	begin, last := 0, 0
	for i, r := range text {
		class := 3 // every other character is a token of its own
		switch {
		case unicode.IsSpace(r):
			class = 1
		case unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) || r == '_':
			class = 2
		}
		if i > begin && (class != last || class == 3) {
			out = append(out, text[begin:i])
			begin = i
		}
		last = class
	}
	if begin < len(text) {
		out = append(out, text[begin:])
	}
	return out
}
