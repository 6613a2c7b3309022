// Package estimate predicts memory, time and cost of a training run on each GPU
// class, from the shape of the base model and the dataset. It reads no files and
// knows nothing of how a run is executed.
package estimate

import (
	"fmt"
	"math"
	"strings"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/training"
)

// Plan is the input of an estimate.
type Plan struct {
	Method   training.Method
	Model    string
	Shape    Shape
	Config   training.Config
	LoRA     *training.LoRA // nil = all weights are trained
	Numerics training.Numerics
	Classes  []string // in the order of the input

	Rows       int   // training rows
	Tokens     int64 // of one epoch, after truncation; DPO: a prompt counts with each answer
	Longest    int   // tokens of the longest row, before truncation; 0 = not known
	EvalRows   int
	EvalTokens int64

	Speeds    []Speed // of earlier runs, the newest last
	Prices    Prices
	BudgetUSD float64 // hard limit; 0 = none
	CPUBytes  int64   // memory of a worker without a GPU; 0 = not known
}

// Speed is the measured speed of an earlier run.
type Speed struct {
	Model           string            `json:"model"`
	Method          training.Method   `json:"method"`
	Class           string            `json:"class"`
	Numerics        training.Numerics `json:"numerics"`
	LoRA            bool              `json:"lora"`
	TokensPerSecond float64           `json:"tokens_per_second"`
	StartupSeconds  float64           `json:"startup_seconds,omitempty"` // until the first step; 0 = not known
}

// Where the speed of an estimate comes from.
const (
	Measured = "measured" // from an earlier run of the same kind
	Formula  = "formula"  // from the size of the model and the class
	Unknown  = "unknown"  // the class cannot run the job
)

// Estimate is what a job needs, per GPU class.
type Estimate struct {
	Parameters     int64             `json:"parameters"`                // weights of the base model
	LoRAParameters int64             `json:"lora_parameters,omitempty"` // 0 = all weights are trained
	Numerics       training.Numerics `json:"numerics"`                  // fp32, fp16 or bf16
	Tokens         int64             `json:"tokens"`                    // in all epochs, unless training stops early
	Steps          int               `json:"steps"`                     // optimizer steps, unless training stops early
	Classes        []ClassEstimate   `json:"classes"`                   // one entry per GPU class of the input
}

// ClassEstimate is what a job needs on one GPU class.
type ClassEstimate struct {
	Class           string   `json:"class"`               // GPU class
	Fits            bool     `json:"fits"`                // true if the memory is enough
	WithinBudget    bool     `json:"within_budget"`       // true without a budget
	NeedBytes       int64    `json:"need_bytes"`          // peak memory: of the GPU, or of the process on cpu
	HasBytes        int64    `json:"has_bytes,omitempty"` // memory of the class; 0 = unknown
	MicroBatch      int      `json:"micro_batch"`         // rows per micro-batch
	Accumulation    int      `json:"accumulation"`        // micro-batches per optimizer step
	TokensPerSecond float64  `json:"tokens_per_second"`   // speed
	Seconds         float64  `json:"seconds"`             // duration
	CostUSD         *float64 `json:"cost_usd"`            // in USD; null = unknown price
	Source          string   `json:"source"`              // of the speed: "measured", "formula" or "unknown"
	Reason          string   `json:"reason,omitempty"`    // why it does not fit, or a remark
}

// Usable lists the classes that the job may run on, in their order.
func (e Estimate) Usable() (classes []string) {
	for _, c := range e.Classes {
		if c.Fits && c.WithinBudget {
			classes = append(classes, c.Class)
		}
	}
	return classes
}

// Estimate computes what the job needs on each class. The error is an input fault when it
// fits none of them, and a budget fault when it fits but costs too much; the estimate is
// complete in both cases.
func (p Plan) Estimate() (Estimate, error) {
	e := Estimate{Parameters: p.Shape.Parameters, Numerics: p.Numerics}
	switch {
	case p.Rows < 1 || p.Tokens < 1:
		return e, fault.New(fault.Input, "estimate training", p.Model, "the dataset is empty")
	case p.Shape.MaxPositions > 0 && p.Config.MaxSeqLength > p.Shape.MaxPositions:
		return e, fault.New(fault.Input, "estimate training", p.Model, fmt.Sprintf(
			"max_seq_length %d is more than the %d positions that the model has", p.Config.MaxSeqLength, p.Shape.MaxPositions))
	}
	if p.LoRA != nil {
		n, err := p.Shape.LoRAParameters(*p.LoRA)
		if err != nil {
			return e, err
		}
		e.LoRAParameters = n
	}
	e.Tokens = int64(p.Config.Epochs * float64(p.Tokens))
	e.Steps = p.steps()
	for _, class := range p.Classes {
		c, err := p.class(class, e)
		if err != nil {
			return e, err
		}
		e.Classes = append(e.Classes, c)
	}
	return e, p.refuse(e)
}

