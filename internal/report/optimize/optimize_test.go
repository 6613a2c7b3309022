package optimize

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/report"
	"github.com/cogniverse/cogflow/internal/report/reporttest"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/outcome"
	"github.com/cogniverse/cogflow/prompt/python"
	"github.com/cogniverse/cogflow/tenant"
)

func render(t testing.TB, r prompt.Report) string {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, Render(&out, r))
	return out.String()
}

// optimized is a search over one predictor that found a better program.
func optimized() prompt.Report {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	decision := python.NewObject("search_modality", "video", "generation_type", "summary")
	demo := func(query string) *prompt.Object {
		return python.NewObject("conversation_history", "", "user_query", query, "routing_decision", decision)
	}
	predictor := prompt.Predictor{
		Name: "route", Module: prompt.Predict, Instructions: "Route the user's query.\nSay which search and which answer fit.",
		Inputs: []prompt.Field{{Name: "conversation_history"}, {Name: "user_query"}}, Demos: []*prompt.Object{demo("show me the keynote")},
	}
	better := predictor
	better.Instructions = "Read the conversation, then route the user's query.\nSay which search and which answer fit. Invoices are text, even if \"shown\"."
	better.Demos = []*prompt.Object{demo("show me the keynote"), demo("summarise the talk on <video> search")}
	r := prompt.Report{
		Tenant: "acme", Run: "0198c1f2", Version: "1.2.3", Started: start, Ended: start.Add(11 * time.Minute), Promoted: true,
		Before: &prompt.Program{Name: "agentic-router", Predictors: []*prompt.Predictor{&predictor}},
		After:  &prompt.Program{Name: "agentic-router", Predictors: []*prompt.Predictor{&better}},
		Release: prompt.Release{
			Name: "agentic-router", Version: 4, Job: "0123456789abcdef01234567", Workflow: "optimize-acme-agentic-router-0123456789ab", Mode: "improved",
			Default: 54.6, Score: 68.8, Trials: 22, Calls: 1834, Repeated: 3, CostUSD: 0.74,
			Choice:  map[string]int{"0_predictor_instruction": 2, "0_predictor_demos": 1},
			Verdict: prompt.Verdict{Examples: 45, Gain: &prompt.Gain{Low: 0.031, High: 0.312, Estimate: 0.142}, Before: 0.522, After: 0.711, Bound: 0.098, Chance: 0.0021, Promote: true},
			Models:  prompt.Models{Student: "smollm3-3b", Teacher: "gpt-4o", Proposer: "gpt-4o"},
		},
		Rows: []prompt.ReportRow{
			{Example: demo("find the invoice of May"), Before: python.NewObject("routing_decision", decision), After: python.NewObject("routing_decision", python.NewObject("search_modality", "text")), BeforeScore: 0.5, AfterScore: 1},
			{Example: demo("what did she say?"), Before: nil, After: python.NewObject("routing_decision", decision), BeforeScore: 0, AfterScore: 0.5},
			{Example: demo("list the slides"), Before: python.NewObject("routing_decision", decision), After: nil, BeforeScore: 1, AfterScore: 0},
			{Example: demo("hm"), Before: python.NewObject("routing_decision", decision), After: python.NewObject("routing_decision", decision), BeforeScore: 0.5, AfterScore: 0.5},
		},
	}
	best := 0.0
	for i := range 22 {
		trial := prompt.ReportTrial{Number: i, Kind: "search", Choice: fmt.Sprintf("0d%d 0i%d", i%3, i%5), Rows: 35, Score: 50 + 20*math.Sin(float64(i)*12.9898)}
		switch {
		case i == 0:
			trial.Kind, trial.Choice, trial.Rows, trial.Score = "default", "0d0 0i0", 100, 51
		case i%6 == 0:
			trial.Kind, trial.Choice, trial.Rows, trial.Score = "full", "0d1 0i2", 100, 55+float64(i)/2
		}
		if trial.Rows == 100 {
			best = max(best, trial.Score)
		}
		trial.Best = best
		r.Trials = append(r.Trials, trial)
	}
	return r
}

func checkSelfContained(t testing.TB, page string) {
	t.Helper()
	reporttest.SelfContained(t, page, report.Style+report.CurveStyle+pageStyle)
}

func TestOptimizeGolden(t *testing.T) {
	t.Parallel()
	page := render(t, optimized())
	checkSelfContained(t, page)
	reporttest.Golden(t, "testdata/optimize.html", []byte(page))
	empty := render(t, prompt.Report{})
	checkSelfContained(t, empty)
	reporttest.Golden(t, "testdata/optimize_empty.html", []byte(empty))
	assert.Equal(t, page, render(t, optimized()), "the same report gives the same bytes")
}

