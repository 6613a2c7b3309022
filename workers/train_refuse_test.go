package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/workflows/train"
)

// badStart is an invalid start of training. Its empty fields keep the values of a valid start.
type badStart struct {
	name   string
	kind   string // workflow type; "" = TrainSFT
	file   string // content of the dataset; "" = valid rows
	change input  // changes of the input; nil = remove the key
	want   string // part of the error
	class  fault.Class
}

type (
	input = map[string]any
	raw   = json.RawMessage
)

// Valid rows.
const (
	validRow     = `{"prompt": "a", "completion": "b"}` + "\n"
	validPair    = `{"prompt": "a", "chosen": "b", "rejected": "c"}` + "\n"
	validTriplet = `{"anchor": "a", "positive": "b", "negative": "c"}` + "\n"
	validChat    = `{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}` + "\n"
)

// badDatasets are invalid datasets.
func badDatasets() []badStart {
	chat := func(messages string) string { return validChat + `{"messages": [` + messages + `]}` }
	return []badStart{
		{name: "not UTF-8", file: validRow + "{\"prompt\": \"caf\xe9\", \"completion\": \"b\"}\n", want: "line 2: byte 16 is not UTF-8; the row looks like Windows-1252 (Latin-1); save it as UTF-8"},
		{name: "UTF-16", file: utf16Text("\ufeff" + validRow), want: "it is encoded as UTF-16LE; save it as UTF-8"},
		{name: "cut off", file: validRow + `{"prompt": "a", "comp`, want: "line 2: the JSON object is not closed; the file is cut off"},
		{name: "array cut off", file: "[" + strings.TrimSpace(validRow) + ",", want: "the closing ] is missing"},
		{name: "key twice", file: validRow + `{"prompt": "a", "prompt": "b", "completion": "c"}`, want: `line 2, field "prompt": the key is listed twice`},
		{name: "line of 10 MB", file: validRow + `{"prompt": "` + strings.Repeat("x", 10<<20) + `", "completion": "b"}`, want: "line 2: the row is longer than 8 MiB"},
		{name: "empty assistant", file: chat(`{"role": "user", "content": "a"}, {"role": "assistant", "content": " "}`), want: `line 2, field "messages[1]": the message of the assistant is empty`},
		{name: "roles out of order", file: chat(`{"role": "assistant", "content": "b"}, {"role": "user", "content": "a"}`), want: `line 2, field "messages[0]": must be a message of the user`},
		{name: "chosen is rejected", kind: "TrainDPO", file: validPair + `{"prompt": "a", "chosen": "b", "rejected": "b"}`, want: `line 2, field "rejected": it equals chosen`},
		{name: "anchor is negative", kind: "TrainEmbedding", file: validTriplet + `{"anchor": "a", "positive": "b", "negative": "a"}`, want: `line 2, field "negative": it equals anchor`},
		{name: "mixed formats", file: validRow + validRow + validChat, want: "line 3: the row is of the format messages, the first rows are of prompt_completion"},
		{name: "other method", kind: "TrainDPO", file: validRow, want: "rows of the format prompt_completion train with sft, not with dpo"},
		{name: "unknown format", file: `{"question": "a", "answer": "b"}`, want: `rename "question" to "prompt" and "answer" to "completion"`},
		{name: "NaN in a row", file: validRow + `{"prompt": "a", "completion": NaN}`, want: "JSON has no NaN and no Infinity"},
		{name: "plain text", file: "Hello, how are you?\n", want: "it is neither JSON lines nor a JSON array"},
		{name: "CSV of one row", file: "prompt,completion\na,b\n", want: "too few rows to train on: 1"},
		{name: "gzip", file: "\x1f\x8b\x08\x00\x00\x00", want: "it is a gzip file; unpack it"},
		{name: "pairs for triplets", kind: "TrainEmbedding", file: pairs(120), want: `its rows have no "negative", which the triplet loss needs; add one to each, or set loss to "mnr"`},
		{name: "empty file", file: "\n", want: "it has no rows"},
		{name: "too few rows", file: validRow, want: "too few rows to train on: 1; add more, or lower min_rows (now 50)"},
		{
			name: "too many dropped", file: strings.Repeat(validRow, 9) + "{}\n{}\n", change: input{"sft_config": input{"allow_dropped": 1}},
			want: "2 of 11 rows have errors, 1 may be left out; correct them, or allow more",
		},
		{
			name: "held-out row in the training set", file: validRow, change: input{"eval_dataset": input{"rows": []raw{raw(validRow)}}},
			want: "the same row is trained on (line 1 of",
		},
	}
}

