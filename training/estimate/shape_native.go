package estimate

import "strings"

// native returns the weights of transformers' class that a weight of a file becomes. The published
// files of some architectures have the names of their first, own code, with query, key and value in
// one weight; adapters attach to the layers of transformers' class.
func native(architecture string, t tensor) []tensor {
	var qkv string
	switch architecture {
	case "jina_embeddings_v3":
		qkv = ".mixer.Wqkv."
		t.name = strings.NewReplacer("encoder.layers.", "layers.", ".mixer.out_proj.", ".self_attn.o_proj.").Replace(t.name)
	case "nomic_bert":
		qkv = ".attn.Wqkv."
		t.name = strings.NewReplacer("encoder.layers.", "layers.", ".attn.out_proj.", ".self_attn.o_proj.",
			".fc11.", ".up_proj.", ".fc12.", ".gate_proj.", ".fc2.", ".down_proj.").Replace(t.name)
	default:
		return []tensor{t}
	}
	block, rest, joined := strings.Cut(t.name, qkv)
	if !joined || len(t.shape) == 0 || t.shape[0]%3 != 0 {
		return []tensor{t}
	}
	var parts []tensor
	for _, name := range []string{"q_proj", "k_proj", "v_proj"} {
		part := t
		part.name = block + ".self_attn." + name + "." + rest
		part.shape = append([]int64{t.shape[0] / 3}, t.shape[1:]...)
		parts = append(parts, part)
	}
	return parts
}