func TestOptimizeTexts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(r *prompt.Report)
		want   []string
	}{
		"better": {func(*prompt.Report) {}, []string{
			">Better than the default</span>", ">Promoted</span>", "The true gain is between &#43;3.1 and &#43;31.2 points with 95 % confidence; the estimate is &#43;14.2 points. The difference is statistically significant.",
			"On 45 rows that the search never saw the mean score is 71.1 % instead of 52.2 %. These means are not corrected", "<b class=\"long\">&#43;3.1 to &#43;31.2</b>", "<ins>conversation, then route the </ins>", "<del>Route</del>", ">wrong → right<", ">right → wrong<", ">still wrong<", ">better<",
			"no answer that could be parsed", "programs export agentic-router@4 --tenant acme --to ./agentic-router<", "2 demos, before it had 1", "0d1 0i2 <span class=\"badge good\">chosen",
			"summarise the talk on &lt;video&gt; search",
		}},
		"not approved": {func(r *prompt.Report) { r.Promoted = false }, []string{
			">Not promoted</span>", "it was not approved", "programs promote agentic-router@4 --tenant acme<",
		}},
		"chance": {func(r *prompt.Report) {
			r.Promoted, r.Release.Verdict = false, prompt.Verdict{Examples: 9, Before: 0.5, After: 0.6, Bound: -0.1, Chance: 0.3}
		}, []string{">Not shown to be better</span>", "The difference is not statistically significant", "promote agentic-router@4 --tenant acme --force<", "above −10.0 points", "Only 9 rows were left for the confirmation"}},
		"worse": {func(r *prompt.Report) {
			r.Promoted, r.Release.Verdict = false, prompt.Verdict{Examples: 45, Before: 0.5, After: 0.4, Bound: -0.2, Chance: 1}
		}, []string{"The program did not get better on rows that the search never saw"}},
		"equal": {func(r *prompt.Report) {
			r.Promoted, r.Release.Verdict = false, prompt.Verdict{Examples: 48, Before: 0.5, After: 0.5, Chance: 1, Gain: &prompt.Gain{Low: -0.06, High: 0.06}}
		}, []string{"between −6.0 and &#43;6.0 points with 95 % confidence; the estimate is 0.0 points. The mean scores of both programs are equal."}},
		"nothing found": {func(r *prompt.Report) {
			r.Promoted, r.After, r.Release.Choice, r.Release.Verdict.Promote = false, r.Before, nil, false
		}, []string{"found nothing better than the default program", "same instructions"}},
		"decided early": {func(r *prompt.Report) {
			r.Release.Verdict = prompt.Verdict{Examples: 16, Planned: 129, Before: 0.5, After: 0.9, Bound: 0.11, Chance: 0.001, Level: 0.0131, Promote: true}
		}, []string{"with 98.69 % confidence", "113 more rows were not needed for the decision"}},
		"nothing to confirm": {func(r *prompt.Report) {
			r.Promoted, r.After, r.Release.Choice, r.Release.Verdict, r.Rows = false, r.Before, nil, prompt.Verdict{}, nil
		}, []string{"so there was nothing to confirm", "same instructions"}},
		"no rows left": {func(r *prompt.Report) { r.Release.Verdict = prompt.Verdict{} }, []string{"the result was not confirmed", "they are optimistic", "optimistic: not confirmed"}},
		"stopped":      {func(r *prompt.Report) { r.Release.Stopped = true }, []string{">Stopped, the best so far is kept</span>"}},
		"a race":       {func(r *prompt.Report) { r.Trials[3].Kind = "race" }, []string{"a candidate, in a race"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := optimized()
			c.change(&r)
			page := render(t, r)
			checkSelfContained(t, page)
			for _, want := range c.want {
				assert.Contains(t, page, want)
			}
		})
	}
}

// TestEarlyDecision: a confirmation that stops early does not warn of too few rows.
func TestEarlyDecision(t *testing.T) {
	t.Parallel()
	r := optimized()
	r.Release.Verdict = prompt.Verdict{Examples: 16, Planned: 129, Promote: true}
	assert.NotContains(t, render(t, r), "rows were left for the confirmation")
	r.Release.Verdict.Planned = 16
	assert.Contains(t, render(t, r), "rows were left for the confirmation")
}

