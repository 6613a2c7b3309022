package training

// Bytes a weight that is trained: itself, its gradient and Adam's two moments,
// each in fp32.
const bytesTrained = 16

// memory is what the peak of a training process is made of, in bytes.
type memory struct {
	weights     float64 // of the base
	trained     float64 // weights with gradients and optimizer, beyond weights
	activations float64
	logits      float64
	fixed       float64 // libraries, context, buffers
	slack       float64 // factor for what an allocator wastes
}

func (m memory) peak() int64 {
	return int64(m.slack * (m.weights + m.trained + m.activations + m.logits + m.fixed))
}

// load is what a micro-batch puts on the model.
type load struct {
	sequences float64 // in one forward pass
	length    float64 // tokens, padded
	width     float64 // bytes a number
}

func (l load) tokens() float64 { return l.sequences * l.length }

func (p Plan) load(micro int) load {
	length := p.Config.MaxSeqLength
	if p.Longest > 0 && !p.Config.Packing {
		length = min(length, p.Longest)
	}
	l := load{sequences: float64(micro), length: float64(length), width: 2}
	if p.Numerics == FP32 {
		l.width = 4
	}
	switch p.Method {
	case DPO:
		l.sequences *= 2 // chosen and rejected
	case Embedding:
		l.sequences *= 3 // anchor, positive, negative
	case SFT:
	}
	return l
}

// need returns the peak memory with a micro-batch.
func (p Plan) need(gpu GPU, micro int, loraParameters int64) int64 {
	l := p.load(micro)
	if gpu.Class == classCPU {
		return p.memoryCPU(l, loraParameters).peak()
	}
	return p.memoryGPU(l, loraParameters).peak()
}

// memoryGPU: on GPUs the trainer recomputes activations (gradient
// checkpointing), and SFT makes its logits in chunks.
func (p Plan) memoryGPU(l load, loraParameters int64) memory {
	m := p.state(l, loraParameters)
	m.activations = checkpointed(p.Shape, l)
	m.logits = p.logits(l, chunkTokens)
	// 1.1 and 1 GB fit the measured rows of TestMemoryCalibration best.
	m.fixed, m.slack = 1e9, 1.1
	return m
}

// state is the memory of the weights and of what trains them.
func (p Plan) state(l load, loraParameters int64) memory {
	n := float64(p.Shape.Parameters)
	if p.LoRA != nil {
		return memory{weights: n * l.width, trained: bytesTrained * float64(loraParameters)}
	}
	m := memory{weights: n * 4, trained: n * (bytesTrained - 4)} // weights stay in fp32
	if p.Method == DPO {
		m.weights += n * 4 // the reference is a model of its own
	}
	return m
}

// checkpointed activations: the input of every layer, and all of one layer.
func checkpointed(s Shape, l load) float64 {
	return l.tokens() * float64(s.Hidden) * l.width * (float64(s.Layers) + layerActivations)
}

// kept activations: all of every layer.
func kept(s Shape, l load) float64 {
	return l.tokens() * float64(s.Hidden) * l.width * float64(s.Layers) * layerActivations
}

// layerActivations is how many numbers a layer keeps, in multiples of the hidden
// size, when attention does not keep its square.
const layerActivations = 17

// chunkTokens is how many tokens' logits SFT holds at a time.
const chunkTokens = 256

// logits: bytes an entry are those of the logits, their gradient and fp32
// copies. DPO holds those of the model and of its reference for either answer.
func (p Plan) logits(l load, chunk float64) float64 {
	vocab := float64(p.Shape.Vocab)
	switch p.Method {
	case SFT:
		return 10 * min(l.tokens(), chunk) * vocab
	case DPO:
		return 14 * min(l.tokens(), chunk) * vocab
	case Embedding:
	}
	return 0
}

// memoryCPU is the resident size of the process.
func (p Plan) memoryCPU(l load, loraParameters int64) memory {
	m := p.state(l, loraParameters)
	m.activations = kept(p.Shape, l)
	m.logits = p.logits(l, l.tokens())
	m.fixed, m.slack = 0.7e9, 1
	return m
}
