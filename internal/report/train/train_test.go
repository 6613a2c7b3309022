package train

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/report"
	"github.com/cogniverse/cogflow/internal/report/reporttest"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/training/dataset"
	"github.com/cogniverse/cogflow/training/estimate"
	"github.com/cogniverse/cogflow/training/rows"
	"github.com/cogniverse/cogflow/training/summary"
)

func render(t testing.TB, r summary.Run) string {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, Render(&out, r))
	return out.String()
}

// trained is a run of n steps that was interrupted once, after a third, and improved its model.
func trained(n int) summary.Run {
	start := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	hash := strings.Repeat("0123456789abcdef", 4)
	r := summary.Run{
		Tenant: "acme", Workflow: "train-acme-support-0123456789ab", Run: "0198c1f2", Started: start, Ended: start.Add(52 * time.Minute), Status: "trained", Version: "1.2.3",
		Adapter: training.Adapter{
			Name: "support", Version: 3, Role: "support", Kind: training.KindAdapter, Job: "0123456789abcdef01234567",
			Files: []training.CheckpointFile{{Name: "tensorboard/events.out.tfevents.1767323045.0123456789abcdef01234567"}},
			Base:  training.Model{Name: "HuggingFaceTB/SmolLM3-3B", Repo: "HuggingFaceTB/SmolLM3-3B", Revision: "a07cc9a"},
			Spec: training.Spec{
				Method: training.SFT, Model: "HuggingFaceTB/SmolLM3-3B", Revision: "a07cc9a04f16550a088caea529712d1d335b0ac1",
				Dataset: hash, Evaluation: hash, Seed: 42, Numerics: training.BF16,
				Config: training.Config{Epochs: 3, BatchSize: 4, Accumulation: 4, LearningRate: 2e-4, Scheduler: "linear", WarmupSteps: 100, MaxSeqLength: 512, EvalSteps: 50},
				LoRA:   &training.LoRA{R: 8, Alpha: 16, Dropout: 0.1, TargetModules: []string{"q_proj", "k_proj", "v_proj", "o_proj"}},
			},
			Outcome: training.Outcome{
				Ended: training.EndedDone, Steps: n, Total: n, BestStep: n * 4 / 5, Tokens: 1_834_221, Seconds: 2412, CostUSD: 0.74, GPU: "a10g",
				Device: "NVIDIA A10G", MemoryBytes: 11_300_000_000, MicroBatch: 4, Attempts: 2, Redone: 7,
				Versions: map[string]string{"torch": "2.11.0", "transformers": "5.17.0", "trl": "1.9.1", "cogflow": "1.2.3"},
				Data: &training.DataStats{
					Rows: 2872, EvalRows: 319, Tokens: 611_407, P50: 188, P90: 401, P99: 603, Max: 1210, Truncated: 212, Dropped: 2, StepsPerEpoch: n / 3,
				},
				Metrics: map[string]float64{"loss": 1.214, "accuracy": 0.6931}, BaseMetrics: map[string]float64{"loss": 1.905, "accuracy": 0.5712},
				Comparison: &training.Comparison{
					Metric: "loss", LowerIsBetter: true, Base: 1.905, Best: 1.214, Difference: -0.691, CILow: -0.742, CIHigh: -0.64, PValue: 1e-5, N: 319, Better: true,
					Test: "paired sign-flip permutation test",
				},
			},
		},
		Plan: estimate.Estimate{
			Parameters: 3_075_098_624, LoRAParameters: 3_784_704, Numerics: training.BF16, Tokens: 1_834_221, Steps: n,
			Classes: []estimate.ClassEstimate{{
				Class: "a10g", Fits: true, NeedBytes: 12_100_000_000, HasBytes: 24_000_000_000, MicroBatch: 4, Accumulation: 4, TokensPerSecond: 700,
				Seconds: 2620, CostUSD: new(0.8), Source: estimate.Formula,
			}},
		},
		Check: dataset.Check{
			OK: true, Method: training.SFT, HeldOut: 319,
			Train: dataset.Survey{
				Name: "support.jsonl", SHA256: hash, Format: rows.FormatAlpaca, Container: "jsonl", Rows: 3204, Kept: 3191, Dropped: 13,
				DroppedBy: map[string]int{"empty_answer": 11, "not_utf8": 2}, Duplicates: 41, RepeatedPrompts: 5,
			},
			Problems: []dataset.Problem{
				{Severity: dataset.SeverityError, Code: "empty_answer", File: "support.jsonl", Line: 17, Row: 17, Field: "output", Reason: "the answer is empty", Fix: "write one or remove the row"},
				{Severity: dataset.SeverityWarning, Code: "duplicates", File: "support.jsonl", Reason: "41 rows equal an earlier one", Fix: "remove them: they count twice"},
			},
			Counts: map[string]int{"empty_answer": 11, "not_utf8": 2, "duplicates": 41}, Suggestions: []string{"raise max_seq_length to 640 to cut 1 % of the rows instead of 7 %"},
		},
		Samples: []summary.Sample{
			{
				Row: 14, Base: 3.112, Best: 0.702, Parts: []rows.Part{{Key: rows.KeyMessages, Messages: []rows.Message{
					{Role: rows.RoleSystem, Content: "You answer customers of a video library."},
					{Role: rows.RoleUser, Content: "How do I reset my password?"},
					{Role: rows.RoleAssistant, Content: "Which account is it: yours, or your team's?"},
					{Role: rows.RoleUser, Content: "Mine."},
					{Role: rows.RoleAssistant, Content: "1. Go to <Settings>.\n2. Choose Security, then Reset."},
				}}}, BaseAnswer: &training.Answer{Row: 14, Text: "I am sorry, I cannot help with <passwords>. Please write to support, which", Cut: true},
				BestAnswer: &training.Answer{Row: 14, Text: "1. Go to <Settings>.\n2. Choose Security."},
			},
			{Row: 201, Base: 1.02, Best: 1.31, Parts: []rows.Part{{Key: rows.KeyPrompt, Text: "Translate the sentence into French."}, {Key: rows.KeyCompletion, Text: "Traduisez la phrase."}}},
			{Row: 7, Base: 0.5, Best: 0.5, Text: "{a row that cannot be read"},
		},
	}
	r.Events = events(n)
	return r
}

