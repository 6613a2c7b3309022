package basemodel_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/basemodel"
	"github.com/cogniverse/cogflow/training"
)

const tinyConfig = `{"model_type":"llama","hidden_size":4,"intermediate_size":8,"num_hidden_layers":1,"num_attention_heads":2,
	"num_key_value_heads":1,"vocab_size":16,"max_position_embeddings":64,"tie_word_embeddings":true}`

// safetensors is a file with fp32 zeros.
func safetensors(t *testing.T, shapes map[string][]int64) string {
	t.Helper()
	entries, at := map[string]any{}, int64(0)
	for name, shape := range shapes {
		n := int64(4)
		for _, d := range shape {
			n *= d
		}
		entries[name] = map[string]any{"dtype": "F32", "shape": shape, "data_offsets": []int64{at, at + n}}
		at += n
	}
	header, err := json.Marshal(entries)
	require.NoError(t, err)
	return string(binary.LittleEndian.AppendUint64(nil, uint64(len(header)))) + string(header) + string(make([]byte, at))
}

func tiny(t *testing.T) map[string]string {
	t.Helper()
	return map[string]string{
		"config.json": tinyConfig, "tokenizer.json": "{}", "tokenizer_config.json": "{}", "README.md": "hello",
		"model.safetensors": safetensors(t, map[string][]int64{
			"model.embed_tokens.weight": {16, 4}, "model.layers.0.self_attn.q_proj.weight": {4, 4}, "model.layers.0.self_attn.v_proj.weight": {2, 4},
		}),
	}
}

func write(t *testing.T, dir string, files map[string]string) string {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o750))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	return dir
}

func without(files map[string]string, names ...string) map[string]string {
	for _, name := range names {
		delete(files, name)
	}
	return files
}

func at(dir string) *basemodel.Models {
	return basemodel.New(map[string]basemodel.Place{"tiny": {Path: dir}}, "")
}

func TestFind(t *testing.T) {
	t.Parallel()
	dir := write(t, t.TempDir(), tiny(t))
	models := at(dir)
	m, err := models.Find(t.Context(), "tiny")
	require.NoError(t, err)
	assert.Equal(t, "tiny", m.Name)
	assert.Len(t, m.Revision, 64)
	assert.Empty(t, m.Repo)
	resolved, err := filepath.EvalSymlinks(dir)
	require.NoError(t, err)
	assert.Equal(t, resolved, m.Path)

	s, err := models.Shape(t.Context(), m)
	require.NoError(t, err)
	assert.EqualValues(t, 16*4+4*4+2*4, s.Parameters)
	assert.Equal(t, []string{"q_proj", "v_proj"}, s.Modules())

	const commit = "1d461723eec654e65efdc40cf49301c89c0c92f4"
	m, err = basemodel.New(map[string]basemodel.Place{"tiny": {Path: dir, Repo: "org/tiny", Revision: commit}}, "").Find(t.Context(), "tiny")
	require.NoError(t, err)
	assert.Equal(t, commit, m.Revision)
	assert.Equal(t, "org/tiny", m.Repo)
}

// TestRevision: equal files have one revision wherever they lie, and what the
// model computes changes it.
func TestRevision(t *testing.T) {
	t.Parallel()
	revision := func(models *basemodel.Models) string {
		m, err := models.Find(t.Context(), "tiny")
		require.NoError(t, err)
		return m.Revision
	}
	files := tiny(t)
	dir := write(t, t.TempDir(), files)
	models := at(dir)
	first := revision(models)
	assert.Equal(t, first, revision(at(write(t, t.TempDir(), files))), "another folder")
	write(t, dir, map[string]string{"README.md": "bye", ".cache/x.json": "{}"})
	assert.Equal(t, first, revision(models), "no part of the model")

	write(t, dir, map[string]string{"1_Pooling/config.json": "{}"})
	second := revision(models)
	assert.NotEqual(t, first, second, "a module of sentence-transformers")
	write(t, dir, map[string]string{"tokenizer.json": "[]"})
	later := time.Now().Add(time.Hour)
	require.NoError(t, os.Chtimes(filepath.Join(dir, "tokenizer.json"), later, later))
	third := revision(models)
	assert.NotEqual(t, second, third, "same size, another time")

	// The hash is kept as long as sizes and times are as they were.
	write(t, dir, map[string]string{"tokenizer.json": "{}"})
	require.NoError(t, os.Chtimes(filepath.Join(dir, "tokenizer.json"), later, later))
	assert.Equal(t, third, revision(models))
	assert.Equal(t, second, revision(at(dir)))
}