func pairs(n int) string {
	var lines strings.Builder
	for i := range n {
		fmt.Fprintf(&lines, `{"anchor": "hall %d", "positive": "lamps of hall %d"}`+"\n", i, i)
	}
	return lines.String()
}

func utf16Text(text string) string {
	var out []byte
	for _, unit := range utf16.Encode([]rune(text)) {
		out = binary.LittleEndian.AppendUint16(out, unit)
	}
	return string(out)
}

// badPlaces are datasets that do not exist or that the tenant may not read.
func badPlaces(dir string) []badStart {
	at := func(uri string) input { return input{"dataset": input{"uri": uri}} }
	theirs := filepath.Join(dir, "theirs", "rows.jsonl")
	const outside = "it is outside the directories of tenant"
	return []badStart{
		{name: "no such file", change: at(filepath.Join(dir, "mine", "none.jsonl")), want: `none.jsonl": file not found; check the path`},
		{name: "a directory", change: at(filepath.Join(dir, "mine")), want: `mine": it is a directory, not a file`},
		{name: "outside the roots", change: at(theirs), want: outside},
		{name: "dots out of the roots", change: at(filepath.Join(dir, "mine") + "/../theirs/rows.jsonl"), want: outside},
		{name: "link out of the roots", change: at(filepath.Join(dir, "mine", "link.jsonl")), want: outside},
		{name: "tenant with other roots", change: input{"tenant": "acme"}, want: outside},
		{name: "unknown upload", change: at("dataset:" + strings.Repeat("0", 64)), want: "nothing was uploaded under this hash for tenant default"},
		{name: "upload that is a path", change: at("dataset:../../etc/passwd"), want: "must be dataset: and 64 hexadecimal digits"},
		{name: "scheme", change: at("ftp://example.org/rows.jsonl"), want: "is not supported"},
		{name: "no dataset", change: input{"dataset": nil}, want: `set {"uri": …} or {"rows": […]}`},
		{name: "uri and rows", change: input{"dataset": input{"uri": "x.jsonl", "rows": []raw{raw(validRow)}}}, want: "has both uri and rows; set one of them"},
		{name: "rows that are a text", change: input{"dataset": input{"rows": "many"}}, want: "dataset.rows"},
	}
}