// events are the events of a run with a falling loss and deterministic noise.
func events(n int) []training.Event {
	out := []training.Event{
		{Event: training.EventDevice, Device: "NVIDIA A10G"},
		{Event: training.EventEval, Of: training.OfBase, Metrics: map[string]float64{"loss": 1.905, "accuracy": 0.5712}},
	}
	for i := 1; i <= n; i++ {
		x := float64(i) / float64(n)
		noise := math.Sin(float64(i)*12.9898) * math.Cos(float64(i)*78.233)
		rate := 2e-4 * min(1, x*10) * (1 - max(0, x-0.1)/0.9)
		out = append(out, training.Event{
			Event: training.EventStep, Step: i, Total: n, Loss: new(1.1 + 0.9*math.Exp(-4*x) + 0.16*noise), LearningRate: rate,
			TokensPerSecond: 760 + 40*noise, Metrics: map[string]float64{"grad_norm": 0.8 + 0.3*math.Exp(-8*x) + 0.2*noise*noise},
		})
		if i%max(1, n/10) == 0 {
			held := 1.1855 + 0.7*math.Exp(-4*x) + 0.12*max(0, x-0.8)
			out = append(out, training.Event{
				Event: training.EventEval, Of: training.OfCurrent, Step: i, Metrics: map[string]float64{"loss": held, "accuracy": 0.5684 + 0.13*(1-math.Exp(-4*x))},
			})
		}
		if i%max(1, n/6) == 0 {
			out = append(out, training.Event{Event: training.EventCheckpoint, Step: i, Path: fmt.Sprintf("checkpoints/%08d", i)})
		}
		if i == n/3 {
			out = append(out, training.Event{Event: training.EventDevice, Device: "NVIDIA A10G"})
		}
	}
	return out
}

