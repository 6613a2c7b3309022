package gepa_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/metric"
	"github.com/cogniverse/cogflow/prompt/mipro"
	"github.com/cogniverse/cogflow/prompt/mipro/gepa"
	"github.com/cogniverse/cogflow/prompt/mipro/miprotest"
	"github.com/cogniverse/cogflow/prompt/python"
)

// world is a task with three kinds of rows. A predictor answers a kind correctly if its
// instruction states the rule of that kind; the proposer adds the rule that a feedback names.
type world struct {
	silent  bool // the proposer's answers are unreadable
	long    bool // the proposer's instructions are too long for a program file
	unread  bool // the student's answers are unreadable where it has no rule
	asked   map[string]int
	prompts []string
}

var (
	kindAsked = regexp.MustCompile(`kind (\w) row`)
	rules     = regexp.MustCompile(`rule \w`)
	wanted    = regexp.MustCompile(`expected '(\w)'|kind (\w) row`)
)

func (w *world) answer(call mipro.Call) string {
	system, last := call.Request.Messages[0].Content, call.Request.Messages[len(call.Request.Messages)-1].Content
	if call.Role == mipro.Proposer {
		w.prompts = append(w.prompts, last)
		if w.silent {
			return "I would rather not say."
		}
		current, examples, _ := strings.Cut(last, "[[ ## examples_with_feedback ## ]]")
		stated := rules.FindAllString(current, -1)
		for _, m := range wanted.FindAllStringSubmatch(examples, -1) {
			if rule := "rule " + m[1] + m[2]; !slices.Contains(stated, rule) {
				stated = append(stated, rule)
				break
			}
		}
		if len(stated) > 2 { // an instruction holds at most two rules
			stated = stated[1:]
		}
		if w.long {
			stated = append(stated, strings.Repeat("a", prompt.MaxInstructionBytes))
		}
		return "[[ ## new_instruction ## ]]\n  Follow " + strings.Join(stated, ", ") + ".\n"
	}
	kind := kindAsked.FindStringSubmatch(last)[1]
	said := "wrong"
	if strings.Contains(system, "rule "+kind) {
		said = kind
	} else if w.unread {
		return "no idea"
	}
	if strings.Contains(system, "`agent` (str)") && !strings.Contains(system, "`answer` (str)") {
		return "[[ ## reasoning ## ]]\nr\n[[ ## agent ## ]]\n" + said
	}
	return "[[ ## answer ## ]]\n" + said
}

func job(t testing.TB, program, settings string) *mipro.Job {
	t.Helper()
	j := miprotest.Job(t, program, settings)
	j.Train, j.Val = nil, nil
	text, columns := `{"kind": "exact", "field": "answer"}`, []string{"query", "agent", "answer"}
	if len(j.Program.Predictors) == 2 {
		text = `{"kind": "mean", "parts": [{"kind": "exact", "field": "agent"}, {"kind": "exact", "field": "answer"}]}`
	}
	m, err := metric.Read([]byte(text), j.Program, columns)
	require.NoError(t, err)
	j.Metric = m
	for i := range 40 {
		kind := string("abc"[i%3])
		row := python.NewObject("query", fmt.Sprintf("kind %s row %d", kind, i), "agent", kind, "answer", kind)
		if i < 20 {
			j.Train = append(j.Train, row)
		} else {
			j.Val = append(j.Val, row)
		}
	}
	return j
}

func plan(t testing.TB, j *mipro.Job, settings string) *gepa.Plan {
	t.Helper()
	var s gepa.Options
	require.NoError(t, json.Unmarshal([]byte(settings), &s))
	p, err := gepa.NewPlan(j, s)
	require.NoError(t, err)
	return p
}

// play answers all requests, the last or the first one first, and counts them.
func (w *world) play(t testing.TB, s *gepa.Search, last bool, until func() bool) (calls int) {
	t.Helper()
	if w.asked == nil {
		w.asked = map[string]int{}
	}
	for needed := s.Calls(); len(needed) > 0 && !until(); needed = s.Calls() {
		call := needed[0]
		if last {
			call = needed[len(needed)-1]
		}
		w.asked[call.ID]++
		require.NoError(t, s.Take(call.ID, mipro.Answer{Text: w.answer(call)}))
		require.Error(t, s.Take(call.ID, mipro.Answer{}), "it has an answer")
		calls++
	}
	return calls
}