func TestAnotherRevision(t *testing.T) {
	t.Parallel()
	models := at(write(t, t.TempDir(), tiny(t)))
	_, err := models.Shape(t.Context(), training.Model{Name: "tiny", Revision: "other", Path: "/etc"})
	require.ErrorContains(t, err, "and the job is for other")
	assert.Equal(t, fault.Input, fault.ClassOf(err))
}

func TestModelsDir(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "org", "tiny"), tiny(t))
	write(t, filepath.Join(dir, "plain"), tiny(t))
	write(t, dir, map[string]string{"config.json": "{}", ".hidden/config.json": "{}", "org/empty/x": ""})
	models := basemodel.New(map[string]basemodel.Place{"mine": {Path: "/nowhere"}}, dir)
	assert.Equal(t, []string{"mine", "org/tiny", "plain"}, models.Known())
	for _, name := range []string{"org/tiny", "plain"} {
		m, err := models.Find(t.Context(), name)
		require.NoError(t, err)
		assert.True(t, strings.HasSuffix(m.Path, name))
	}
	for name, want := range map[string]string{
		"org/other":         "this worker has no such model; supported: mine, org/tiny, plain",
		"mine":              "the folder /nowhere does not exist; correct cogflow.training.models",
		"../plain":          "invalid model name",
		"org/../plain":      "invalid model name",
		"/etc":              "invalid model name",
		"":                  "invalid model name",
		".hidden":           "invalid model name",
		"org/tiny/":         "invalid model name",
		"org\\tiny":         "invalid model name",
		"org":               "has no config.json",
		"a/b/c/d/e":         "invalid model name",
		"https://evil/tiny": "invalid model name",
	} {
		_, err := models.Find(t.Context(), name)
		require.ErrorContains(t, err, want, name)
		assert.Equal(t, fault.Input, fault.ClassOf(err), name)
	}
	_, err := basemodel.New(nil, "").Find(t.Context(), "x")
	require.ErrorContains(t, err, "name its folder in cogflow.training.models")
	_, err = basemodel.New(nil, filepath.Join(dir, "gone")).Find(t.Context(), "x")
	require.ErrorContains(t, err, "name its folder in cogflow.training.models, or download it to "+filepath.Join(dir, "gone", "x"))
}

func TestRefused(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		files func(t *testing.T) map[string]string
		want  string
	}{
		"no config":    {func(t *testing.T) map[string]string { return without(tiny(t), "config.json") }, "has no config.json"},
		"no tokenizer": {func(t *testing.T) map[string]string { return without(tiny(t), "tokenizer.json") }, "has no tokenizer"},
		"no weights":   {func(t *testing.T) map[string]string { return without(tiny(t), "model.safetensors") }, "has no safetensors weights"},
		"pickle": {func(t *testing.T) map[string]string {
			f := without(tiny(t), "model.safetensors")
			f["pytorch_model.bin"] = "x"
			return f
		}, `"pytorch_model.bin" may hold pickled code`},
		"pickle beside": {func(t *testing.T) map[string]string {
			f := tiny(t)
			f["old/training_args.BIN"] = "x"
			return f
		}, `"old/training_args.BIN" may hold pickled code; convert the weights to safetensors`},
		"no tokenizer_config": {func(t *testing.T) map[string]string { return without(tiny(t), "tokenizer_config.json") }, "has no tokenizer_config.json"},
		"remote code": {func(t *testing.T) map[string]string {
			f := tiny(t)
			f["tokenizer_config.json"] = `{"auto_map":{"AutoTokenizer":"x.y"}}`
			return f
		}, `"tokenizer_config.json" asks to run code of its own`},
		"remote code of jina v3": {func(t *testing.T) map[string]string {
			f := tiny(t)
			f["config.json"] = `{"architectures":["XLMRobertaLoRA"],"lora_adaptations":["retrieval.query"],` +
				`"auto_map":{"AutoModel":"jinaai/xlm-roberta-flash-implementation--modeling_lora.XLMRobertaLoRA"}}`
			return f
		}, "use jinaai/jina-embeddings-v3-hf, the same model without code"},
		"no JSON": {func(t *testing.T) map[string]string {
			f := tiny(t)
			f["config.json"] = "{"
			return f
		}, `"config.json" is not a JSON object`},
		"deep": {func(t *testing.T) map[string]string {
			f := tiny(t)
			f["a/b/c/d/e/f/x.json"] = "{}"
			return f
		}, "its folder is too deep"},
		"weights of a module only": {func(t *testing.T) map[string]string {
			f := tiny(t)
			f["2_Dense/model.safetensors"] = f["model.safetensors"]
			return without(f, "model.safetensors")
		}, "has no safetensors weights"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := at(write(t, t.TempDir(), test.files(t))).Find(t.Context(), "tiny")
			require.ErrorContains(t, err, test.want)
			assert.Equal(t, fault.Input, fault.ClassOf(err))
		})
	}
}

