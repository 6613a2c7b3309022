package estimate

import (
	"math"

	"github.com/cogniverse/cogflow/training"
)

// time fills in speed, seconds and their source.
func (p Plan) time(gpu GPU, c *ClassEstimate, e Estimate) {
	startup := p.startup(gpu)
	c.TokensPerSecond, c.Source = p.formulaSpeed(gpu, c.MicroBatch), Formula
	for _, s := range p.Speeds {
		if s.Model == p.Model && s.Method == p.Method && s.Class == gpu.Class && s.Numerics == p.Numerics && s.LoRA == (p.LoRA != nil) && s.TokensPerSecond > 0 {
			c.TokensPerSecond, c.Source = s.TokensPerSecond, Measured
			if s.StartupSeconds > 0 {
				startup = s.StartupSeconds
			}
		}
	}
	c.Seconds = startup + (float64(e.Tokens)+p.evaluations(e)*float64(p.EvalTokens)*p.evalShare(gpu))/c.TokensPerSecond
}

// evaluations is the number of passes over the held-out rows: of the base and of the best,
// and during training at least once per epoch.
func (p Plan) evaluations(e Estimate) float64 {
	n := 2 + math.Ceil(p.Config.Epochs)
	if p.Config.EvalSteps > 0 {
		n += math.Floor(float64(e.Steps) / float64(p.Config.EvalSteps))
	}
	if p.Method == training.SFT && p.EvalRows > 0 {
		n += 2 * float64(1+min(maxOthers, max(1, comparedPairs/p.EvalRows)))
	}
	return n
}

// Base and best are also scored on answers alone, with their own question and with those of
// other rows: as many as the trainer's matched.py takes.
const (
	comparedPairs = 256 // answers with other questions; each row has at least one
	maxOthers     = 8   // other questions per row
)

// passes counts the passes over the model that a training token costs, in
// multiples of a forward pass: forward, backward to the inputs, on GPUs the
// forward that recomputes activations, backward to the weights where all are
// trained, and the reference's forward. For its estimate of the KL divergence, KTO also scores
// an answer of another row, with the model and with the reference.
func (p Plan) passes(gpu GPU) float64 {
	n := 2.0
	if gpu.Class != classCPU {
		n++
	}
	if p.LoRA == nil {
		n++
	}
	return n + p.references() + p.estimates()
}

// references is the number of forward passes of the reference model.
func (p Plan) references() float64 {
	if p.Method == training.DPO || p.Method == training.KTO {
		return 1
	}
	return 0
}

// estimates is the number of forward passes for an estimate of the KL divergence.
func (p Plan) estimates() float64 {
	if p.Config.Loss == training.LossKTO {
		return 2
	}
	return 0
}

// evalShare is the cost of an evaluated token relative to a trained one.
func (p Plan) evalShare(gpu GPU) float64 {
	return (1 + p.references() + p.estimates()) / p.passes(gpu)
}

// flops of a forward pass of one token: a multiplication and an addition for every weight
// of a matrix and, in attention, for every other token. The embedding table only counts if
// it is also the output layer.
func (p Plan) flops() float64 {
	var n float64
	for _, l := range p.Shape.Linear {
		n += float64(l.In) * float64(l.Out) * float64(l.Count)
	}
	if p.Shape.Tied && p.Method != training.Embedding {
		n += float64(p.Shape.Vocab) * float64(p.Shape.Hidden)
	}
	return 2*n + 4*float64(p.Shape.Hidden)*p.longest()*float64(p.Shape.Layers)
}

// formulaSpeed estimates tokens per second.
func (p Plan) formulaSpeed(gpu GPU, micro int) float64 {
	perStep := float64(micro) * p.mean() // tokens
	computed := perStep                  // with padding
	if p.Method == training.Embedding {
		computed = float64(micro) * p.paddedRow()
	}
	work := computed * (p.passes(gpu)*p.flops() + 2*float64(p.Shape.Vision))
	if gpu.Class == classCPU {
		return perStep / (cpuStepSeconds + work/cpuFLOPS + p.squareSeconds(computed) + p.entrySeconds(computed, gpu))
	}
	best := gpu.TFLOPS16
	if p.Numerics == training.FP32 {
		best = gpu.TFLOPS32
	}
	// A model that is too small to fill the GPU waits for kernel launches.
	launch := float64(p.Shape.Layers) * p.passes(gpu) * launchSeconds
	return perStep / max(work/(best*gpu.MFU*1e12), launch)
}

// squareSeconds is the cost of dropout in an encoder's attention on the CPU.
func (p Plan) squareSeconds(tokens float64) float64 {
	if p.Method != training.Embedding {
		return 0
	}
	return tokens * float64(p.Shape.Heads*p.Shape.Layers) * p.longest() * cpuSquareSeconds
}

// entrySeconds is the cost of the logits on the CPU besides their matrix: exponentials, sums, entropy.
func (p Plan) entrySeconds(tokens float64, gpu GPU) float64 {
	if p.Method == training.Embedding {
		return 0
	}
	return tokens * p.passes(gpu) * float64(p.Shape.Vocab) * cpuEntrySeconds
}

// Speeds of the trainer on the CPU, where it computes in one thread for reproducible
// results, fitted to the runs in testdata/cpu-runs.json and smollm3-runs.json.
const (
	cpuFLOPS         = 90e9
	cpuSquareSeconds = 24e-9 // per entry of the attention matrix
	cpuEntrySeconds  = 7e-9  // per token, pass and entry of the vocabulary
	cpuStepSeconds   = 0.03  // per micro-batch, besides its arithmetic
	cpuStartup       = 17    // seconds, including those of the first step and the last save
)

// launchSeconds of a layer's kernels in one pass, without compilation.
const launchSeconds = 0.6e-3

// startup is the time until the first step: libraries, the GPU's context, the weights.
func (p Plan) startup(gpu GPU) float64 {
	load := float64(p.Shape.WeightBytes) / 1e9
	if gpu.Class == classCPU {
		return cpuStartup + load
	}
	return 30 + load
}