func checkSelfContained(t testing.TB, page string) {
	t.Helper()
	reporttest.SelfContained(t, page, report.Style+report.CurveStyle)
}

func TestTrainGolden(t *testing.T) {
	t.Parallel()
	page := render(t, trained(30))
	checkSelfContained(t, page)
	reporttest.Golden(t, "testdata/train.html", []byte(page))
	empty := render(t, summary.Run{})
	checkSelfContained(t, empty)
	reporttest.Golden(t, "testdata/train_empty.html", []byte(empty))
	assert.Equal(t, page, render(t, trained(30)), "the same report gives the same bytes")
}

func TestTrainVerdicts(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		change func(r *summary.Run)
		want   []string
	}{
		"better": {func(*summary.Run) {}, []string{
			">Better than its base</span>", "On 319 held-out rows the mean loss is 0.691 lower than the base model&#39;s (1.214 instead of 1.905).",
			"p &lt; 0.0001", "cogflow adapters activate support@3 --tenant acme<", "The interval does not include it.",
		}},
		"chance": {func(r *summary.Run) {
			c := r.Adapter.Outcome.Comparison
			c.Better, c.Difference, c.CIHigh, c.PValue = false, -0.01, 0.02, 0.3
		}, []string{">Not better than its base</span>", "The difference is not statistically significant", "activate support@3 --tenant acme --force<"}},
		"chance, by the level of rated answers": {func(r *summary.Run) {
			c := r.Adapter.Outcome.Comparison
			c.Better, c.Metric, c.LowerIsBetter, c.Difference, c.PValue = false, training.MetricMargin, false, 0.2, 0.03
		}, []string{">Not better than its base</span>", "The difference is not statistically significant"}},
		"form": {func(r *summary.Run) {
			c := r.Adapter.Outcome.Comparison
			c.Better, c.Metric = false, training.MetricAnswerLoss
			c.Match = &training.Match{Metric: training.MetricOtherLoss, Own: 0.691, Other: 0.688, Difference: 0.003, CILow: -0.01, CIHigh: 0.02, PValue: 0.4, N: 319}
		}, []string{
			">Not better than its base</span>", "On 319 held-out rows the mean answer loss is 0.691 lower", "Training may have taught only their form",
			"Gain with own questions &#43;0.6910, with those of other rows &#43;0.6880", "activate support@3 --tenant acme --force<",
		}},
		"content": {func(r *summary.Run) {
			r.Adapter.Outcome.Comparison.Match = &training.Match{Metric: training.MetricOtherLoss, Own: 0.7, Other: 0.2, Difference: 0.5, CILow: 0.4, CIHigh: 0.6, N: 319, Learned: true}
		}, []string{">Better than its base</span>", "It depends on the question"}},
		"popular documents": {func(r *summary.Run) {
			c := r.Adapter.Outcome.Comparison
			c.Better, c.Metric, c.LowerIsBetter, c.Difference = false, training.MetricNDCG, false, 0.2
			c.Match = &training.Match{Metric: training.MetricOtherNDCG, Own: 0.2, Other: 0.2, PValue: 1, N: 319}
		}, []string{">Not better than its base</span>", "only to rank some documents higher"}},
		"held out, too long": {func(r *summary.Run) {
			r.Check.Eval, r.Adapter.Outcome.Data.EvalDropped = &dataset.Survey{Kept: 319}, 4
		}, []string{"Held out, but too long for an answer"}},
		"worse": {func(r *summary.Run) {
			c := r.Adapter.Outcome.Comparison
			c.Better, c.Difference, c.CILow, c.CIHigh = false, 0.5, 0.4, 0.6
		}, []string{">Not better than its base</span>", "The model got significantly worse"}},
		"nothing comparable": {func(r *summary.Run) {
			*r.Adapter.Outcome.Comparison = training.Comparison{Metric: "loss", PValue: 1, Missing: 3, Verdict: "not compared: no rows were held out"}
		}, []string{">Not better than its base</span>", "No verdict: not compared: no rows"}},
		"missing":      {func(r *summary.Run) { r.Adapter.Outcome.Comparison.Missing = 2 }, []string{"2 more rows had no finite value of one of the models."}},
		"not compared": {func(r *summary.Run) { r.Adapter.Outcome.Comparison = nil }, []string{">Not compared with its base</span>", "No rows were held out"}},
		"stopped": {func(r *summary.Run) {
			r.Status, r.Adapter.Outcome.Ended, r.Adapter.Outcome.Steps = "stopped", training.EndedStopped, 12
		}, []string{
			">Stopped, the best so far is kept</span>", "of 30 planned",
		}},
		"unchanged":     {func(r *summary.Run) { r.Status = "unchanged" }, []string{">Unchanged</span>", "Nothing was computed again"}},
		"out of memory": {func(r *summary.Run) { r.Adapter.Outcome.Ended = training.EndedOutOfMemory }, []string{">Out of memory</span>"}},
		"budget":        {func(r *summary.Run) { r.Adapter.Outcome.Ended = training.EndedBudget }, []string{">Stopped by the budget</span>"}},
		"diverged":      {func(r *summary.Run) { r.Events[2].Loss = nil }, []string{"1 step had a loss that is not a number"}},
		"leaks":         {func(r *summary.Run) { r.Check.Eval = &dataset.Survey{Leaks: 3} }, []string{"3 rows of the evaluation dataset have a prompt that was trained on"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := trained(30)
			c.change(&r)
			page := render(t, r)
			checkSelfContained(t, page)
			for _, want := range c.want {
				assert.Contains(t, page, want)
			}
		})
	}
}

