// Package card writes the model card of an adapter. It knows no files.
package card

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/training"
)

// Card is the model card of an adapter, for people and for machines. Zero values are
// omitted from the text.
type Card struct {
	Name     string `json:"name"`
	Version  string `json:"version"`
	Tenant   string `json:"tenant"`
	Job      string `json:"job"`
	Workflow string `json:"workflow"`
	Run      string `json:"run"`
	Created  string `json:"created"`         // RFC 3339
	Clock    string `json:"clock,omitempty"` // the time that chat templates read, RFC 3339

	Spec     training.Spec `json:"spec"`           // everything that determined the result
	Repo     string        `json:"repo,omitempty"` // of the base model on Hugging Face; empty = it has none, and Spec.Model is a local name
	Rows     int           `json:"rows"`
	EvalRows int           `json:"eval_rows"`
	Dropped  int           `json:"dropped,omitempty"` // rows with errors, or too long for an answer, that were left out
	Images   int           `json:"images,omitempty"`  // images of the training rows

	Device   string            `json:"device"` // name that the trainer reported
	Class    string            `json:"class"`  // GPU class
	Versions map[string]string `json:"versions,omitempty"`

	Steps       int     `json:"steps"`
	BestStep    int     `json:"best_step"` // published step
	Tokens      int64   `json:"tokens"`
	Seconds     float64 `json:"seconds"` // on the device, in all attempts
	CostUSD     float64 `json:"cost_usd"`
	CostKnown   bool    `json:"cost_known"`         // false: the class has no known price
	Estimate    float64 `json:"estimate,omitempty"` // USD, before the start
	Checkpoints int     `json:"checkpoints"`
	Preemptions int     `json:"preemptions"`

	Base       map[string]float64   `json:"base,omitempty"` // metrics of the base model
	Best       map[string]float64   `json:"best,omitempty"` // metrics of what is published
	Comparison *training.Comparison `json:"comparison,omitempty"`
}

// Markdown renders README.md of the adapter, with Hugging Face's front matter. All texts
// are escaped, so that they cannot become markup or a link.
func (c Card) Markdown() string {
	var b strings.Builder
	c.frontMatter(&b)
	fmt.Fprintf(&b, "# %s, version %s\n\n", plainText(c.Name), plainText(c.Version))
	fmt.Fprintf(&b, "%s of %s by cogflow.\n\n", c.kind(), plainText(c.repo()))
	c.result(&b)
	table(&b, "Lineage", c.lineage())
	table(&b, "Run", c.run())
	c.settings(&b)
	c.use(&b)
	return b.String()
}

func (c Card) repo() string {
	if c.Repo != "" {
		return c.Repo
	}
	return c.Spec.Model
}

func (c Card) kind() string {
	what := map[training.Method]string{
		training.SFT: "Supervised fine-tuning", training.DPO: "Direct preference optimization", training.KTO: "Kahneman-Tversky optimization", training.Embedding: "Contrastive fine-tuning",
	}[c.Spec.Method]
	switch {
	case c.Spec.Config.LoadIn4Bit:
		return what + " (QLoRA)"
	case c.Spec.LoRA != nil:
		return what + " (LoRA)"
	}
	return what + " (all weights)"
}

func (c Card) frontMatter(b *strings.Builder) {
	library, task, relation := "peft", "text-generation", "adapter"
	if c.Spec.LoRA == nil {
		library, relation = "transformers", "finetune"
	}
	switch {
	case c.late():
		task = "visual-document-retrieval"
	case c.Spec.Method == training.Embedding:
		task = "sentence-similarity"
		if c.Spec.LoRA == nil {
			library = "sentence-transformers"
		}
	case c.Images > 0:
		task = "image-text-to-text"
	}
	b.WriteString("---\n")
	fmt.Fprintf(b, "base_model: %s\nbase_model_relation: %s\nlibrary_name: %s\npipeline_tag: %s\n", quoted(c.repo()), relation, library, task)
	fmt.Fprintf(b, "tags:\n  - cogflow\n  - %s\n", quoted(string(c.Spec.Method)))
	if c.Spec.LoRA != nil {
		b.WriteString("  - lora\n")
	}
	b.WriteString("---\n\n")
}

func (c Card) result(b *strings.Builder) {
	b.WriteString("## Result\n\n")
	switch {
	case c.Comparison != nil:
		fmt.Fprintf(b, "%s.\n\n", plainText(capital(c.Comparison.Verdict)))
	default:
		b.WriteString("Not compared with " + plainText(c.before()) + ".\n\n")
	}
	if len(c.Best) == 0 {
		return
	}
	fmt.Fprintf(b, "| Metric on held-out rows | %s | This |\n|---|---|---|\n", plainText(cmp.Or(c.Spec.Start.String(), "Base")))
	for _, name := range slices.Sorted(maps.Keys(c.Best)) {
		base := "–"
		if v, ok := c.Base[name]; ok {
			base = number(v)
		}
		fmt.Fprintf(b, "| %s | %s | %s |\n", plainText(name), base, number(c.Best[name]))
	}
	if c.Comparison != nil && c.Comparison.Test != "" {
		fmt.Fprintf(b, "\nTest: %s, on %d pairs.\n", plainText(c.Comparison.Test), c.Comparison.N)
	}
	b.WriteString("\n")
}

