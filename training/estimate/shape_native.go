package estimate

import "strings"

// joinedQKV are architectures whose published files have the names of their first, own code, with
// query, key and value in one weight. Adapters attach to the layers of transformers' class.
var joinedQKV = map[string]struct {
	joined string
	names  *strings.Replacer
}{
	"jina_embeddings_v3": {".mixer.Wqkv.", strings.NewReplacer("encoder.layers.", "layers.", ".mixer.out_proj.", ".self_attn.o_proj.")},
	"nomic_bert": {".attn.Wqkv.", strings.NewReplacer("encoder.layers.", "layers.", ".attn.out_proj.", ".self_attn.o_proj.",
		".fc11.", ".up_proj.", ".fc12.", ".gate_proj.", ".fc2.", ".down_proj.")},
}

// native returns the weights of transformers' class that a weight of a file becomes.
func native(architecture string, t tensor) []tensor {
	own, ok := joinedQKV[architecture]
	if !ok {
		return []tensor{t}
	}
	t.name = own.names.Replace(t.name)
	block, rest, joined := strings.Cut(t.name, own.joined)
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
