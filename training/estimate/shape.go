package estimate

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/strictjson"
)

// Shape is the data of a base model's config.json and the headers of its weights. Sizes
// that do not apply are 0.
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
	MaxPositions int      `json:"max_positions"`    // tokens
	Tied         bool     `json:"tied,omitempty"`   // the output layer is the input embedding
	Late         bool     `json:"late,omitempty"`   // a late-interaction model: a vector for each token and image patch
	Vision       int64    `json:"vision,omitempty"` // multiplications for each token of an image, to read it
	Linear       []Linear `json:"linear"`           // layers that LoRA can attach to, sorted by name
}

// Linear is a group of matrices that differ only by the number of their layer.
type Linear struct {
	Name  string `json:"name"` // of the module, with * for numbers: "model.layers.*.self_attn.q_proj"
	In    int    `json:"in"`
	Out   int    `json:"out"`
	Count int    `json:"count"`
}

// WeightFile is one safetensors file of a model.
type WeightFile struct {
	Name string // for errors
	Data io.ReaderAt
	Size int64 // bytes
}

const readShape = "read model"

// modelConfig is config.json, with the names that architectures use.
type modelConfig struct {
	ModelType    string          `json:"model_type"`
	Hidden       int             `json:"hidden_size"`
	HiddenGPT    int             `json:"n_embd"`
	Dim          int             `json:"dim"` // DistilBERT
	Layers       int             `json:"num_hidden_layers"`
	LayersGPT    int             `json:"n_layer"`
	LayersDistil int             `json:"n_layers"`
	Heads        int             `json:"num_attention_heads"`
	HeadsGPT     int             `json:"n_head"`
	HeadsDistil  int             `json:"n_heads"`
	KVHeads      int             `json:"num_key_value_heads"`
	Intermediate int             `json:"intermediate_size"`
	InnerGPT     int             `json:"n_inner"`
	HiddenDistil int             `json:"hidden_dim"`
	Vocab        int             `json:"vocab_size"`
	Positions    int             `json:"max_position_embeddings"`
	PositionsGPT int             `json:"n_positions"`
	Tied         *bool           `json:"tie_word_embeddings"`
	Text         *modelConfig    `json:"text_config"` // of a multimodal model
	VLM          *modelConfig    `json:"vlm_config"`  // of a late-interaction model
	Classes      []string        `json:"architectures"`
	AutoMap      json.RawMessage `json:"auto_map"`
	Quantization json.RawMessage `json:"quantization_config"`
}

// ReadShape reads a model's config.json and the headers of its weights. Models that need
// code from their folder, or are quantized, are refused.
func ReadShape(config []byte, weights []WeightFile) (Shape, error) {
	s, err := readModelConfig(config)
	if err != nil {
		return Shape{}, err
	}
	if len(weights) == 0 {
		return Shape{}, fault.New(fault.Input, readShape, "", "it has no safetensors weights")
	}
	seen := map[string]bool{}
	groups := map[Linear]int{}
	var output int64
	for _, file := range weights {
		tensors, err := readTensors(file)
		if err != nil {
			return Shape{}, err
		}
		s.WeightBytes += file.Size
		for _, t := range tensors {
			if seen[t.name] {
				return Shape{}, fault.New(fault.Input, readShape, file.Name, fmt.Sprintf("%.100q is also in another file", t.name))
			}
			seen[t.name] = true
			if !t.float {
				continue // positions and other buffers
			}
			s.Parameters += t.elements
			if t.name == "lm_head.weight" {
				output = t.elements
			}
			if s.Late && readsImages(t.name) {
				s.Vision += t.elements * patches(s.Architecture)
				continue
			}
			for _, part := range native(s.Architecture, t) {
				if l, ok := linearOf(part); ok {
					groups[l]++
				}
			}
		}
	}
	if s.Tied { // the file may hold both copies
		s.Parameters -= output
	}
	s.Linear = sortedLinear(groups)
	if len(s.Linear) == 0 {
		return Shape{}, fault.New(fault.Input, readShape, "", "its weights have no trainable matrices")
	}
	return s, nil
}

func readModelConfig(config []byte) (Shape, error) {
	var c modelConfig
	if err := strictjson.Unmarshal(config, &c, strictjson.AllowUnknown); err != nil {
		return Shape{}, fault.New(fault.Input, readShape, "config.json", "it is not as transformers writes it: "+err.Error())
	}
	late := isLate(c)
	if c.VLM != nil {
		c.VLM.ModelType, c.VLM.AutoMap = c.ModelType, c.AutoMap
		c = *c.VLM
	}
	if c.Text != nil {
		c.Text.ModelType, c.Text.Quantization, c.Text.AutoMap = c.ModelType, c.Quantization, c.AutoMap
		if c.Text.Tied == nil {
			c.Text.Tied = c.Tied
		}
		c = *c.Text
	}
	s := Shape{
		Architecture: c.ModelType,
		Hidden:       firstSet(c.Hidden, c.HiddenGPT, c.Dim),
		Layers:       firstSet(c.Layers, c.LayersGPT, c.LayersDistil),
		Heads:        firstSet(c.Heads, c.HeadsGPT, c.HeadsDistil),
		Intermediate: firstSet(c.Intermediate, c.InnerGPT, c.HiddenDistil),
		Vocab:        c.Vocab,
		MaxPositions: firstSet(c.Positions, c.PositionsGPT),
		Tied:         c.tied(),
		Late:         late,
	}
	s.KVHeads = firstSet(c.KVHeads, s.Heads)
	s.Intermediate = firstSet(s.Intermediate, 4*s.Hidden)
	bad := func(reason string) (Shape, error) {
		return Shape{}, fault.New(fault.Input, readShape, "config.json", reason)
	}
	const most = 1 << 24
	for _, f := range []struct {
		what string
		v    int
	}{
		{"a hidden size", s.Hidden}, {"a number of layers", s.Layers}, {"a number of attention heads", s.Heads}, {"a vocabulary size", s.Vocab},
	} {
		if f.v < 1 || f.v > most {
			return bad(fmt.Sprintf("it has %s of %d", f.what, f.v))
		}
	}
	switch {
	case s.KVHeads < 1 || s.KVHeads > s.Heads || s.Intermediate < 1 || s.Intermediate > most || s.MaxPositions < 0:
		return bad("its sizes make no sense")
	case s.Architecture == "" || len(s.Architecture) > 64:
		return bad("it has no model_type")
	case len(c.AutoMap) > 0:
		return bad("it asks to run code of its own (auto_map), which is never done; use a model that transformers knows, or remove the key if it is one")
	case len(c.Quantization) > 0 && string(c.Quantization) != "null":
		return bad("the weights are quantized, and quantized weights cannot be trained; name the model that they were made from")
	}
	return s, nil
}

// tied: transformers' defaults, if config.json does not say. Encoders have no output layer,
// or a tied one.
func (c modelConfig) tied() bool {
	if c.Tied != nil {
		return *c.Tied
	}
	switch c.ModelType {
	case "llama", "mistral", "mixtral", "qwen2", "qwen2_moe", "qwen3", "qwen3_moe", "phi", "phi3", "olmo", "olmo2", "gpt_neox", "falcon_h1":
		return false
	}
	return true
}

func firstSet(values ...int) int {
	for _, v := range values {
		if v != 0 {
			return v
		}
	}
	return 0
}