func TestTrainHistory(t *testing.T) {
	t.Parallel()
	s := read(trained(30).Events)
	assert.Equal(t, []int{5, 10, 15, 20, 25, 30}, s.checkpoints)
	assert.Equal(t, []resume{{10, "NVIDIA A10G"}}, s.resumes)
	assert.Equal(t, 30, s.last)
	p := newPoints(training.SFT, s, training.Outcome{BestStep: 24})
	assert.Equal(t, []string{"Loss", "Token accuracy"}, p.Metrics)
	assert.Len(t, p.Rows, 14)
	for _, row := range p.Rows {
		assert.Equal(t, row.Step == "24", row.Best)
	}
}

// TestTrainManySteps: the size of a page does not grow with the number of steps.
func TestTrainManySteps(t *testing.T) {
	t.Parallel()
	r := trained(60_000)
	r.Events[30_000].Loss = new(1.999)
	for i := range 500 {
		r.Events = append(r.Events, training.Event{Event: training.EventCheckpoint, Step: 100 * i})
	}
	page := render(t, r)
	checkSelfContained(t, page)
	assert.Less(t, len(page), 220_000)
}

func TestFigures(t *testing.T) {
	t.Parallel()
	for want, v := range map[string]float64{
		"0": 0, "1.235": 1.23456, "0.1235": 0.123456, "12,346": 12345.6, "2e-5": 2e-5, "1.23e12": 1.23e12, report.Absent: math.NaN(), "-0.5000": -0.5,
	} {
		assert.Equal(t, want, figure(v))
	}
	assert.Equal(t, "+0.5000", signed(0.5))
	assert.Equal(t, "−0.5000", signed(-0.5))
	assert.Equal(t, report.Absent, signed(math.Inf(1)))
	assert.Equal(t, "1.83 M", large(1_834_221))
}