func TestSpread(t *testing.T) {
	t.Parallel()
	rows, omitted, counted := spreadRows([]prompt.ReportTrial{
		{Choice: "a", Rows: 10, Score: 20}, {Choice: "a", Rows: 30, Score: 60}, {Choice: "b", Rows: 5, Score: 55}, {Choice: "c", Score: 99}, {Choice: "d", Rows: 1, Score: math.NaN()},
	}, nil, 5)
	assert.Equal(t, "The table counts 3 of the 5 trials: it omits trials without a score and candidates that are not listed. ", counted)
	require.Len(t, rows, 2)
	assert.Zero(t, omitted)
	assert.Equal(t, spreadRow{
		Choice: "b", Trials: "1", Rows: "5", Low: "55.0 %", Mean: "55.0 %", High: "55.0 %", X: "55.00%", Width: "0.40%", At: "55.00%",
		Label: "between 55.0 % and 55.0 %, mean 55.0 %",
	}, rows[0])
	assert.Equal(t, "50.0 %", rows[1].Mean, "weighted by rows")
	many := make([]prompt.ReportTrial, 40)
	for i := range many {
		many[i] = prompt.ReportTrial{Choice: fmt.Sprint(i), Rows: 1, Score: float64(50 - i)}
	}
	many[39].Choice = "0i7"
	rows, omitted, _ = spreadRows(many, map[string]int{"0_predictor_instruction": 7}, 40)
	assert.Len(t, rows, maxCandidates+1)
	assert.True(t, rows[maxCandidates].Won, "the chosen candidate is always listed")
	assert.Equal(t, 15, omitted)
}

// TestTrialsAgree: for any trials, the table counts all of them, or says which it omits. A
// gain is the difference of the shown scores.
func TestTrialsAgree(t *testing.T) {
	t.Parallel()
	rng := rand.New(rand.NewPCG(13, 14))
	number := func(text string) float64 {
		v, err := strconv.ParseFloat(strings.NewReplacer(" points", "", " %", "", "+", "", "−", "-").Replace(text), 64)
		require.NoError(t, err)
		return v
	}
	for range 1000 {
		r := prompt.Report{}
		for range rng.IntN(80) {
			trial := prompt.ReportTrial{Choice: fmt.Sprint(rng.IntN(30)), Rows: 1 + rng.IntN(9), Score: 100 * rng.Float64()}
			if rng.IntN(50) == 0 {
				trial.Score = math.NaN()
			}
			r.Trials = append(r.Trials, trial)
		}
		r.Release.Trials = len(r.Trials)
		r.Release.Default, r.Release.Score = 100*rng.Float64(), 100*rng.Float64()
		p := newPage(r)
		listed := 0
		for _, row := range p.Spread {
			listed += int(number(row.Trials))
		}
		require.Equal(t, listed != len(r.Trials), p.Counted != "", "%d of %d", listed, len(r.Trials))
		require.InDelta(t, number(p.Tiles[1].Value)-number(p.Tiles[0].Value), number(p.Tiles[1].Note), 1e-9)
	}
}

func TestCleanText(t *testing.T) {
	t.Parallel()
	assert.Equal(t, "One.\n\nTwo <b>.", cleanText("  One.\u202e\r\n\n\n\n\n Two\t<b>.\x00\n", 100))
	assert.Equal(t, "One.\nTw…", cleanText("One.\nTwo.", 7))
	assert.Equal(t, "abc…", cleanText("abcdef", 3))
	assert.Empty(t, cleanText("", 3))
}

func malicious(text string) prompt.Report {
	wild := math.Inf(1)
	o := python.NewObject(text, text, "n", math.NaN(), "deep", []any{text, python.NewObject(text, wild)})
	program := func(more string) *prompt.Program {
		return &prompt.Program{Name: text, Predictors: []*prompt.Predictor{
			{Name: text, Module: prompt.Module(text), Instructions: text + more, Demos: []*prompt.Object{o, nil, {}}},
			{Name: text + more, Instructions: more + "\n" + text},
		}}
	}
	return prompt.Report{
		Tenant: tenant.ID(text), Run: text, Before: program("x"), After: program(" y"),
		Release: prompt.Release{
			Name: text, Version: 1, Job: text, Workflow: text, Mode: text, Default: wild, Score: math.NaN(), Trials: -1, Calls: math.MinInt, Repeated: -1, CostUSD: math.NaN(),
			Choice: map[string]int{text: -1}, Verdict: prompt.Verdict{Examples: 3, Before: wild, After: math.NaN(), Bound: -wild, Chance: 7, Gain: &prompt.Gain{Low: -wild, High: math.NaN(), Estimate: wild}},
			Models: prompt.Models{Student: text, Teacher: text, Proposer: text, Judge: text},
		},
		Trials: []prompt.ReportTrial{
			{Number: -1, Kind: text, Choice: text, Rows: -1, Score: wild, Best: math.NaN()},
			{Number: math.MaxInt, Kind: text, Choice: text, Rows: math.MaxInt, Score: -1e9, Best: wild},
			{Number: 1, Kind: "full", Choice: text, Rows: math.MaxInt, Score: 1e250, Best: 1},
		},
		Rows: []prompt.ReportRow{{Example: o, Before: nil, After: o, BeforeScore: wild, AfterScore: math.NaN()}, {}},
	}
}

