package card_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/training/card"
)

var updateCard = flag.Bool("update-card", false, "rewrite testdata/card.md")

func sample(t testing.TB) card.Card {
	t.Helper()
	c, lora, _, err := training.Resolve(training.SFT, training.Settings{}, training.LoRASettings{})
	require.NoError(t, err)
	var base, best []training.RowValues
	for i := range 7 {
		base = append(base, training.RowValues{Row: i, Values: map[string]float64{"loss": 2}})
		best = append(best, training.RowValues{Row: i, Values: map[string]float64{"loss": 1}})
	}
	comparison, err := training.Compare(training.SFT, base, best)
	require.NoError(t, err)
	return card.Card{
		Name: "router", Version: "3", Tenant: "acme", Job: "0123456789abcdef01234567", Workflow: "train-sft-router", Run: "r-1",
		Created: "2026-01-02T03:04:05Z", Clock: "2026-01-01T23:59:59Z",
		Spec: training.Spec{
			Method: training.SFT, Model: "HuggingFaceTB/SmolLM-135M", Revision: "1d461723eec654e65efdc40cf49301c89c0c92f4",
			Dataset: strings.Repeat("ab", 32), Evaluation: strings.Repeat("cd", 32), Seed: 42, Numerics: training.BF16, Config: c, LoRA: lora,
		},
		Repo: "HuggingFaceTB/SmolLM-135M", Rows: 900, EvalRows: 100, Dropped: 2, Device: "NVIDIA A10G", Class: "a10g", Versions: map[string]string{"torch": "2.11.0", "peft": "0.20.0"},
		Steps: 171, BestStep: 120, Tokens: 345678, Seconds: 754.2, CostUSD: 0.2304, CostKnown: true, Estimate: 0.25, Checkpoints: 3, Preemptions: 1,
		Base: map[string]float64{"loss": 2, "accuracy": 0.5}, Best: map[string]float64{"loss": 1, "accuracy": 0.75}, Comparison: &comparison,
	}
}

func TestCard(t *testing.T) {
	t.Parallel()
	got := sample(t).Markdown()
	golden := filepath.Join("testdata", "card.md")
	if *updateCard {
		require.NoError(t, os.WriteFile(golden, []byte(got), 0o600))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	assert.Equal(t, string(want), got)
}

func TestCardWithoutMuch(t *testing.T) {
	t.Parallel()
	c := sample(t)
	c.Repo = ""
	assert.Contains(t, c.Markdown(), `from_pretrained("path/of/the/base/model")`, "a name from the configuration is not a repository")
	c.Spec.Method, c.Spec.LoRA, c.Comparison, c.Best, c.CostKnown, c.EvalRows, c.Spec.Evaluation = training.Embedding, nil, nil, nil, false, 0, ""
	text := c.Markdown()
	assert.Contains(t, text, "library_name: sentence-transformers\n")
	assert.Contains(t, text, "Not compared with its base.")
	assert.Contains(t, text, "| Cost | not known")
	assert.NotContains(t, text, "Held-out")
	assert.NotContains(t, text, "## Use")
}

func TestCardOfImages(t *testing.T) {
	t.Parallel()
	c := sample(t)
	c.Images = 12
	assert.Contains(t, c.Markdown(), "base = AutoModelForImageTextToText.from_pretrained(")
	assert.Contains(t, c.Markdown(), "pipeline_tag: image-text-to-text\n")
	c.Spec.Method, c.Spec.Config.Loss = training.Embedding, training.LateInteraction
	assert.Contains(t, c.Markdown(), "python -m embedder --model path/of/this/folder")
	assert.NotContains(t, c.Markdown(), "SentenceTransformer")
}

func TestCardOfQLoRA(t *testing.T) {
	t.Parallel()
	c := sample(t)
	assert.NotContains(t, c.Markdown(), "4 bits")
	c.Spec.Config.LoadIn4Bit = true
	text := c.Markdown()
	assert.Contains(t, text, "Supervised fine-tuning (QLoRA) of")
	assert.Contains(t, text, "| Base model in training | 4 bits (NF4, double quantization) |")
}

// TestUntrustedTextInCard: text from inputs, models and trainers cannot leave its cell.
func TestUntrustedTextInCard(t *testing.T) {
	t.Parallel()
	for _, evil := range []string{
		"x\n\n# Owned\n", "<script>alert(1)</script>", "[click](javascript:alert(1))", "a | b | c", "![](http://evil/x.png)",
		"---\nlicense: mit\n---", "```\nrm -rf\n```", "https://evil.example", "www.evil.example", "\u202egnp.exe", "\xff\xfe", "a\"b\nc: d", "a\u2028b", "@everyone",
	} {
		c := sample(t)
		lines := strings.Count(c.Markdown(), "\n")
		c.Name, c.Version, c.Repo, c.Device, c.Workflow, c.Tenant = evil, evil, evil, evil, evil, evil
		c.Spec.Revision, c.Spec.LoRA.TargetModules[0] = evil, evil
		c.Comparison.Verdict, c.Comparison.Test = evil, evil
		c.Versions = map[string]string{evil: evil, "torch": "2"}
		c.Best = map[string]float64{evil: 1, "loss": 2}
		text := c.Markdown()
		require.Equal(t, lines, strings.Count(text, "\n"), "%q adds no line", evil)
		require.Equal(t, 2, strings.Count("\n"+text, "\n---\n"), evil)
		require.Equal(t, 4, strings.Count(text, "```"), evil)
		_, prose, _ := strings.Cut(text, "\n# ")
		prose, _, _ = strings.Cut(prose, "## Settings")
		for _, markup := range []string{"<script", "](", "![", "://", "www.", "@everyone"} {
			require.NotContains(t, strings.NewReplacer(`\\`, "", `\<`, "", `\]`, "", `\[`, "", `\:`, "", `\.`, "", `\@`, "").Replace(prose), markup, evil)
		}
		for line := range strings.Lines(prose) {
			if strings.HasPrefix(line, "|") {
				cells := strings.Count(strings.ReplaceAll(line, `\|`, ""), "|")
				require.Contains(t, []int{3, 4}, cells, line)
			}
		}
	}
}