// badInputs are invalid inputs.
func badInputs() []badStart {
	sft := func(key, value string) input { return input{"sft_config": input{key: raw(value)}} }
	return []badStart{
		{name: "infinite learning rate", change: sft("learning_rate", "1e999"), want: `"learning_rate" is 1e999; must be a number > 0 and ≤ 1`},
		{name: "NaN as a text", change: sft("learning_rate", `"NaN"`), want: `"learning_rate" is "NaN"; must be a number > 0 and ≤ 1`},
		{name: "learning rate 0", change: sft("learning_rate", "0"), want: `"learning_rate" is 0; must be a number > 0`},
		{name: "epochs -1", change: sft("epochs", "-1"), want: `"epochs" is -1; must be a number > 0`},
		{name: "fractional batch size", change: sft("batch_size", "0.5"), want: `must be a whole number from 1 to 4096`},
		{name: "typo in a setting", change: sft("learning_rat", "1e-4"), want: `"learning_rat" is not a setting; did you mean "learning_rate"?`},
		{name: "another tool's setting", change: sft("per_device_train_batch_size", "4"), want: `did you mean "batch_size"?`},
		{name: "setting of another method", change: sft("beta", "0.1"), want: `"beta" is a setting of dpo`},
		{name: "config of another method", kind: "TrainDPO", change: input{"sft_config": input{"epochs": 1}}, want: "this is a run of dpo; set dpo_config"},
		{
			name: "margin of 3", kind: "TrainEmbedding", file: validTriplet, change: input{"embedding_config": input{"triplet_margin": 3}},
			want: "triplet_margin 3 can never be reached: cosine distances lie between 0 and 2",
		},
		{name: "typo in lora", change: input{"lora": input{"alhpa": 8}}, want: `"alhpa" is not a setting; did you mean "alpha"?`},
		{name: "unknown field", change: input{"datasets": "x"}, want: `unknown field "datasets"`},
		{name: "unknown class", change: input{"gpu": []string{"h1000"}}, want: "unknown class h1000; use one of cpu, t4"},
		{name: "class twice", change: input{"gpu": []string{"cpu", "l4", "cpu"}}, want: "cpu is listed twice"},
		{name: "invalid wait", change: input{"gpu_wait": "a while"}, want: `must be a time such as "90s", "10m" or "8h"`},
		{name: "negative timeout", change: input{"timeout": "-1h"}, want: `must be a time such as "90s", "10m" or "8h"`},
		{name: "name that is a path", change: input{"name": "../../escape"}, want: "must be 1 to 100 letters, digits"},
		{name: "role that is a path", change: input{"role": "a/b"}, want: "must be 1 to 100 letters, digits"},
		{name: "tenant that is a path", change: input{"tenant": "../x"}, want: "../x"},
		{name: "negative budget", change: input{"budget_usd": -1}, want: "use an amount in USD from 0"},
		{name: "numerics that a class lacks", change: input{"gpu": []string{"t4"}, "sft_config": input{"numerics": "bf16"}}, want: "t4 cannot compute in bfloat16"},
		{name: "unknown price", change: input{"gpu": []string{"h200"}, "budget_usd": 5}, want: "h200 has no known price, and budget_usd is a hard limit", class: fault.Budget},
		{name: "too expensive", change: input{"gpu": []string{"h100"}, "budget_usd": 0.01}, want: "and the budget is 0.01", class: fault.Budget},
	}
}

// badModels are models that cannot be trained or do not exist.
func badModels() []badStart {
	of := func(name any) input { return input{"base_model": name} }
	return []badStart{
		{name: "no model", change: of(nil), want: `"base_model" is required`},
		{name: "unknown model", change: of("org/none"), want: "this worker has no such model; supported:"},
		{name: "model that is a path", change: of("../../etc"), want: "invalid model name"},
		{name: "pickle", change: of("org/pickle"), want: `"pytorch_model.bin" may hold pickled code; convert the weights to safetensors`},
		{name: "broken header", change: of("org/broken"), want: "not a safetensors file"},
		{name: "no tokenizer", change: of("org/mute"), want: "has no tokenizer"},
		{name: "remote code", change: of("org/code"), want: "asks to run code of its own"},
		{name: "link out of the models", change: of("org/link"), want: "its folder is a link that leads out of the folder of models"},
		{name: "encoder for sft", change: of("org/encoder"), want: "it is an encoder, which cannot generate text, so sft cannot train it"},
		{name: "encoder for dpo", kind: "TrainDPO", file: strings.Repeat(validPair, 30), change: of("org/encoder"), want: "so dpo cannot train it"},
		{name: "unknown target", change: input{"lora": input{"target_modules": []string{"x_proj"}}}, want: "the model (llama) has no such module; target_modules can be all-linear, "},
		{name: "too long for the model", change: input{"sft_config": input{"max_seq_length": 4096}}, want: "max_seq_length 4096 is more than the 1024 positions that the model has"},
		{name: "too large for a class", change: input{"base_model": "org/giant", "gpu": []string{"t4", "l4"}}, want: "name a larger class in gpu, or make max_seq_length smaller"},
	}
}

