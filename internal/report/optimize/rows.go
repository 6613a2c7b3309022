package optimize

import (
	"encoding/base64"
	"html/template"
	"slices"

	"github.com/cogniverse/cogflow/internal/report"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/image"
	"github.com/cogniverse/cogflow/prompt/python"
)

// chats are rows of the confirmation as conversations: the input of the program, the expected
// answer, and the answers of the program before and after the optimization.
func chats(rows []prompt.ReportRow) []report.Chat {
	rows = rows[:min(len(rows), maxRowsShown)]
	var answers []string // output fields of the program
	for _, r := range rows {
		for _, o := range []*prompt.Object{r.Before, r.After} {
			for _, name := range o.Keys() {
				if !slices.Contains(answers, name) {
					answers = append(answers, name)
				}
			}
		}
	}
	var out []report.Chat
	left := maxPictures
	for i, r := range rows {
		c := report.Chat{Title: "Row " + report.Count(i+1), Note: "score " + ofOne(r.BeforeScore) + " → " + ofOne(r.AfterScore)}
		c.Tone, c.Change = change(r)
		for j, name := range r.Example.Keys() {
			if j == maxFields {
				c.Turns = append(c.Turns, report.Turn{Side: "ask", Who: "…", Text: report.Plural(r.Example.Len()-j, "more field") + " not shown", Empty: true})
				break
			}
			v, _ := r.Example.Get(name)
			turn := report.NewTurn("ask", name, "", python.Str(image.Describe(v)))
			if slices.Contains(answers, name) {
				turn = report.NewTurn("want", "Expected "+name, "", python.Str(image.Describe(v)))
			}
			turn.Pictures = pictures(v, min(left, maxPicturesAValue))
			left -= len(turn.Pictures)
			c.Turns = append(c.Turns, turn)
		}
		// Inputs come before expected answers, regardless of the order of the fields.
		slices.SortStableFunc(c.Turns, func(a, b report.Turn) int { return rankOf(a.Side) - rankOf(b.Side) })
		c.Turns = append(c.Turns, answer("before", "Before", r.Before)...)
		c.Turns = append(c.Turns, answer("after", "Now", r.After)...)
		out = append(out, c)
	}
	return out
}

// Limits of the pictures in a page, which has one file.
const (
	maxPictures       = 48
	maxPicturesAValue = 4
	pictureWidth      = 160 // pixels
)

// pictures are small pictures of the images in a value. A remote image has none, because neither
// cogflow nor the page opens it.
func pictures(v any, most int) (shown []template.URL) {
	for _, found := range image.In(v) {
		if len(shown) == most {
			break
		}
		data, ok := found.Data()
		if !ok {
			continue
		}
		small, err := report.Sketch(data, pictureWidth)
		if err != nil { // the description is shown
			continue
		}
		shown = append(shown, template.URL("data:image/jpeg;base64,"+base64.StdEncoding.EncodeToString(small))) //nolint:gosec // made here
	}
	return shown
}

func rankOf(side string) int {
	if side == "want" {
		return 1
	}
	return 0
}

// answer is the output of the program as turns.
func answer(side, who string, o *prompt.Object) []report.Turn {
	if o == nil {
		return []report.Turn{{Side: side, Who: who, Text: "no answer that could be parsed", Empty: true}}
	}
	var out []report.Turn
	for i, name := range o.Keys() {
		if i == maxFields {
			return append(out, report.Turn{Side: side, Who: who, Text: report.Plural(o.Len()-i, "more field") + " not shown", Empty: true})
		}
		v, _ := o.Get(name)
		out = append(out, report.NewTurn(side, who+", "+name, "", python.Str(image.Describe(v))))
	}
	return out
}

// change is the change of the score of a row.
func change(r prompt.ReportRow) (tone, text string) {
	switch {
	case r.AfterScore >= 1 && r.BeforeScore < r.AfterScore:
		return "good", "wrong → right"
	case r.AfterScore > r.BeforeScore:
		return "good", "better"
	case r.BeforeScore >= 1 && r.AfterScore < r.BeforeScore:
		return "bad", "right → wrong"
	case r.AfterScore < r.BeforeScore:
		return "bad", "worse"
	case r.AfterScore >= 1:
		return "calm", "right"
	}
	return "calm", "still wrong"
}
