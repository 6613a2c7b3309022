package placement

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func example() []Rule {
	return []Rule{
		{Name: "acme stays at home", When: Condition{Tenants: []string{"acme"}}, Use: Choice{Profile: "local", Describe: []string{"l40s"}}},
		{Name: "burst", When: Condition{Kind: Ingest, MinVideos: 100, BudgetUSD: 20}, Use: Choice{Profile: "cloud"}},
		{Name: "own h100", When: Condition{MinRows: 1000, Workers: []string{"h100"}}, Use: Choice{Train: []string{"h100"}}},
		{Name: "urgent", When: Condition{TimeoutMin: 60}, Use: Choice{Train: []string{"h200", "h100"}}},
		{Name: "default", Use: Choice{Describe: []string{"l40s", "t4"}, Train: []string{"a10g"}}},
	}
}

func TestDecide(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		facts   Facts
		workers string
		want    Decision // without Passed
		passed  string
	}{
		"its tenant":             {Facts{Kind: Ingest, Tenant: "acme", Videos: 500}, "", Decision{Rule: "acme stays at home", Profile: "local", Describe: []string{"l40s"}}, ""},
		"a tenant of its own":    {Facts{Kind: Ingest, Tenant: "acme:lab", Videos: 5}, "", Decision{Rule: "acme stays at home", Profile: "local", Describe: []string{"l40s"}}, ""},
		"the profile is named":   {Facts{Kind: Ingest, Tenant: "acme", Named: true}, "", Decision{Rule: "acme stays at home", Describe: []string{"l40s"}}, ""},
		"training of its tenant": {Facts{Kind: Train, Tenant: "acme", Rows: 5}, "", Decision{Rule: "acme stays at home"}, ""},
		"many videos":            {Facts{Kind: Ingest, Tenant: "acmes", Videos: 100}, "", Decision{Rule: "burst", Profile: "cloud"}, "not for the tenant acmes"},
		"too poor": {
			Facts{Kind: Ingest, Tenant: "b", Videos: 100, BudgetUSD: 19.5},
			"",
			Decision{Rule: "default", Describe: []string{"l40s", "t4"}},
			"not for the tenant b|a limit of $19.5, less than $20|for train jobs|for train jobs",
		},
		"few videos": {
			Facts{Kind: Ingest, Tenant: "b", Videos: 99},
			"",
			Decision{Rule: "default", Describe: []string{"l40s", "t4"}},
			"not for the tenant b|99 videos, fewer than 100|for train jobs|for train jobs",
		},
		"own workers": {
			Facts{Kind: Train, Tenant: "b", Rows: 1000}, "h100", Decision{Rule: "own h100", Train: []string{"h100"}}, "not for the tenant b|for ingest jobs",
		},
		"no own workers": {
			Facts{Kind: Train, Tenant: "b", Rows: 1000, TimeoutMin: 60},
			"",
			Decision{Rule: "urgent", Train: []string{"h200", "h100"}},
			"not for the tenant b|for ingest jobs|no worker of the class h100",
		},
		"few rows, no hurry": {
			Facts{Kind: Train, Tenant: "b", Rows: 10, TimeoutMin: 61},
			"h100",
			Decision{Rule: "default", Train: []string{"a10g"}},
			"not for the tenant b|for ingest jobs|10 rows, fewer than 1000|a timeout of 61 minutes, more than 60",
		},
		"classes are named": {
			Facts{Kind: Train, Tenant: "b", Rows: 10, Named: true},
			"h100",
			Decision{Rule: "default"},
			"not for the tenant b|for ingest jobs|10 rows, fewer than 1000|the job has no timeout",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, err := Decide(example(), c.facts, func(class string) (bool, error) { return strings.Contains(c.workers, class), nil })
			require.NoError(t, err)
			var why []string
			for _, p := range d.Passed {
				why = append(why, p.Why)
			}
			require.Equal(t, c.passed, strings.Join(why, "|"))
			d.Passed = nil
			require.Equal(t, c.want, d)
		})
	}
	_, err := Decide(example(), Facts{Kind: Train, Tenant: "b", Rows: 2000}, func(string) (bool, error) { return false, errors.New("no server") })
	require.ErrorContains(t, err, "no server", "a decision is never a guess")
}

