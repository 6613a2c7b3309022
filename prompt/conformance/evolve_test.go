package conformance_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/metric"
	"github.com/cogniverse/cogflow/prompt/mipro"
	"github.com/cogniverse/cogflow/prompt/mipro/gepa"
	"github.com/cogniverse/cogflow/prompt/python"
)

// evolution is the input of evolve.py.
type evolution struct {
	Seed       int64          `json:"seed"`
	Predictors []string       `json:"predictors"`
	Train      int            `json:"train"`
	Val        int            `json:"val"`
	Settings   map[string]any `json:"settings"`
}

// evolved is the output of evolve.py: what gepa did.
type evolved struct {
	Scores     map[string]float64 // by texts and row
	Texts      [][]any            // predictor, its text, rows, its new text; in the order of the questions
	Candidates [][]string
	Parents    [][]int
	Best       int
	Calls      int
	Trace      []struct {
		Parent        *int
		Merged        []int
		Rows          []int
		Before, After []float64
		Candidate     *int
	}
}

func evolutions() []evolution {
	var list []evolution
	for seed := range int64(100) {
		settings := map[string]any{
			"max_metric_calls": 90 + 10*seed, "use_merge": seed%4 != 3, "max_merge_invocations": 5, "skip_perfect_score": true,
			"reflection_minibatch_size": 3 + seed%3, "candidate_selection_strategy": "pareto", "module_selector": "round_robin",
		}
		if seed%5 == 4 {
			settings["candidate_selection_strategy"] = "current_best"
		}
		if seed%7 == 6 {
			settings["module_selector"] = "all"
		}
		list = append(list, evolution{seed, []string{"route", "reply"}, 4 + int(seed)%9, 5 + int(seed)%11, settings})
	}
	return list
}

// atMost is the number of candidates up to which a set of CPython is in ascending order.
const atMost = 8

// TestGEPA: with the same scores and texts, gepa and the search draw, accept and merge the same
// candidates and rows, to the end or to the ninth candidate.
func TestGEPA(t *testing.T) {
	t.Parallel()
	jobs := evolutions()
	text, err := json.Marshal(jobs)
	require.NoError(t, err)
	var want []evolved
	ask(t, &want, text, "evolve.py")
	merges, whole := 0, 0
	for i, job := range jobs {
		t.Log("seed", job.Seed)
		s, done := evolve(t, job, want[i])
		compare(t, s, want[i])
		for _, it := range s.Iterations() {
			if it.Kind == gepa.Merge {
				merges++
			}
		}
		if done {
			whole++
			_, best := s.Best()
			require.Equal(t, want[i].Best, best)
			require.Equal(t, want[i].Calls, s.Scored())
			require.Len(t, s.Iterations(), len(want[i].Trace)+1)
		}
	}
	require.Greater(t, merges, 20)
	require.Greater(t, whole, 10)
}

// evolve runs a search with gepa's scores and texts; done = it is complete.
func evolve(t *testing.T, job evolution, from evolved) (s *gepa.Search, done bool) {
	t.Helper()
	plan := evolving(t, job)
	s = gepa.New(plan, nil)
	asked := 0
	for needed := s.Calls(); len(needed) > 0; needed = s.Calls() {
		if len(s.Candidates()) > atMost {
			return s, false
		}
		for _, call := range needed {
			var answer mipro.Answer
			switch call.Role {
			case mipro.Proposer:
				require.Less(t, asked, len(from.Texts))
				said := from.Texts[asked]
				asked++
				prompted := call.Request.Messages[1].Content
				require.Contains(t, prompted, said[1], "the instruction that is rewritten")
				var rows []any
				for _, m := range rowShown.FindAllStringSubmatch(prompted, -1) {
					n, _ := strconv.Atoi(m[1])
					rows = append(rows, float64(n))
				}
				require.Equal(t, said[2], rows)
				answer.Text = fmt.Sprintf("[[ ## new_instruction ## ]]\n%s", said[3])
			case mipro.Command:
				texts, _ := call.Outputs.Get("answer")
				row, _ := call.Example.Get("query")
				key := fmt.Sprintf("%v|%s", texts, strings.TrimPrefix(fmt.Sprint(row), "row "))
				score, ok := from.Scores[key]
				require.True(t, ok, "gepa never scored %s", key)
				answer.Score = score
			default:
				answer.Text = repeats(call.Request.Messages)
			}
			require.NoError(t, s.Take(call.ID, answer))
		}
	}
	return s, true
}

var (
	rowShown  = regexp.MustCompile(`"query": "row (\d+)"`)
	objective = regexp.MustCompile(`objective is: \n        (.*)`)
	passedOn  = regexp.MustCompile(`(?s)\[\[ ## agent ## \]\]\n(.*?)\n`)
)

// repeats is the student: its answers list the instructions of the predictors that ran.
func repeats(messages []prompt.Message) string {
	own := objective.FindStringSubmatch(messages[0].Content)[1]
	if before := passedOn.FindStringSubmatch(messages[1].Content); before != nil {
		return "[[ ## answer ## ]]\n" + before[1] + "|" + own
	}
	return "[[ ## agent ## ]]\n" + own
}

func evolving(t *testing.T, job evolution) *gepa.Plan {
	t.Helper()
	program, err := prompt.Read([]byte(`{"name": "p", "predictors": [
		{"name": "route", "instructions": "text of route", "inputs": [{"name": "query"}], "outputs": [{"name": "agent"}]},
		{"name": "reply", "instructions": "text of reply", "inputs": [{"name": "query"}, {"name": "agent"}], "outputs": [{"name": "answer"}]}]}`))
	require.NoError(t, err)
	m, err := metric.Read([]byte(`{"kind": "command", "command": "gepa"}`), program, []string{"query"})
	require.NoError(t, err)
	j := &mipro.Job{Settings: mipro.Settings{Seed: job.Seed}, Program: program, Metric: m}
	for row := range job.Train + job.Val {
		example := python.NewObject("query", fmt.Sprintf("row %d", row))
		if row < job.Train {
			j.Train = append(j.Train, example)
		} else {
			j.Val = append(j.Val, example)
		}
	}
	settings := map[string]any{}
	for name, value := range job.Settings {
		if name == "module_selector" {
			name = "component_selector"
		}
		settings[name] = value
	}
	text, err := json.Marshal(settings)
	require.NoError(t, err)
	var of gepa.Options
	require.NoError(t, json.Unmarshal(text, &of))
	plan, err := gepa.NewPlan(j, of)
	require.NoError(t, err)
	return plan
}

func compare(t *testing.T, s *gepa.Search, want evolved) {
	t.Helper()
	for i, c := range s.Candidates() {
		require.Equal(t, want.Candidates[i], c.Texts)
		require.ElementsMatch(t, want.Parents[i], c.Parents)
	}
	candidates := 1
	for i, it := range s.Iterations()[1:] {
		was := want.Trace[i]
		require.Equal(t, was.Rows, it.Rows, "iteration %d", i)
		if it.Kind == gepa.Merge {
			require.Equal(t, was.Merged, append(append([]int{}, it.Parents...), it.Ancestor))
		} else {
			require.Equal(t, *was.Parent, it.Parents[0])
			if it.After != nil { // gepa notes them then
				require.Equal(t, was.Before, it.Before)
			}
		}
		require.Equal(t, was.After, it.After)
		require.Equal(t, was.Candidate != nil, it.Scores != nil)
		if it.Scores != nil {
			require.Equal(t, candidates, *was.Candidate)
			candidates++
		}
	}
}
