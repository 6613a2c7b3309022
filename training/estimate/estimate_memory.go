package estimate

import "github.com/cogniverse/cogflow/training"

// Bytes per trained weight: itself, its gradient and Adam's two moments, each in fp32.
const bytesTrained = 16

// memory is the peak of a training process by parts, in bytes.
type memory struct {
	weights     float64 // of the base
	trained     float64 // weights with gradients and optimizer, beyond weights
	activations float64
	logits      float64
	fixed       float64 // libraries, context, buffers
	slack       float64 // factor for allocator overhead
}

func (m memory) peak() int64 {
	return int64(m.slack * (m.weights + m.trained + m.activations + m.logits + m.fixed))
}

// load is the load of the largest micro-batch.
type load struct {
	tokens float64 // of all sequences of a forward pass, including padding
	length float64 // of the longest sequence
	width  float64 // bytes per number
}

// load: SFT, DPO and KTO concatenate the rows of a micro-batch, so that padding costs nothing,
// and the largest has the longest row and a few long ones. Texts of an embedding model are
// padded.
func (p Plan) load(micro int) load {
	longest, mean := p.longest(), p.mean()
	l := load{length: longest, width: 2}
	if p.Numerics == training.FP32 {
		l.width = 4
	}
	row := longest
	switch p.Method {
	case training.DPO:
		row *= 2 // chosen and rejected
	case training.Embedding:
		l.tokens = float64(micro) * p.paddedRow()
		return l
	case training.SFT, training.KTO:
	}
	if p.Config.Packing {
		mean = row
	}
	l.tokens = row + float64(micro-1)*(min(mean, row)+row)/2
	return l
}

// longest is the length of the longest sequence, in tokens.
func (p Plan) longest() float64 {
	if p.Longest > 0 && p.Shape.Late {
		return float64(p.Longest) // images are never cut
	}
	if p.Longest > 0 && !p.Config.Packing {
		return float64(min(p.Config.MaxSeqLength, p.Longest))
	}
	return float64(p.Config.MaxSeqLength)
}

// mean is the mean number of tokens per row.
func (p Plan) mean() float64 { return float64(p.Tokens) / float64(p.Rows) }

// paddedRow is the length of a triplet for an embedding model: positive and negative are
// padded to the longest in the micro-batch; anchors are short unless the rows are longer
// than that.
func (p Plan) paddedRow() float64 {
	longest := p.longest()
	return min(3*longest, max(2.1*longest, 1.05*p.mean()))
}

// need returns the peak memory with a micro-batch.
func (p Plan) need(gpu GPU, micro int, loraParameters int64) int64 {
	l := p.load(micro)
	if gpu.Class == classCPU {
		return p.memoryCPU(l, loraParameters).peak()
	}
	return p.memoryGPU(l, loraParameters).peak()
}

// memoryGPU: on GPUs the trainer recomputes activations (gradient checkpointing).
func (p Plan) memoryGPU(l load, loraParameters int64) memory {
	m := p.state(l, loraParameters)
	m.activations = checkpointed(p.Shape, l)
	m.logits = p.logits(l, chunkTokens)
	// 1.1 and 1 GB fit the measured rows of TestMemoryCalibration best.
	m.fixed, m.slack = 1e9, 1.1
	return m
}

// memoryCPU is the resident size of the process, fitted to the runs in
// testdata/cpu-runs.json. Nothing is recomputed there.
func (p Plan) memoryCPU(l load, loraParameters int64) memory {
	m := p.state(l, loraParameters)
	perLayer := cpuHidden*float64(p.Shape.Hidden) + 4*float64(p.Shape.Intermediate)
	if p.LoRA != nil {
		perLayer += cpuLoRA * float64(p.Shape.Hidden)
	}
	if p.Method == training.Embedding { // encoders have dropout in their attention, which keeps its square
		perLayer += cpuSquare * float64(p.Shape.Heads) * l.length
	}
	m.activations = l.tokens * l.width * float64(p.Shape.Layers) * perLayer
	if p.Method != training.Embedding {
		m.logits = cpuHead * min(l.tokens, cpuHeadTokens) * min(float64(p.Shape.Vocab), cpuHeadVocab)
	}
	m.fixed, m.slack = cpuFixed, 1
	return m
}

// What a CPU process keeps per token and layer, in numbers, and its own size.
const (
	cpuHidden = 16 // times the hidden size
	cpuLoRA   = 6  // additional with adapters: their inputs after dropout
	cpuSquare = 3.6
	cpuHead   = 30     // bytes per token and vocabulary entry: without GPU kernels the head's tiles are kept
	cpuFixed  = 0.97e9 // bytes: Python, torch and the libraries
)

// The size of the head's tiles, in tokens and entries.
const (
	cpuHeadTokens = 4096
	cpuHeadVocab  = 32768
)

// bytes4Bit is the size of a weight in NF4: half a byte, and its share of the scales of its
// blocks.
const bytes4Bit = 0.55

// frozen is the memory of a base model that is not trained. In 4 bits are only the matrices
// that an adapter could attach to; the embeddings and the output layer are not quantized.
func (p Plan) frozen(width float64) float64 {
	n := float64(p.Shape.Parameters)
	if !p.Config.LoadIn4Bit {
		return n * width
	}
	var quantized float64
	for _, l := range p.Shape.Linear {
		quantized += float64(l.matches(training.AllLinear)) * float64(l.In) * float64(l.Out)
	}
	return quantized*bytes4Bit + (n-quantized)*width
}

// state is the memory of the weights and of their training state.
func (p Plan) state(l load, loraParameters int64) memory {
	n := float64(p.Shape.Parameters)
	if p.LoRA != nil {
		return memory{weights: p.frozen(l.width), trained: bytesTrained * float64(loraParameters)}
	}
	m := memory{weights: n * 4, trained: n * (bytesTrained - 4)} // weights stay in fp32
	if p.Method == training.DPO || p.Method == training.KTO {
		m.weights += n * 4 // the reference is a model of its own
	}
	return m
}

// checkpointed activations: the input of every layer, and all of one layer.
func checkpointed(s Shape, l load) float64 {
	return l.tokens * float64(s.Hidden) * l.width * (float64(s.Layers) + layerActivations)
}

// layerActivations is how many numbers a layer keeps on a GPU, in multiples of the hidden
// size, if attention does not keep its full matrix.
const layerActivations = 17

// chunkTokens is how many tokens' logits the trainer holds at a time.
const chunkTokens = 256

// logits: bytes an entry are those of the logits, their gradient and fp32
// copies. DPO and KTO hold those of the model and of its reference.
func (p Plan) logits(l load, chunk float64) float64 {
	vocab := float64(p.Shape.Vocab)
	switch p.Method {
	case training.SFT:
		return 10 * min(l.tokens, chunk) * vocab
	case training.DPO, training.KTO:
		return 14 * min(l.tokens, chunk) * vocab
	case training.Embedding:
	}
	return 0
}