func never() bool { return false }

// TestLearns: feedback becomes rules, predictor by predictor, within the budget; the order
// of answers does not matter.
func TestLearns(t *testing.T) {
	t.Parallel()
	for _, program := range []string{miprotest.OneStep, miprotest.TwoSteps} {
		for seed := range 5 {
			j := job(t, program, fmt.Sprintf(`{"seed": %d}`, seed))
			p := plan(t, j, `{"max_metric_calls": 400}`)
			s, w := gepa.New(p, nil), &world{}
			calls := w.play(t, s, false, never)
			require.LessOrEqual(t, calls-len(w.prompts), p.Runs()*len(j.Program.Predictors))
			require.LessOrEqual(t, len(w.prompts), p.Quote().Proposer)
			require.GreaterOrEqual(t, s.Scored(), p.Budget)
			require.LessOrEqual(t, s.Scored(), p.Runs())
			best, at := s.Best()
			require.Positive(t, at)
			for _, predictor := range best.Predictors {
				require.Contains(t, predictor.Instructions, "rule")
			}
			require.Contains(t, w.prompts[0], "is wrong: expected '")
			for _, n := range w.asked {
				require.Equal(t, 1, n)
			}
			other := gepa.New(p, nil)
			(&world{}).play(t, other, true, never)
			require.Equal(t, s.Iterations(), other.Iterations())
			require.Equal(t, s.Trials(), other.Trials())
			require.Contains(t, s.Trials(), gepa.Trial{
				Kind: gepa.FullTrial, Choice: s.Choice(at), Rows: s.Trials()[0].Rows,
				Scores: s.Candidates()[at].Scores, Score: mipro.Percent(s.Candidates()[at].Scores),
			})
		}
	}
}

// TestResume: a search that is resumed after any iteration makes the same requests.
func TestResume(t *testing.T) {
	t.Parallel()
	j := job(t, miprotest.TwoSteps, `{"seed": 23}`)
	p := plan(t, j, `{"max_metric_calls": 400}`)
	whole := gepa.New(p, nil)
	(&world{}).play(t, whole, false, never)
	merges := 0
	for n, it := range whole.Iterations() {
		if it.Kind == gepa.Merge {
			merges++
		}
		text, err := json.Marshal(whole.Iterations()[:n])
		require.NoError(t, err)
		var made []gepa.Iteration
		require.NoError(t, json.Unmarshal(text, &made))
		s := gepa.New(p, made)
		require.Len(t, s.Iterations(), n)
		(&world{}).play(t, s, true, never)
		require.Equal(t, whole.Iterations(), s.Iterations())
		require.Equal(t, whole.Candidates(), s.Candidates())
	}
	require.Positive(t, merges)
	made := slices.Clone(whole.Iterations())
	made[2].Rows = []int{0}
	require.Len(t, gepa.New(p, made).Iterations(), 2, "it continues after the iterations on which both builds agree")
	require.Empty(t, gepa.New(p, whole.Iterations()).Calls())
}

// TestFront: a row's best candidates are on its front, and each row of a dominated candidate has
// another best candidate.
func TestFront(t *testing.T) {
	t.Parallel()
	for seed := range int64(200) {
		rng := python.NewRandom(seed)
		candidates := make([]gepa.Candidate, 1+rng.Int(0, 8))
		for i := range candidates {
			for range 6 {
				candidates[i].Scores = append(candidates[i].Scores, float64(rng.Int(0, 2))/2)
			}
		}
		for row, front := range gepa.Front(candidates) {
			require.NotEmpty(t, front)
			for i, c := range candidates {
				best := c.Scores[row] == candidates[front[0]].Scores[row]
				require.Equal(t, best, slices.Contains(front, i))
				require.LessOrEqual(t, c.Scores[row], candidates[front[0]].Scores[row])
			}
		}
	}
}