// headersOnly writes a model without weights. Checks before training read only its
// configuration and the headers of the weights.
func headersOnly(t *testing.T, dir string, change map[string]string) {
	t.Helper()
	tensors, at := map[string]any{}, 0
	for _, name := range []string{"q_proj", "k_proj", "v_proj", "o_proj"} {
		tensors["model.layers.0.self_attn."+name+".weight"] = map[string]any{"dtype": "F32", "shape": []int{4, 4}, "data_offsets": []int{at, at + 64}}
		at += 64
	}
	header, err := json.Marshal(tensors)
	require.NoError(t, err)
	files := map[string]string{
		"config.json": `{"model_type":"llama","hidden_size":4,"intermediate_size":8,"num_hidden_layers":1,"num_attention_heads":2,
			"num_key_value_heads":2,"vocab_size":16,"max_position_embeddings":1024,"tie_word_embeddings":true}`,
		"tokenizer.json": "{}", "tokenizer_config.json": "{}",
		"model.safetensors": string(binary.LittleEndian.AppendUint64(nil, uint64(len(header)))) + string(header) + string(make([]byte, at)),
	}
	maps.Copy(files, change)
	require.NoError(t, os.MkdirAll(dir, 0o700))
	for name, content := range files {
		if content != "" {
			require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
		}
	}
}

// invalidModels is a folder of invalid models and one valid model.
func invalidModels(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	org := filepath.Join(dir, "models", "org")
	headersOnly(t, filepath.Join(org, "fine"), nil)
	headersOnly(t, filepath.Join(org, "pickle"), map[string]string{"model.safetensors": "", "pytorch_model.bin": "x"})
	headersOnly(t, filepath.Join(org, "encoder"), map[string]string{"config.json": `{"model_type":"bert","architectures":["BertModel"],"hidden_size":4,
		"intermediate_size":8,"num_hidden_layers":1,"num_attention_heads":2,"vocab_size":16,"max_position_embeddings":1024}`})
	headersOnly(t, filepath.Join(org, "broken"), map[string]string{"model.safetensors": "PK\x03\x04, and more"})
	headersOnly(t, filepath.Join(org, "mute"), map[string]string{"tokenizer.json": ""})
	headersOnly(t, filepath.Join(org, "code"), map[string]string{"tokenizer_config.json": `{"auto_map":{"AutoTokenizer":"x.y"}}`})
	headersOnly(t, filepath.Join(org, "giant"), map[string]string{"config.json": `{"model_type":"llama","hidden_size":1048576,
		"num_hidden_layers":10000,"num_attention_heads":2,"vocab_size":16,"max_position_embeddings":1024,"tie_word_embeddings":true}`})
	headersOnly(t, filepath.Join(dir, "elsewhere"), nil)
	require.NoError(t, os.Symlink(filepath.Join(dir, "elsewhere"), filepath.Join(org, "link")))
	return filepath.Join(dir, "models")
}

