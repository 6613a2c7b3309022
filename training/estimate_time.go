package training

import "math"

// time fills in speed, seconds and where they come from.
func (p Plan) time(gpu GPU, c *ClassEstimate, e Estimate) {
	startup := p.startup(gpu)
	c.TokensPerSecond, c.Source = p.formulaSpeed(gpu), Formula
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

// evaluations of the held-out rows: of the base and of the best, and in the
// course of training at least once an epoch.
func (p Plan) evaluations(e Estimate) float64 {
	return 2 + max(math.Ceil(p.Config.Epochs), math.Floor(float64(e.Steps)/float64(p.Config.EvalSteps)))
}

// passes counts the passes over the model that a training token costs, in
// multiples of a forward pass: forward, backward to the inputs, on GPUs the
// forward that recomputes activations, backward to the weights where all are
// trained, and the reference's forward.
func (p Plan) passes(gpu GPU) float64 {
	n := 2.0
	if gpu.Class != classCPU {
		n++
	}
	if p.LoRA == nil {
		n++
	}
	if p.Method == DPO {
		n++
	}
	return n
}

// evalShare is what an evaluated token costs of a trained one.
func (p Plan) evalShare(gpu GPU) float64 {
	if p.Method == DPO {
		return 2 / p.passes(gpu)
	}
	return 1 / p.passes(gpu)
}

// flops of a forward pass of one token: a multiplication and an addition for
// every weight of a matrix. The embedding table is looked up, not multiplied,
// but where it is the output layer too.
func (p Plan) flops() float64 {
	var n float64
	for _, l := range p.Shape.Linear {
		n += float64(l.In) * float64(l.Out) * float64(l.Count)
	}
	if p.Shape.Tied && p.Method != Embedding {
		n += float64(p.Shape.Vocab) * float64(p.Shape.Hidden)
	}
	return 2 * n
}

// formulaSpeed guesses tokens a second from the best that the class can do.
func (p Plan) formulaSpeed(gpu GPU) float64 {
	best := gpu.TFLOPS16
	if p.Numerics == FP32 {
		best = gpu.TFLOPS32
	}
	reached := best * gpu.MFU * 1e12
	if gpu.Class == classCPU {
		reached = cpuFLOPS
	}
	return reached / (p.passes(gpu) * p.flops())
}

// cpuFLOPS is what training reached on two cores of a current server.
const cpuFLOPS = 40e9

// startup is the time until the first step: libraries, the GPU's context, the weights.
func (p Plan) startup(gpu GPU) float64 {
	if gpu.Class == classCPU {
		return 15 + float64(p.Shape.WeightBytes)/1e9
	}
	return 30 + float64(p.Shape.WeightBytes)/1e9
}
