package training

import "io"

// Shape is what a base model's config.json and the headers of its weights say.
type Shape struct {
	Architecture string   `json:"architecture"` // model_type of config.json
	Parameters   int64    `json:"parameters"`
	WeightBytes  int64    `json:"weight_bytes"` // of the files
	Layers       int      `json:"layers"`
	Hidden       int      `json:"hidden"`
	Intermediate int      `json:"intermediate"`
	Heads        int      `json:"heads"`
	KVHeads      int      `json:"kv_heads"`
	Vocab        int      `json:"vocab"`
	MaxPositions int      `json:"max_positions"`  // tokens; 0 = not said
	Tied         bool     `json:"tied,omitempty"` // input and output embeddings are the same weights
	Linear       []Linear `json:"linear"`         // what LoRA can attach to, sorted by name
}

// Linear is a group of matrices that differ by the number of their layer only.
type Linear struct {
	Name  string `json:"name"` // of the module, numbers replaced: "model.layers.*.self_attn.q_proj"
	In    int    `json:"in"`
	Out   int    `json:"out"`
	Count int    `json:"count"`
}

// WeightFile is one safetensors file of a model.
type WeightFile struct {
	Name string // for errors
	Data io.ReaderAt
	Size int64
}

// ReadShape reads a model's config.json and the headers of its weights.
func ReadShape(config []byte, weights []WeightFile) (Shape, error) { panic("skeleton") }

// Adapt returns l with target modules that the model has. Names that the input
// said must be there; the default ones (Extras.DefaultTargets) are translated
// for architectures that name the attention's matrices otherwise.
func (s Shape) Adapt(l LoRA, defaults bool) (LoRA, error) { panic("skeleton") }

// LoRAParameters counts the weights of an adapter exactly. Target modules that
// the model does not have are an input fault that lists those it has.
func (s Shape) LoRAParameters(l LoRA) (int64, error) { panic("skeleton") }