// TestTrainRefused: an invalid start fails before it takes a GPU. The workers of this test
// have no GPU and no trainer.
func TestTrainRefused(t *testing.T) { //nolint:tparallel // the group of starts ends before its side effects are checked
	t.Parallel()
	sources := t.TempDir()
	mine, theirs := filepath.Join(sources, "mine"), filepath.Join(sources, "theirs")
	for _, dir := range []string{mine, theirs} {
		require.NoError(t, os.Mkdir(dir, 0o700))
		require.NoError(t, os.WriteFile(filepath.Join(dir, "rows.jsonl"), []byte(strings.Repeat(validRow, 60)), 0o600))
	}
	require.NoError(t, os.Symlink(filepath.Join(theirs, "rows.jsonl"), filepath.Join(mine, "link.jsonl")))
	fine := filepath.Join(mine, "rows.jsonl")
	s := newStack(t, nil)
	w := s.worker([]string{"--pools", "cogflow,media"}, "COGFLOW_TRAINING_MODELS_DIR="+invalidModels(t),
		"COGFLOW_TRAINING_PYTHON="+filepath.Join(t.TempDir(), "none"), fmt.Sprintf(`COGFLOW_SOURCES={"default":[%q],"acme":[%q]}`, mine, theirs))

	starts := badDatasets()
	starts = append(starts, badPlaces(sources)...)
	starts = append(starts, badInputs()...)
	starts = append(starts, badModels()...)
	require.GreaterOrEqual(t, len(starts), 25)
	t.Run("start", func(t *testing.T) {
		for i, c := range starts {
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				s := s.within(t)
				in := input{"name": "support", "base_model": "org/fine", "dataset": input{"uri": fine}}
				if c.file != "" {
					path := filepath.Join(mine, fmt.Sprintf("%d.jsonl", i))
					require.NoError(t, os.WriteFile(path, []byte(c.file), 0o600))
					in["dataset"] = input{"uri": path}
				}
				s.refuses(c, fmt.Sprintf("bad-%d", i), in)
			})
		}
	})

	// NaN is not valid JSON, but Python writes it by default.
	nan := &common.Payload{
		Metadata: map[string][]byte{converter.MetadataEncoding: []byte(converter.MetadataEncodingJSON)},
		Data:     fmt.Appendf(nil, `{"base_model":"org/fine","dataset":{"uri":%q},"sft_config":{"learning_rate":NaN}}`, fine),
	}
	_, err := execute[train.Result](s, "nan", "TrainSFT", converter.NewRawValue(nan))
	require.ErrorContains(t, err, "invalid character 'N'")

	// Invalid rows are dropped and counted, if the user allows it.
	dropping := filepath.Join(mine, "dropping.jsonl")
	require.NoError(t, os.WriteFile(dropping, []byte(strings.Repeat(validRow, 60)+"{}\n{\"prompt\": \"a\", \"completion\": \" \"}\n"), 0o600))
	out, err := execute[train.Result](s, "dropping", "TrainSFT", input{
		"base_model": "org/fine", "dataset": input{"uri": dropping}, "dry_run": true, "sft_config": input{"allow_dropped": 0.1},
	})
	require.NoError(t, err)
	require.Equal(t, "dry_run", out.Status)
	require.Equal(t, 2, out.Check.Train.Dropped)
	require.Equal(t, map[string]int{"missing_field": 1, "empty": 1}, out.Check.Train.DroppedBy)
	require.Equal(t, 60, out.Check.Train.Kept)
	require.Contains(t, out.Check.Unmeasured, "run `make trainer`")

	require.Empty(t, s.matchingFiles("store/*/training"))
	require.Empty(t, s.matchingFiles("store/*/adapters"))
	require.NoDirExists(t, filepath.Join(s.dir, "escape"))
	require.Empty(t, s.children(w), "no trainer was started")
}

// refuses starts an invalid run and checks its error and class.
func (s *stack) refuses(c badStart, id string, in input) {
	s.t.Helper()
	for key, value := range c.change {
		if in[key] = value; value == nil {
			delete(in, key)
		}
	}
	kind := c.kind
	if kind == "" {
		kind = "TrainSFT"
	}
	_, err := execute[train.Result](s, id, kind, in)
	class, f := failedWith(s.t, err)
	s.t.Log(f.Reason)
	if c.class == "" {
		c.class = fault.Input
	}
	require.Equal(s.t, string(c.class), class, f.Reason)
	require.Contains(s.t, f.Reason, c.want)
	require.Contains(s.t, []string{"check", "plan"}, f.Stage)
	require.Less(s.t, len(f.Reason), 600)
	require.Empty(s.t, s.queues(id), "no GPU queue was used")
}