func malicious(text string) summary.Run {
	wild := math.Inf(1)
	metrics := map[string]float64{text: math.NaN(), "loss": wild, "accuracy": -wild}
	o := training.Outcome{
		Ended: text, Steps: -1, Total: math.MaxInt, BestStep: -7, Tokens: math.MinInt64, Seconds: wild, CostUSD: math.NaN(), GPU: text, Device: text,
		MemoryBytes: -1, MicroBatch: -1, Attempts: -1, Redone: -1, Versions: map[string]string{text: text}, Metrics: metrics, BaseMetrics: metrics,
		Data:       &training.DataStats{Rows: -1, P50: math.MaxInt, Max: 1, Truncated: math.MaxInt},
		Comparison: &training.Comparison{Metric: text, Test: text, Verdict: text, Difference: wild, CILow: -wild, CIHigh: math.NaN(), PValue: 7, N: -1},
	}
	spec := training.Spec{
		Method: training.Method(text), Model: text, Revision: text, Dataset: text, Numerics: training.Numerics(text),
		Config: training.Config{LearningRate: wild, Scheduler: text, MaxSeqLength: 3}, LoRA: &training.LoRA{TargetModules: []string{text}},
	}
	return summary.Run{
		Tenant: tenant.ID(text), Workflow: text, Run: text, Status: text,
		Adapter: training.Adapter{Name: text, Version: 1, Role: text + "r", Kind: text, Job: text, Spec: spec, Base: training.Model{Repo: text}, Outcome: o},
		Plan:    estimate.Estimate{Parameters: -1, Tokens: -1, Classes: []estimate.ClassEstimate{{Class: text, CostUSD: &wild, Seconds: wild, Source: text}}},
		Check: dataset.Check{
			Train:    dataset.Survey{Name: text, Format: rows.Format(text), Container: text, Rows: 1, DroppedBy: map[string]int{text: -1}, Tokens: dataset.Spread{Max: 1}},
			Problems: []dataset.Problem{{Severity: dataset.Severity(text), Code: text, File: text, Line: 1, Field: text, Reason: text, Fix: text}},
			Counts:   map[string]int{text: math.MaxInt}, Suggestions: []string{text},
		},
		Events: []training.Event{
			{Event: training.EventDevice, Device: text},
			{Event: training.EventStep, Step: math.MaxInt, Loss: &wild, TokensPerSecond: wild, Metrics: metrics},
			{Event: training.EventDevice, Device: text},
			{Event: training.EventStep, Step: -1, LearningRate: math.NaN(), Metrics: map[string]float64{"grad_norm": wild}},
			{Event: training.EventEval, Of: training.OfBase, Metrics: metrics},
			{Event: training.EventEval, Of: training.OfCurrent, Step: -5, Metrics: metrics},
			{Event: training.EventCheckpoint, Step: math.MinInt},
			{Event: text},
		},
		Samples: []summary.Sample{
			{Row: -1, Text: text, Base: wild, Best: math.NaN(), BaseAnswer: &training.Answer{Text: text}, BestAnswer: &training.Answer{Text: text, Cut: true}},
			{Parts: []rows.Part{{Key: text, Text: text}, {Key: rows.KeyMessages, Messages: []rows.Message{{Role: text, Content: text}, {Role: rows.RoleAssistant, Content: text}}}}},
		},
	}
}

func FuzzRender(f *testing.F) {
	for _, text := range []string{
		`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, "</style><b>x", "{{.CSS}}", "\u202e\x00'`", strings.Repeat("A", 9999), "a$(b)", "",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, page := range []string{render(t, malicious(text)), renderSweep(t, maliciousSweep(text))} {
			checkSelfContained(t, page)
			require.NotContains(t, page, "\x00")
			require.NotContains(t, page, "\u202e")
			require.NotContains(t, page, "<script")
			require.NotContains(t, page, "NaN")
			require.NotContains(t, page, strings.Repeat("A", report.MaxReason+1))
			require.True(t, strings.HasSuffix(page, "</html>\n"))
		}
	})
}

func TestRenderTrainPassesOnWriteErrors(t *testing.T) {
	t.Parallel()
	err := Render(reporttest.BrokenWriter{Err: io.ErrShortWrite}, trained(3))
	require.ErrorIs(t, err, io.ErrShortWrite)
	assert.Equal(t, fault.Transport, fault.ClassOf(err))
}