// TestUnreadable: an unreadable answer of the proposer, or one that no program file may have,
// changes nothing; unreadable answers of the student are shown to the proposer if this is set.
func TestUnreadable(t *testing.T) {
	t.Parallel()
	j := job(t, miprotest.OneStep, `{}`)
	for _, of := range []*world{{silent: true}, {long: true}} {
		s := gepa.New(plan(t, j, `{"max_metric_calls": 60}`), nil)
		of.play(t, s, false, never)
		program, at := s.Best()
		require.Same(t, j.Program, program)
		require.Zero(t, at)
		require.Len(t, s.Trials(), 1)
	}

	s, w := gepa.New(plan(t, j, `{"max_metric_calls": 60}`), nil), &world{unread: true}
	w.play(t, s, false, never)
	require.Empty(t, w.prompts, "unreadable answers have no feedback")

	s, w = gepa.New(plan(t, j, `{"max_metric_calls": 60, "add_format_failure_as_feedback": true}`), nil), &world{unread: true}
	w.play(t, s, false, never)
	require.Contains(t, w.prompts[0], `Couldn't parse the output as per the expected output format. The model's raw response was:\n`)
	require.Contains(t, w.prompts[0], `Your output failed to parse. Follow this structure:\nsystem: Your input fields are:`)
	require.Greater(t, len(s.Candidates()), 1)
}

// TestPerfect: no reflection is made on rows that are all correct.
func TestPerfect(t *testing.T) {
	t.Parallel()
	j := job(t, miprotest.OneStep, `{}`)
	j.Program.Predictors[0].Instructions = "Follow rule a, rule b, rule c."
	s, w := gepa.New(plan(t, j, `{"max_metric_calls": 100}`), nil), &world{}
	w.play(t, s, false, never)
	require.Empty(t, w.prompts)
	s = gepa.New(plan(t, j, `{"max_metric_calls": 100, "skip_perfect_score": false, "candidate_selection_strategy": "current_best"}`), nil)
	w.play(t, s, false, never)
	require.NotEmpty(t, w.prompts)
	require.Contains(t, w.prompts[0], "is right: expected '")
	require.Len(t, s.Candidates(), 1)
}

// TestAll: every predictor is rewritten at once.
func TestAll(t *testing.T) {
	t.Parallel()
	j := job(t, miprotest.TwoSteps, `{}`)
	p := plan(t, j, `{"max_full_evals": 4, "component_selector": "all", "use_merge": false}`)
	require.Equal(t, 160, p.Budget)
	s := gepa.New(p, nil)
	(&world{}).play(t, s, false, never)
	rewritten := 0
	for _, it := range s.Iterations() {
		require.NotEqual(t, gepa.Merge, it.Kind)
		rewritten = max(rewritten, len(it.Proposals))
	}
	require.Equal(t, 2, rewritten)
}

func TestRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ mipro, gepa, want string }{
		{`{"num_trials": 3, "minibatch_size": 4}`, `{}`, "minibatch_size, num_trials is a setting of MIPROv2"},
		{`{"auto": "light"}`, `{"max_metric_calls": 5}`, "exclude each other"},
		{`{}`, `{"max_metric_calls": 5, "max_full_evals": 5}`, "exclude each other"},
		{`{"auto": "none"}`, `{}`, `auto is "none"`},
		{`{"seed": -1}`, `{}`, "seed is -1"},
		{`{"init_temperature": 9}`, `{}`, "init_temperature is 9"},
		{`{}`, `{"max_metric_calls": -5}`, "must not be negative"},
		{`{}`, `{"max_full_evals": 999999}`, "at most 1000000"},
		{`{}`, `{"candidate_selection_strategy": "best"}`, "it is pareto or current_best"},
		{`{}`, `{"component_selector": "best"}`, "it is round_robin or all"},
	} {
		var s gepa.Options
		require.NoError(t, json.Unmarshal([]byte(c.gepa), &s))
		_, err := gepa.NewPlan(job(t, miprotest.OneStep, c.mipro), s)
		require.ErrorContains(t, err, c.want)
		require.Equal(t, fault.Input, fault.ClassOf(err))
	}
}

// TestBudget: the budget of auto equals that of DSPy's GEPA.
func TestBudget(t *testing.T) {
	t.Parallel()
	for auto, want := range map[string][2]int{"light": {460, 850}, "medium": {790, 1180}, "heavy": {1175, 1405}} {
		for i, program := range []string{miprotest.OneStep, miprotest.TwoSteps} {
			p := plan(t, job(t, program, `{"auto": "`+auto+`"}`), `{}`)
			require.Equal(t, want[i], p.Budget, auto)
			require.Positive(t, p.Trials())
		}
	}
}
