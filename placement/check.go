package placement

import (
	"fmt"
	"slices"
)

// Section is the key "placement" of the configuration.
type Section struct {
	Rules []Rule `json:"rules" jsonschema:"rules in order; the first whose conditions all hold decides where a job runs"`
}

// Check calls bad for each problem: the key, what is wrong and how to fix it. class completes the
// name of a GPU class and returns an empty string for one that does not exist.
func (s Section) Check(class func(string) string, bad func(key, text, fix string)) {
	var names []string
	for i, r := range s.Rules {
		at := fmt.Sprintf("rules.%d", i)
		switch {
		case r.Name == "":
			bad(at+".name", "missing", "name the rule")
		case slices.Contains(names, r.Name):
			bad(at+".name", "listed twice", "give each rule a name of its own")
		}
		names = append(names, r.Name)
		c := r.When
		if c.Kind != "" && !slices.Contains(Kinds(), c.Kind) {
			bad(at+".when.kind", "not a kind", "write ingest or train")
		}
		for _, n := range []struct {
			key       string
			low, high float64
		}{
			{"min_videos", float64(c.MinVideos), float64(c.MaxVideos)},
			{"min_rows", float64(c.MinRows), float64(c.MaxRows)},
			{"budget_usd_at_least", c.BudgetUSD, 0},
			{"timeout_minutes_at_most", c.TimeoutMin, 0},
		} {
			if !(n.low >= 0 && n.high >= 0) || n.high > 0 && n.low > n.high { // NaN fails
				bad(at+".when."+n.key, "out of range", "use a positive number, and a minimum that is not above the maximum")
			}
		}
		for _, list := range []struct {
			key     string
			classes []string
		}{
			{"when.workers_of", c.Workers},
			{"use.describe_gpu", r.Use.Describe},
			{"use.embed_gpu", r.Use.Embed},
			{"use.transcribe_gpu", r.Use.Transcribe},
			{"use.train_gpu", r.Use.Train},
		} {
			for j, name := range list.classes {
				if list.classes[j] = class(name); list.classes[j] == "" {
					bad(at+"."+list.key, fmt.Sprintf("%q is not a GPU class", name), "write classes such as cpu, l40s or h100")
				} else if slices.Contains(list.classes[:j], list.classes[j]) {
					bad(at+"."+list.key, fmt.Sprintf("%q is listed twice", name), "list each class once")
				}
			}
		}
		if u := r.Use; u.Profile == "" && len(u.Describe)+len(u.Embed)+len(u.Transcribe)+len(u.Train) == 0 {
			bad(at+".use", "empty", "name a profile or GPU classes")
		}
	}
}
