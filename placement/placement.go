// Package placement decides by the rules of the configuration where a job runs: on which GPU
// classes, and with which profile, that is, on own or rented models. It asks nothing: the facts are
// given. A decision is made once, and the run is pinned to it.
package placement

import (
	"fmt"
	"slices"
	"strings"
)

// Kinds of jobs.
const (
	Ingest = "ingest"
	Train  = "train"
)

// Kinds lists the kinds.
func Kinds() []string { return []string{Ingest, Train} }

// Rule is one rule. The first rule whose conditions all hold decides.
type Rule struct {
	Name string    `json:"name" jsonschema:"name of the rule, for people"`
	When Condition `json:"when" jsonschema:"conditions, all of which must hold; without any, the rule always holds"`
	Use  Choice    `json:"use" jsonschema:"where the job runs"`
}

// Condition is what must hold. A zero field is no condition.
type Condition struct {
	Kind       string   `json:"kind" jsonschema:"kind of job: ingest or train"`
	Tenants    []string `json:"tenants" jsonschema:"tenants, and organisations for all of their tenants"`
	MinVideos  int64    `json:"min_videos" jsonschema:"ingest: at least this many videos are listed"`
	MaxVideos  int64    `json:"max_videos" jsonschema:"ingest: at most this many"`
	MinRows    int64    `json:"min_rows" jsonschema:"train: at least this many rows"`
	MaxRows    int64    `json:"max_rows" jsonschema:"train: at most this many"`
	BudgetUSD  float64  `json:"budget_usd_at_least" jsonschema:"the job has no limit, or at least this one"`
	TimeoutMin float64  `json:"timeout_minutes_at_most" jsonschema:"train: the job has a timeout of at most this many minutes"`
	Workers    []string `json:"workers_of" jsonschema:"GPU classes, each of which has workers now: for ingest of the pool describe, for train of the pool train"`
}

// Choice is where a job runs. An empty field leaves what the input or the profile says.
type Choice struct {
	Profile    string   `json:"profile" jsonschema:"ingest: profile of jobs that name none"`
	Describe   []string `json:"describe_gpu" jsonschema:"ingest: GPU classes of the stage describe, in order of preference"`
	Embed      []string `json:"embed_gpu" jsonschema:"ingest: of the stage embed"`
	Transcribe []string `json:"transcribe_gpu" jsonschema:"ingest: of the stage transcribe"`
	Train      []string `json:"train_gpu" jsonschema:"train: GPU classes of jobs that name none"`
}

// Facts are what is known of a job when it is placed.
type Facts struct {
	Kind       string  `json:"kind"`
	Tenant     string  `json:"tenant"`
	Videos     int64   `json:"videos,omitempty"`
	Rows       int64   `json:"rows,omitempty"`
	BudgetUSD  float64 `json:"budget_usd,omitempty"`      // 0 = no limit
	TimeoutMin float64 `json:"timeout_minutes,omitempty"` // 0 = none
	// Named says that the input names the profile, or the GPU classes of training: they stay.
	Named bool `json:"named,omitempty"`
}

// Decision is which rule decided, what it chose, and why the others before it did not.
type Decision struct {
	Rule       string   `json:"rule,omitempty"`           // that decides; empty = none holds
	Profile    string   `json:"profile,omitempty"`        // in place of the configured one
	Describe   []string `json:"describe_gpu,omitempty"`   // GPU classes of the stage describe; empty = those of the profile
	Embed      []string `json:"embed_gpu,omitempty"`      // of the stage embed
	Transcribe []string `json:"transcribe_gpu,omitempty"` // of the stage transcribe
	Train      []string `json:"train_gpu,omitempty"`      // GPU classes of training; empty = the default
	Passed     []Passed `json:"passed,omitempty"`         // rules that do not hold, in their order
}

// Passed is a rule that does not hold.
type Passed struct {
	Rule string `json:"rule"` // its name
	Why  string `json:"why"`  // the condition that does not hold
}

