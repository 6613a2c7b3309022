package postings

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// build makes one document of each text. A space separates terms, + joins them, and terms
// after | count half.
func build(texts ...string) *List {
	var b Builder
	for _, text := range texts {
		b.Next()
		major, minor, _ := strings.Cut(text, "|")
		add := func(text string) {
			for run := range strings.FieldsSeq(text) {
				for i, term := range strings.Split(run, "+") {
					b.Add(term, i > 0)
				}
			}
		}
		add(major)
		b.Minor()
		add(minor)
	}
	return b.Build()
}

func TestFind(t *testing.T) {
	t.Parallel()
	x := build("a b a", "", "b+c+d b", "x+b+c | b+c", "c b | a")
	for phrase, want := range map[string][]Match{
		"a":     {{0, 2}, {4, 0.5}},
		"b":     {{0, 1}, {2, 2}, {3, 1.5}, {4, 1}},
		"b c":   {{2, 1}, {3, 1.5}},
		"b c d": {{2, 1}},
		"c b":   nil,
		"d b":   nil,
		"a b":   nil,
		"none":  nil,
		"b e":   nil,
		"":      nil,
	} {
		require.Equal(t, want, x.Find(strings.Fields(phrase), nil), phrase)
	}
	require.Equal(t, 15, x.Total())
	require.Equal(t, 3, x.Length(0))
	require.Zero(t, x.Length(1))
	require.Positive(t, x.Bytes())
	require.Empty(t, new(Builder).Build().Find([]string{"a"}, nil))
}

// TestFindEqualsScan compares with a search of the texts themselves.
func TestFindEqualsScan(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(5, 6))
	texts := make([]string, 300)
	for i := range texts {
		terms := make([]string, rng.IntN(400))
		for k := range terms {
			terms[k] = fmt.Sprint(rng.IntN(1 + rng.IntN(200)))
		}
		texts[i] = strings.Join(terms, "+")
	}
	x := build(texts...)
	for range 300 {
		phrase := make([]string, 1+rng.IntN(3))
		for k := range phrase {
			phrase[k] = fmt.Sprint(rng.IntN(20))
		}
		var want []Match
		for doc, text := range texts {
			terms, count := strings.Split(text, "+"), 0
			for at := 0; at+len(phrase) <= len(terms); at++ {
				if slices.Equal(terms[at:at+len(phrase)], phrase) {
					count++
				}
			}
			if count > 0 {
				want = append(want, Match{int32(doc), float32(count)})
			}
		}
		require.Equal(t, want, x.Find(phrase, nil), "%v", phrase)
	}
}