// before is what the adapter is compared with.
func (c Card) before() string { return cmp.Or(c.Spec.Start.String(), "its base") }

func (c Card) startHash() string {
	if c.Spec.Start == nil {
		return ""
	}
	return c.Spec.Start.SHA256
}

func (c Card) lineage() [][2]string {
	rows := [][2]string{
		{"Base model", c.repo()},
		{"Base revision", c.Spec.Revision},
		{"Continues", c.Spec.Start.String()},
		{"Weights of that (SHA-256)", c.startHash()},
		{"Dataset (SHA-256)", c.Spec.Dataset},
		{"Rows", strconv.Itoa(c.Rows)},
		{"Images", optional(c.Images)},
		{"Rows left out", optional(c.Dropped)},
		{"Held-out rows", optional(c.EvalRows)},
		{"Held-out rows (SHA-256)", c.Spec.Evaluation},
		{"Job", c.Job},
		{"Workflow", c.Workflow},
		{"Workflow run", c.Run},
		{"Tenant", c.Tenant},
		{"Created", c.Created},
	}
	if c.Spec.Method != training.Embedding {
		rows = append(rows, [2]string{"Time of the chat template", c.Clock})
	}
	return rows
}

func (c Card) run() [][2]string {
	cost := "not known"
	if c.CostKnown {
		cost = fmt.Sprintf("%.4f USD", c.CostUSD)
	}
	if c.Estimate > 0 {
		cost += fmt.Sprintf(" (estimated %.4f USD)", c.Estimate)
	}
	rows := [][2]string{
		{"Device", c.Device},
		{"Class", c.Class},
		{"Numerics", string(c.Spec.Numerics)},
		{"Base model in training", c.Spec.Config.Quantization()},
		{"Seed", strconv.FormatInt(c.Spec.Seed, 10)},
		{"Steps", strconv.Itoa(c.Steps)},
		{"Published step", strconv.Itoa(c.BestStep)},
		{"Tokens trained on", strconv.FormatInt(c.Tokens, 10)},
		{"Time on the device", time.Duration(c.Seconds * float64(time.Second)).Round(time.Second).String()},
		{"Cost", cost},
		{"Checkpoints", strconv.Itoa(c.Checkpoints)},
		{"Preemptions", strconv.Itoa(c.Preemptions)},
	}
	for _, name := range slices.Sorted(maps.Keys(c.Versions)) {
		rows = append(rows, [2]string{name, c.Versions[name]})
	}
	return rows
}

func (c Card) settings(b *strings.Builder) {
	b.WriteString("## Settings\n\n```json\n")
	text, err := json.MarshalIndent(struct {
		Config training.Config `json:"config"`
		LoRA   *training.LoRA  `json:"lora"`
	}{c.Spec.Config, c.Spec.LoRA}, "", "  ")
	if err != nil { // a number that JSON cannot hold; Resolve refuses those
		text = []byte(quoted(err.Error()))
	}
	b.WriteString(strings.ReplaceAll(string(text), "`", `\u0060`))
	b.WriteString("\n```\n\n")
}

func (c Card) use(b *strings.Builder) {
	if c.Spec.LoRA == nil {
		return
	}
	base := `"path/of/the/base/model"`
	if c.Repo != "" {
		base = fmt.Sprintf("%s, revision=%s", quoted(c.Repo), quoted(c.Spec.Revision))
	}
	b.WriteString("## Use\n\n")
	if c.late() {
		b.WriteString("```sh\npython -m embedder --model path/of/this/folder --base path/of/the/base/model\n```\n")
		return
	}
	b.WriteString("```python\n")
	if c.Spec.Method == training.Embedding {
		fmt.Fprintf(b, "from sentence_transformers import SentenceTransformer\n\nmodel = SentenceTransformer(%s)\nmodel.load_adapter(\"path/of/this/folder\")\n", base)
	} else {
		class := "AutoModelForCausalLM"
		if c.Images > 0 {
			class = "AutoModelForImageTextToText"
		}
		fmt.Fprintf(b, "from peft import PeftModel\nfrom transformers import %[1]s\n\nbase = %[1]s.from_pretrained(%[2]s)\nmodel = PeftModel.from_pretrained(base, \"path/of/this/folder\")\n", class, base)
	}
	b.WriteString("```\n")
}

// late reports a model with a vector for each token and each patch of an image.
func (c Card) late() bool { return c.Spec.Config.Loss == training.LateInteraction }
