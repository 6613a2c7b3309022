// Package gpuruns reads what trainer/gpu_check.py measured, and puts the estimates beside it.
package gpuruns

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/strictjson"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/training/estimate"
	"github.com/cogniverse/cogflow/video"
)

// Check is the file that gpu_check.py writes.
type Check struct {
	Machine  Machine                    `json:"machine"`
	Runs     []Run                      `json:"runs"`
	Resume   map[string]json.RawMessage `json:"resume"`   // equality of a resumed run
	Embedder map[string]json.RawMessage `json:"embedder"` // speed of picture embedding
}

// Machine is where it ran.
type Machine struct {
	Device       string `json:"device"` // "cpu", or the driver's name
	Torch        string `json:"torch"`
	Transformers string `json:"transformers"`
	TRL          string `json:"trl"`
}

// Run is one training: LoRA of rank 8 on q, k, v and o of a random model, in bfloat16 on a GPU and
// fp32 without.
type Run struct {
	Name            string          `json:"name"`
	Method          training.Method `json:"method"`
	Size            string          `json:"size"`
	Side            string          `json:"side"` // "plain" = TRL with its defaults, …
	Device          string          `json:"device"`
	Shape           estimate.Shape  `json:"shape"`
	Packing         bool            `json:"packing"`
	LoadIn4Bit      bool            `json:"load_in_4bit"`
	BatchSize       int             `json:"batch_size"`
	MaxSeqLength    int             `json:"max_seq_length"`
	Rows            int             `json:"rows"` // 0 = of another trainer, which is not estimated
	Tokens          int64           `json:"tokens"`
	Longest         int             `json:"longest"`
	PeakBytes       float64         `json:"peak_bytes"` // reserved on the GPU; resident without
	TokensPerSecond float64         `json:"tokens_per_second"`
	NotRun          string          `json:"not_run"`
	Failed          string          `json:"failed"`
}

// Read reads a file of gpu_check.py, or a list of runs.
func Read(name string, data []byte) (Check, error) {
	var c Check
	var err error
	if bytes.HasPrefix(bytes.TrimSpace(data), []byte("[")) {
		err = strictjson.Unmarshal(data, &c.Runs, strictjson.AllowUnknown)
	} else {
		err = strictjson.Unmarshal(data, &c, strictjson.AllowUnknown)
	}
	if err == nil && len(c.Runs) == 0 {
		return c, fault.New(fault.Input, "read measured runs", name, "it has no runs")
	}
	return c, fault.Wrap(fault.Input, "read measured runs", name, err)
}

// Estimate is what the planner says of a run; false = it is not a run of cogflow's trainer.
func (r Run) Estimate() (estimate.ClassEstimate, bool, error) {
	if r.Rows == 0 || r.PeakBytes == 0 {
		return estimate.ClassEstimate{}, false, nil
	}
	lora, err := r.Shape.Adapt(training.LoRA{R: 8, Alpha: 16, TargetModules: []string{"k_proj", "o_proj", "q_proj", "v_proj"}})
	if err != nil {
		return estimate.ClassEstimate{}, false, err
	}
	class, numerics := "cpu", training.FP32
	if r.Device != class {
		class, numerics = cmp.Or(video.GPUClassOf(r.Device+","), "h100"), training.BF16
	}
	p := estimate.Plan{
		Method: r.Method, Shape: r.Shape, LoRA: &lora, Numerics: numerics, Classes: []string{class},
		Rows: r.Rows, Tokens: r.Tokens, Longest: r.Longest,
		Config: training.Config{
			Epochs: 1, BatchSize: r.BatchSize, Accumulation: 1, MaxSeqLength: r.MaxSeqLength, Packing: r.Packing, LoadIn4Bit: r.LoadIn4Bit,
		},
	}
	e, err := p.Estimate()
	if err != nil {
		return estimate.ClassEstimate{}, false, err
	}
	return e.Classes[0], true, nil
}

// Markdown is a table of everything that was measured, with the estimates.
func (c Check) Markdown() (string, error) {
	var b strings.Builder
	m := c.Machine
	fmt.Fprintf(&b, "Measured on %s, torch %s, transformers %s, TRL %s.", cmp.Or(m.Device, "an unknown device"), m.Torch, m.Transformers, m.TRL)
	if m.Device == "cpu" {
		b.WriteString(" It is a run on a CPU, with tiny models, and says nothing about a GPU.")
	}
	b.WriteString("\n\n| Run | Tokens/s | Of plain | Estimated tokens/s | Memory, GB | Estimated memory, GB |\n|---|---|---|---|---|---|\n")
	plain := map[string]float64{}
	for _, r := range c.Runs {
		if r.Side == "plain" {
			plain[string(r.Method)+r.Size] = r.TokensPerSecond
		}
	}
	for _, r := range c.Runs {
		if why := cmp.Or(r.NotRun, r.Failed); why != "" {
			fmt.Fprintf(&b, "| %s | %s | | | | |\n", r.Name, why)
			continue
		}
		ratio, speed, memory := "", "", ""
		if base := plain[string(r.Method)+r.Size]; base > 0 {
			ratio = fmt.Sprintf("%.2f ×", r.TokensPerSecond/base)
		}
		e, ok, err := r.Estimate()
		if err != nil {
			return "", err
		}
		if ok {
			speed = fmt.Sprintf("%.0f", e.TokensPerSecond)
			memory = fmt.Sprintf("%.2f (%+.0f %%)", float64(e.NeedBytes)/1e9, 100*(float64(e.NeedBytes)/r.PeakBytes-1))
		}
		fmt.Fprintf(&b, "| %s | %.0f | %s | %s | %.2f | %s |\n", r.Name, r.TokensPerSecond, ratio, speed, r.PeakBytes/1e9, memory)
	}
	b.WriteString("\n| Resumed run | |\n|---|---|\n")
	pairs(&b, c.Resume)
	b.WriteString("\n| Embedder | |\n|---|---|\n")
	pairs(&b, c.Embedder)
	return b.String(), nil
}