// Decide returns the decision of the first rule that holds. workers reports whether a GPU class
// has workers; it is asked only where a rule depends on it.
func Decide(rules []Rule, f Facts, workers func(class string) (bool, error)) (Decision, error) {
	var d Decision
	for _, r := range rules {
		why := r.When.why(f)
		for _, class := range r.When.Workers {
			if why != "" {
				break
			}
			has, err := workers(class)
			if err != nil {
				return Decision{}, err
			}
			if !has {
				why = "no worker of the class " + class
			}
		}
		if why != "" {
			d.Passed = append(d.Passed, Passed{r.Name, why})
			continue
		}
		d.Rule = r.Name
		d.choose(r.Use, f)
		return d, nil
	}
	return d, nil
}

// choose takes over what a rule says of jobs of the kind.
func (d *Decision) choose(c Choice, f Facts) {
	switch {
	case f.Kind == Train && !f.Named:
		d.Train = c.Train
	case f.Kind == Ingest:
		d.Describe, d.Embed, d.Transcribe = c.Describe, c.Embed, c.Transcribe
		if !f.Named {
			d.Profile = c.Profile
		}
	}
}

// why says which condition does not hold; empty = all do, except that workers are not asked for.
func (c Condition) why(f Facts) string {
	switch {
	case c.Kind != "" && c.Kind != f.Kind:
		return "for " + c.Kind + " jobs"
	case len(c.Tenants) > 0 && !slices.ContainsFunc(c.Tenants, func(t string) bool { return t == f.Tenant || strings.HasPrefix(f.Tenant, t+":") }):
		return "not for the tenant " + f.Tenant
	case (c.MinVideos > 0 || c.MaxVideos > 0) && f.Kind != Ingest:
		return "for ingest jobs"
	case (c.MinRows > 0 || c.MaxRows > 0 || c.TimeoutMin > 0) && f.Kind != Train:
		return "for train jobs"
	case c.MinVideos > f.Videos:
		return fmt.Sprintf("%s, fewer than %d", count(f.Videos, "video"), c.MinVideos)
	case c.MaxVideos > 0 && f.Videos > c.MaxVideos:
		return fmt.Sprintf("%s, more than %d", count(f.Videos, "video"), c.MaxVideos)
	case c.MinRows > f.Rows:
		return fmt.Sprintf("%s, fewer than %d", count(f.Rows, "row"), c.MinRows)
	case c.MaxRows > 0 && f.Rows > c.MaxRows:
		return fmt.Sprintf("%s, more than %d", count(f.Rows, "row"), c.MaxRows)
	case c.BudgetUSD > 0 && f.BudgetUSD > 0 && f.BudgetUSD < c.BudgetUSD:
		return fmt.Sprintf("a limit of $%g, less than $%g", f.BudgetUSD, c.BudgetUSD)
	case c.TimeoutMin > 0 && f.TimeoutMin == 0:
		return "the job has no timeout"
	case c.TimeoutMin > 0 && f.TimeoutMin > c.TimeoutMin:
		return fmt.Sprintf("a timeout of %g minutes, more than %g", f.TimeoutMin, c.TimeoutMin)
	}
	return ""
}

func count(n int64, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// String says in words what was decided.
func (d Decision) String() string {
	if d.Rule == "" {
		return "no rule holds"
	}
	var uses []string
	for _, u := range []struct {
		what    string
		classes []string
	}{
		{"profile", []string{d.Profile}}, {"describe", d.Describe}, {"embed", d.Embed}, {"transcribe", d.Transcribe}, {"train", d.Train},
	} {
		if text := strings.Join(u.classes, ", "); text != "" {
			uses = append(uses, u.what+" "+text)
		}
	}
	if len(uses) == 0 {
		return d.Rule + " (changes nothing here)"
	}
	return d.Rule + ": " + strings.Join(uses, "; ")
}

// Chosen is the decision, or one that chooses nothing.
func (d *Decision) Chosen() Decision {
	if d == nil {
		return Decision{}
	}
	return *d
}

// Or is the first list that is not empty.
func Or(lists ...[]string) []string {
	for _, l := range lists {
		if len(l) > 0 {
			return l
		}
	}
	return nil
}