// TestDecideHolds: for any rules and facts, the rule that decides is the first whose conditions
// hold, each rule before it has a reason, workers are asked for only where they matter, and a job
// that names where it runs stays there.
func TestDecideHolds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		small := rapid.Int64Range(0, 3)
		kinds := rapid.SampledFrom([]string{"", Ingest, Train})
		names := rapid.SampledFrom([]string{"a", "a:x", "b"})
		rules := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Rule {
			r := Rule{Name: rapid.StringN(1, 4, 8).Draw(t, "name"), When: Condition{
				Kind: kinds.Draw(t, "kind"), Tenants: rapid.SliceOfN(names, 0, 2).Draw(t, "tenants"),
				MinVideos: small.Draw(t, "min"), MaxVideos: small.Draw(t, "max"), MinRows: small.Draw(t, "rows"), MaxRows: small.Draw(t, "most"),
				BudgetUSD: float64(small.Draw(t, "usd")), TimeoutMin: float64(small.Draw(t, "minutes")),
			}, Use: Choice{Profile: "p", Describe: []string{"t4"}, Train: []string{"h100"}}}
			if rapid.Bool().Draw(t, "asks") {
				r.When.Workers = []string{"l4"}
			}
			return r
		}), 0, 5).Draw(t, "rules")
		f := Facts{
			Kind: rapid.SampledFrom(Kinds()).Draw(t, "of"), Tenant: names.Draw(t, "tenant"), Videos: small.Draw(t, "videos"), Rows: small.Draw(t, "facts"),
			BudgetUSD: float64(small.Draw(t, "limit")), TimeoutMin: float64(small.Draw(t, "timeout")), Named: rapid.Bool().Draw(t, "named"),
		}
		has, asked := rapid.Bool().Draw(t, "has"), 0
		d, err := Decide(rules, f, func(string) (bool, error) { asked++; return has, nil })
		require.NoError(t, err)
		for i, p := range d.Passed {
			require.Equal(t, rules[i].Name, p.Rule)
			require.NotEmpty(t, p.Why)
		}
		mayAsk := 0
		for i, r := range rules {
			holds := r.When.why(f) == ""
			if holds && len(r.When.Workers) > 0 {
				mayAsk++
			}
			if holds = holds && (has || len(r.When.Workers) == 0); holds {
				require.Len(t, d.Passed, i)
				require.Equal(t, r.Name, d.Rule)
				break
			}
			require.Greater(t, len(d.Passed), i)
		}
		require.Equal(t, mayAsk, asked)
		if f.Named {
			require.Empty(t, d.Profile)
			require.Empty(t, d.Train)
		}
		if f.Kind == Train {
			require.Empty(t, d.Profile+strings.Join(d.Describe, ""))
		}
		require.NotEmpty(t, d.String())
	})
}

func TestCheck(t *testing.T) {
	t.Parallel()
	class := func(name string) string {
		if name == "x" {
			return ""
		}
		return strings.ToLower(name)
	}
	check := func(r ...Rule) (out []string) {
		Section{Rules: r}.Check(class, func(key, text, _ string) { out = append(out, key+": "+text) })
		return out
	}
	require.Empty(t, check(example()...))
	use := Choice{Train: []string{"H100"}}
	require.Empty(t, check(Rule{Name: "r", Use: use}))
	require.Equal(t, []string{"h100"}, use.Train, "the names of classes are completed")
	for want, r := range map[string]Rule{
		"rules.0.name: missing":                              {Use: use},
		"rules.0.use: empty":                                 {Name: "r"},
		"rules.0.when.kind: not a kind":                      {Name: "r", Use: use, When: Condition{Kind: "search"}},
		"rules.0.when.min_videos: out of range":              {Name: "r", Use: use, When: Condition{MinVideos: 3, MaxVideos: 2}},
		"rules.0.when.min_rows: out of range":                {Name: "r", Use: use, When: Condition{MaxRows: -1}},
		"rules.0.when.budget_usd_at_least: out of range":     {Name: "r", Use: use, When: Condition{BudgetUSD: math.NaN()}},
		"rules.0.when.timeout_minutes_at_most: out of range": {Name: "r", Use: use, When: Condition{TimeoutMin: -1}},
		`rules.0.use.train_gpu: "x" is not a GPU class`:      {Name: "r", Use: Choice{Train: []string{"x"}}},
		`rules.0.use.describe_gpu: "t4" is listed twice`:     {Name: "r", Use: Choice{Describe: []string{"t4", "t4"}}},
		`rules.0.when.workers_of: "x" is not a GPU class`:    {Name: "r", Use: use, When: Condition{Workers: []string{"x"}}},
	} {
		require.Equal(t, []string{want}, check(r))
	}
	require.Equal(t, []string{"rules.1.name: listed twice"}, check(Rule{Name: "r", Use: use}, Rule{Name: "r", Use: use}))
}

func TestString(t *testing.T) {
	t.Parallel()
	require.Equal(t, "no rule holds", Decision{}.String())
	require.Equal(t, "r (changes nothing here)", Decision{Rule: "r"}.String())
	require.Equal(t, "r: profile cloud; describe l40s, t4", Decision{Rule: "r", Profile: "cloud", Describe: []string{"l40s", "t4"}}.String())
	require.Equal(t, Decision{}, (*Decision)(nil).Chosen())
	require.Equal(t, []string{"b"}, Or(nil, []string{"b"}))
	require.Nil(t, Or())
}