// class estimates one class, with the largest micro-batch that fits.
func (p Plan) class(name string, e Estimate) (ClassEstimate, error) {
	gpu, err := GPUOf(name)
	if err != nil {
		return ClassEstimate{}, err
	}
	c := ClassEstimate{
		Class: name, HasBytes: gpu.MemoryBytes, MicroBatch: p.Config.BatchSize, Accumulation: p.Config.Accumulation,
		Source: Unknown, WithinBudget: p.BudgetUSD == 0,
	}
	if name == classCPU {
		c.HasBytes = p.CPUBytes
	}
	for {
		c.NeedBytes = p.need(gpu, c.MicroBatch, e.LoRAParameters)
		if c.Fits = c.HasBytes == 0 || c.NeedBytes <= c.HasBytes; c.Fits {
			break
		}
		var smaller bool
		if c.MicroBatch, c.Accumulation, smaller = SmallerBatch(c.MicroBatch, c.Accumulation); !smaller {
			c.Reason = fmt.Sprintf("needs %s with a micro-batch of %d and has %s", gib(c.NeedBytes), c.MicroBatch, gib(c.HasBytes))
			return c, nil
		}
	}
	if c.HasBytes == 0 {
		c.Reason = "the memory of its workers is not known here"
	}
	p.time(gpu, &c, e)
	c.CostUSD = p.Prices.CostUSD(name, c.Seconds)
	if p.BudgetUSD > 0 {
		p.judge(&c)
	}
	return c, nil
}

// judge compares the cost with the budget. Without a price the cost is unlimited.
func (p Plan) judge(c *ClassEstimate) {
	switch {
	case c.CostUSD == nil:
		c.Reason = "has no known price, and budget_usd is a hard limit; set cogflow.training.prices"
	case *c.CostUSD > p.BudgetUSD:
		c.Reason = fmt.Sprintf("costs about %.2f USD, and the budget is %.2f", *c.CostUSD, p.BudgetUSD)
	default:
		c.WithinBudget = true
	}
}

func (p Plan) refuse(e Estimate) error {
	if len(e.Usable()) > 0 {
		return nil
	}
	class, op, hint := fault.Input, "fit the job on a GPU", ""
	for _, c := range e.Classes {
		if c.Fits {
			class, op = fault.Budget, "keep the job within its budget"
		}
	}
	var lines []string
	for _, c := range e.Classes {
		lines = append(lines, c.Class+" "+c.Reason)
	}
	if class == fault.Input {
		hint = "; name a larger class in gpu, or make max_seq_length smaller"
		if p.LoRA == nil {
			hint += " or use LoRA"
		} else if !p.Config.LoadIn4Bit && p.Method != training.Embedding {
			hint += ", or set load_in_4bit"
		}
	}
	if len(lines) == 0 {
		lines = []string{"no class is named"}
	}
	return fault.New(class, op, p.Model, strings.Join(lines, "; ")+hint)
}

// steps is the number of optimizer steps in all epochs, as the trainer counts them.
func (p Plan) steps() int {
	rows := float64(p.Rows)
	if p.Config.Packing {
		rows = min(rows, math.Ceil(float64(p.Tokens)/float64(p.Config.MaxSeqLength)))
	}
	perEpoch := math.Ceil(math.Ceil(rows/float64(p.Config.BatchSize)) / float64(p.Config.Accumulation))
	return int(math.Ceil(perEpoch * p.Config.Epochs))
}

// SmallerBatch returns the next smaller micro-batch with the accumulation that keeps their
// product; false = there is none. It changes the memory, not the result: the trainer
// weights the rows of a step equally, however they are divided.
func SmallerBatch(micro, accumulation int) (int, int, bool) {
	if micro < 2 {
		return micro, accumulation, false
	}
	factor := 2
	for micro%factor != 0 {
		factor++
	}
	return micro / factor, accumulation * factor, true
}

func gib(bytes int64) string { return fmt.Sprintf("%.1f GiB", float64(bytes)/(1<<30)) }