func TestShapeRefused(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(files map[string]string)
		want   string
	}{
		"broken weights": {func(f map[string]string) { f["model.safetensors"] = "PK\x03\x04 and more" }, "not a safetensors file"},
		"broken config":  {func(f map[string]string) { f["config.json"] = `{"hidden_size":"x"}` }, "it is not as transformers writes it"},
		"no index": {func(f map[string]string) {
			f["adapter_model.safetensors"] = f["model.safetensors"]
			delete(f, "model.safetensors")
		}, "it has neither model.safetensors nor model.safetensors.index.json beside adapter_model.safetensors"},
		"missing part": {func(f map[string]string) {
			f["model-1.safetensors"] = f["model.safetensors"]
			f["model.safetensors.index.json"] = `{"weight_map":{"a":"model-1.safetensors","b":"model-2.safetensors"}}`
			delete(f, "model.safetensors")
		}, `its index names "model-2.safetensors", which does not exist`},
		"part elsewhere": {func(f map[string]string) {
			f["model-1.safetensors"] = f["model.safetensors"]
			f["model.safetensors.index.json"] = `{"weight_map":{"a":"../model-1.safetensors"}}`
			delete(f, "model.safetensors")
		}, "which is not a safetensors file in the folder"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			files := tiny(t)
			test.change(files)
			models := at(write(t, t.TempDir(), files))
			m, err := models.Find(t.Context(), "tiny")
			require.NoError(t, err)
			_, err = models.Shape(t.Context(), m)
			require.ErrorContains(t, err, test.want)
			assert.Equal(t, fault.Input, fault.ClassOf(err))
		})
	}
}

func TestIndexedWeights(t *testing.T) {
	t.Parallel()
	files := without(tiny(t), "model.safetensors")
	files["model-1.safetensors"] = safetensors(t, map[string][]int64{"model.embed_tokens.weight": {16, 4}})
	files["model-2.safetensors"] = safetensors(t, map[string][]int64{"model.layers.0.self_attn.q_proj.weight": {4, 4}})
	files["model.safetensors.index.json"] = `{"weight_map":{"a":"model-1.safetensors","b":"model-2.safetensors"}}`
	models := at(write(t, t.TempDir(), files))
	m, err := models.Find(t.Context(), "tiny")
	require.NoError(t, err)
	s, err := models.Shape(t.Context(), m)
	require.NoError(t, err)
	assert.EqualValues(t, 16*4+4*4, s.Parameters)
}

func TestLinks(t *testing.T) {
	t.Parallel()
	link := func(old, name string) {
		require.NoError(t, os.MkdirAll(filepath.Dir(name), 0o750))
		require.NoError(t, os.Symlink(old, name))
	}
	outside := write(t, t.TempDir(), tiny(t))
	dir := t.TempDir()
	models := basemodel.New(nil, dir)

	link(outside, filepath.Join(dir, "away"))
	_, err := models.Find(t.Context(), "away")
	require.ErrorContains(t, err, "leads out of the folder of models")

	write(t, filepath.Join(dir, "file"), without(tiny(t), "model.safetensors"))
	link(filepath.Join(outside, "model.safetensors"), filepath.Join(dir, "file", "model.safetensors"))
	_, err = models.Find(t.Context(), "file")
	require.ErrorContains(t, err, `"model.safetensors" is a link that leads out of the model's folder`)
	assert.Equal(t, fault.Input, fault.ClassOf(err))

	write(t, filepath.Join(dir, "gone"), tiny(t))
	link("nothing.json", filepath.Join(dir, "gone", "vocab.json"))
	_, err = models.Find(t.Context(), "gone")
	require.ErrorContains(t, err, "is a link to nothing")

	// A Hugging Face cache keeps the files elsewhere, but below the folder.
	repo := filepath.Join(dir, "models--org--tiny")
	for name, text := range tiny(t) {
		write(t, repo, map[string]string{"blobs/" + name: text})
		link("../../blobs/"+name, filepath.Join(repo, "snapshots", "abc", name))
	}
	link("models--org--tiny/snapshots/abc", filepath.Join(dir, "cached"))
	m, err := models.Find(t.Context(), "cached")
	require.NoError(t, err)
	again, err := at(filepath.Join(repo, "snapshots", "abc")).Find(t.Context(), "tiny")
	require.NoError(t, err)
	assert.Equal(t, m.Revision, again.Revision)
}

func TestFindEndsWithoutCallers(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := at(write(t, t.TempDir(), tiny(t))).Find(ctx, "tiny")
	require.ErrorIs(t, err, context.Canceled)
}
