package diff

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/python"
)

// sides reconstructs both texts from a comparison.
func sides(parts []Part) (before, after string) {
	for _, p := range parts {
		if p.Op != Added {
			before += p.Text
		}
		if p.Op != Removed {
			after += p.Text
		}
	}
	return before, after
}

func TestWords(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		before, after string
		want          []Part
	}{
		"equal":   {"Route the query.", "Route the query.", []Part{{Same, "Route the query."}}},
		"nothing": {"", "", []Part{}},
		"new":     {"", "Route.", []Part{{Added, "Route."}}},
		"gone":    {"Route.", "", []Part{{Removed, "Route."}}},
		"a word":  {"Route the query.", "Route this query.", []Part{{Same, "Route "}, {Removed, "the"}, {Added, "this"}, {Same, " query."}}},
		"a phrase is one change": {"Be very brief now.", "Be as exact now.", []Part{
			{Same, "Be "}, {Removed, "very brief"}, {Added, "as exact"}, {Same, " now."},
		}},
		"a line":   {"One.\nTwo.", "One.\nAnd a half.\nTwo.", []Part{{Same, "One.\n"}, {Added, "And a half.\n"}, {Same, "Two."}}},
		"a number": {"Within 5 words", "Within 50 words", []Part{{Same, "Within "}, {Removed, "5"}, {Added, "50"}, {Same, " words"}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := Words(c.before, c.after)
			assert.Equal(t, c.want, got)
		})
	}
}

// TestWordsOfLongTexts: texts that are too long to compare by words, or even by lines, remain
// complete.
func TestWordsOfLongTexts(t *testing.T) {
	t.Parallel()
	long := func(word string, n int, end string) string { return strings.Repeat(word+end, n) }
	for _, c := range [][2]string{
		{long("a b", 9_000, "\n"), long("c d", 9_000, "\n")},
		{long("a b", 3_000, "\n") + "end", long("c d", 3_000, "\n") + "end"},
		{"x" + long("same ", 90_000, ""), "y" + long("same ", 90_000, "")},
	} {
		before, after := sides(Words(c[0], c[1]))
		require.Equal(t, c[0], before)
		require.Equal(t, c[1], after)
	}
	assert.Len(t, Words("x "+long("same ", 90_000, ""), "y "+long("same ", 90_000, "")), 3, "common ends are not aligned")
}

func FuzzWords(f *testing.F) {
	f.Add("Route the query.", "Route this\nquery, please!")
	f.Add("\xff\x00 ü", "ü\u0301 \u202e")
	f.Fuzz(func(t *testing.T, x, y string) {
		before, after := sides(Words(x, y))
		require.Equal(t, x, before)
		require.Equal(t, y, after)
	})
}

func TestPrograms(t *testing.T) {
	t.Parallel()
	demo := func(v string) *prompt.Object { return python.NewObject("query", v, "agent", "text") }
	before := &prompt.Program{Predictors: []*prompt.Predictor{
		{Name: "route", Instructions: "Route.", Demos: []*prompt.Object{demo("a"), demo("a"), demo("b")}},
		{Name: "gone", Instructions: "Old."},
		{Name: "same", Instructions: "As it was.", Demos: []*prompt.Object{demo("s")}},
	}}
	after := &prompt.Program{Predictors: []*prompt.Predictor{
		{Name: "same", Instructions: "As it was.", Demos: []*prompt.Object{demo("s")}},
		{Name: "route", Instructions: "Route well.", Demos: []*prompt.Object{demo("c"), demo("a")}},
	}}
	got := Programs(before, after)
	require.Len(t, got, 3)
	assert.Equal(t, "same", got[0].Name)
	assert.False(t, got[0].Changed)
	assert.Equal(t, 1, got[0].DemosAfter)
	assert.True(t, got[1].Changed)
	assert.Equal(t, []*prompt.Object{demo("c")}, got[1].DemosAdded)
	assert.Equal(t, []*prompt.Object{demo("a"), demo("b")}, got[1].DemosRemoved)
	assert.Equal(t, []Part{{Removed, "Old."}}, got[2].Instructions)
	assert.Empty(t, Programs(nil, nil))
}