func FuzzRender(f *testing.F) {
	for _, text := range []string{
		`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, "</style><b>x", "{{.CSS}}", "\u202e\x00'`", strings.Repeat("A", 99_999), "a$(b)", "", "</ins><script>",
		"a\n\n\n\n\nb",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r := malicious(text)
		page := render(t, r)
		r.Candidates = []prompt.ReportCandidate{{Choice: text, Score: math.NaN(), Front: -1}, {Parents: []int{-1, 7}, Choice: text, Changed: []string{text, ""}, Feedback: []string{text, text}}}
		page += render(t, r)
		checkSelfContained(t, page)
		require.NotContains(t, page, "\x00")
		require.NotContains(t, page, "\u202e")
		require.NotContains(t, page, "<script")
		require.NotContains(t, page, strings.Repeat("A", maxInstructions+1))
		require.True(t, strings.HasSuffix(page, "</html>\n"))
	})
}

func TestRenderOptimizePassesOnWriteErrors(t *testing.T) {
	t.Parallel()
	err := Render(reporttest.BrokenWriter{Err: io.ErrShortWrite}, optimized())
	require.ErrorIs(t, err, io.ErrShortWrite)
	assert.Equal(t, fault.Transport, fault.ClassOf(err))
}

// TestFront: the candidates of mode gepa, their parents and their feedback.
func TestFront(t *testing.T) {
	t.Parallel()
	r := optimized()
	r.Release.Mode, r.Release.Choice = "gepa", map[string]int{"0_predictor_instruction": 2}
	r.Trials = []prompt.ReportTrial{
		{Kind: "default", Choice: "0i0", Rows: 20, Score: 40},
		{Number: 1, Kind: "sample", Choice: "0i1", Rows: 3, Score: 100},
		{Number: 2, Kind: "full", Choice: "0i1", Rows: 20, Score: 50},
		{Number: 3, Kind: "sample", Choice: "0i3", Rows: 3, Score: 0},
		{Number: 4, Kind: "merge", Choice: "0i2", Rows: 5, Score: 80},
		{Number: 5, Kind: "full", Choice: "0i2", Rows: 20, Score: 70},
	}
	r.Candidates = []prompt.ReportCandidate{
		{Choice: "0i0", Score: 40},
		{Parents: []int{0}, Choice: "0i1", Changed: []string{"route"}, Score: 50, Front: 6, Feedback: []string{"agent is wrong: expected 'a', got '<b>'.\nIt is long."}},
		{Parents: []int{0, 1}, Choice: "0i2", Changed: []string{"route", "reply"}, Score: 70, Front: 14},
	}
	page := render(t, r)
	checkSelfContained(t, page)
	for _, want := range []string{
		"Pareto front", "the program as it was", "candidate 0", "merge of 0 and 1", "<bdi>route, reply</bdi>", "14 rows <span class=\"badge calm\">front</span>",
		"agent is wrong: expected &#39;a&#39;, got &#39;&lt;b&gt;&#39;.\nIt is long.", `<tr class="best"><th scope="row">2 <span`, "1 new candidate did not improve",
		"a new candidate, on a few rows of the trainset", "a merge, on a few rows of the valset",
	} {
		require.Contains(t, page, want)
	}
	require.NotContains(t, page, `id="spread"`)
	r.Release.Choice = nil
	require.Contains(t, render(t, r), `<tr class="best"><th scope="row">0 <span`)
	for range 40 {
		r.Candidates = append(r.Candidates, r.Candidates[1])
	}
	require.Contains(t, render(t, r), "19 more are not listed.")
}

// TestUnscored: answers for which a metric command failed are counted, with a reason.
func TestUnscored(t *testing.T) {
	t.Parallel()
	r := optimized()
	require.NotContains(t, render(t, r), "metric command")
	r.Unscored, r.UnscoredWhy = 3, "exit status 1; it says \"<b>\""
	page := render(t, r)
	require.Contains(t, page, "3 answers scored 0 because a metric command failed on them")
	require.NotContains(t, page, "<b>\"")
}

// TestUnusable: answers that could not be used are counted by reason, with examples and a fix.
func TestUnusable(t *testing.T) {
	t.Parallel()
	r := optimized()
	r.Unusable = []outcome.Group{{Role: "student", Reason: outcome.Truncated, Answers: 12, Of: 30, Samples: []string{"so I <i>think", "then"}}}
	page := render(t, r)
	require.Contains(t, page, "student: 12 of 30 answers were truncated by max_tokens; raise max_tokens")
	require.Contains(t, page, "such as: &#34;so I &lt;i&gt;think&#34;; and: &#34;then&#34;")
}
