package main

import (
	"math"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// summed is a sum of `cogflow costs --json`.
type summed struct {
	Calls    int     `json:"calls"`
	Answered int     `json:"answered"`
	Refused  int     `json:"refused"`
	Charged  int     `json:"charged"`
	Lost     int     `json:"lost"`
	Open     int     `json:"open"`
	Settled  float64 `json:"settled_usd"`
	Reserved float64 `json:"reserved_usd"`
	Input    int64   `json:"input_tokens"`
	Output   int64   `json:"output_tokens"`
	Cached   int64   `json:"cached_tokens"`
}

func (s summed) add(b booked) summed {
	if b.Outcome == "released" {
		return s
	}
	s.Calls++
	for outcome, n := range map[string]*int{"answered": &s.Answered, "refused": &s.Refused, "charged": &s.Charged, "lost": &s.Lost} {
		if b.Outcome == outcome {
			*n++
		}
	}
	s.Settled = math.Round(s.Settled*1e6+float64(b.Cost)) / 1e6
	s.Input, s.Output, s.Cached = s.Input+b.Input, s.Output+b.Output, s.Cached+b.Cached
	return s
}

// compareCosts compares `cogflow costs` with the entries, which are compared with the bill.
func (a *accountant) compareCosts(entries map[string]booked) {
	a.t.Helper()
	type group struct {
		Group map[string]string `json:"group"`
		summed
	}
	type document struct {
		Total  summed  `json:"total"`
		Groups []group `json:"groups"`
	}
	for by, of := range map[string]func(b booked) string{
		"model": func(b booked) string { return b.Model }, "tenant": func(b booked) string { return b.Tenant }, "kind": func(b booked) string { return b.Kind },
	} {
		want, total := map[string]summed{}, summed{}
		for _, e := range entries {
			total = total.add(e)
			if e.Outcome != "released" {
				want[of(e)] = want[of(e)].add(e)
			}
		}
		code, out := a.cogflow()("costs", "--since", "all", "--by", by, "--json")
		require.Zero(a.t, code, out)
		d := decode[document](a.t, out)
		assert.Equal(a.t, total, d.Total)
		got := map[string]summed{}
		for _, g := range d.Groups {
			got[g.Group[by]] = g.summed
		}
		assert.Equal(a.t, want, got)
	}
}
