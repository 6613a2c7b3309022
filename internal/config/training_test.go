package config

import (
	"cmp"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
)

func TestTrainingDefaults(t *testing.T) {
	t.Parallel()
	c, err := Load(env())
	require.NoError(t, err)
	assert.InDelta(t, 300, c.Training.CheckpointSeconds, 0)
	assert.Equal(t, time.Minute, c.Training.Grace)
	assert.InDelta(t, 2.5, c.Training.Prices["a100-80gb"], 0)
	assert.NotEmpty(t, c.Training.PricesDate)
	assert.Empty(t, c.Training.GPUs)
	assert.Empty(t, c.Training.ModelsDir)
}

func TestTrainingSection(t *testing.T) {
	t.Parallel()
	c, err := Load(file(t, `{"cogflow":{"training":{
		"models":{"HuggingFaceTB/SmolLM-135M":{"path":"/models/smol","repo":"HuggingFaceTB/SmolLM-135M","revision":"1d461723eec654e65efdc40cf49301c89c0c92f4"},"tiny":{"path":"tiny"}},
		"models_dir":"/models","python":"/venv/bin/python","trainer_dir":"/srv/trainer","gpus":[0,"1","GPU-1b2c3d4e"],
		"prices":{"h200":3.5},"checkpoint_seconds":30,"grace_seconds":5,
		"serving":{"tiny":{"url":"http://vllm:8000/v1/","api_key_env":"VLLM_KEY","adapters_dir":"/adapters"}}}}}`))
	require.NoError(t, err)
	here, err := os.Getwd()
	require.NoError(t, err)
	got := c.Training
	assert.Equal(t, BaseModel{Path: filepath.Join(here, "tiny")}, got.Models["tiny"])
	assert.Equal(t, "1d461723eec654e65efdc40cf49301c89c0c92f4", got.Models["HuggingFaceTB/SmolLM-135M"].Revision)
	assert.Equal(t, "/models", got.ModelsDir)
	assert.Equal(t, "/venv/bin/python", got.Python)
	assert.Equal(t, "/srv/trainer", got.TrainerDir)
	assert.Equal(t, []string{"0", "1", "GPU-1b2c3d4e"}, got.GPUs)
	assert.InDelta(t, 3.5, got.Prices["h200"], 0)
	assert.InDelta(t, 1.1, got.Prices["a10g"], 0, "the others stay")
	assert.InDelta(t, 30, got.CheckpointSeconds, 0)
	assert.Equal(t, 5*time.Second, got.Grace)
	assert.Equal(t, []Server{{BaseModel: "tiny", URL: "http://vllm:8000/v1", KeyVariable: "VLLM_KEY", AdaptersDir: "/adapters"}}, got.Serving)

	shown, err := json.Marshal(c.Redacted())
	require.NoError(t, err)
	assert.Contains(t, string(shown), `"training":{"models":{"HuggingFaceTB/SmolLM-135M":{"path":"/models/smol"`)
}

// TestTrainingPython: the environment of the project is taken, unless another is named.
func TestTrainingPython(t *testing.T) {
	t.Parallel()
	c, err := Load(file(t, `{"cogflow":{"training":{"trainer_dir":"/srv/trainer"}}}`))
	require.NoError(t, err)
	assert.Equal(t, "/srv/trainer/.venv/bin/python", c.Training.Python)
	c, err = Load(file(t, `{"cogflow":{"training":{"python":"python3.11"}}}`))
	require.NoError(t, err)
	assert.Equal(t, "python3.11", c.Training.Python, "a program's name is found on the PATH")
}

func TestTrainingEnvironment(t *testing.T) {
	t.Parallel()
	from := file(t, `{"cogflow":{"training":{"gpus":[5],"prices":{"t4":9,"l4":9}}}}`)
	over := env("COGFLOW_TRAINING_GPUS", "0, 1", "COGFLOW_TRAINING_MODELS_DIR", "/m", "COGFLOW_TRAINING_PYTHON", "/p/python",
		"COGFLOW_TRAINING_TRAINER_DIR", "/t", "COGFLOW_TRAINING_CHECKPOINT_SECONDS", "1.5", "COGFLOW_TRAINING_GRACE_SECONDS", "2",
		"COGFLOW_TRAINING_PRICES", `{"t4":0.1}`, "COGFLOW_TRAINING_SERVING", `{"a/b":{"url":"http://llm:8000/v1","adapters_dir":"/adapters"}}`)
	c, err := Load(func(name string) string { return cmp.Or(over(name), from(name)) })
	require.NoError(t, err)
	assert.Equal(t, []string{"0", "1"}, c.Training.GPUs)
	assert.Equal(t, "/m", c.Training.ModelsDir)
	assert.Equal(t, "/p/python", c.Training.Python)
	assert.Equal(t, "/t", c.Training.TrainerDir)
	assert.InDelta(t, 1.5, c.Training.CheckpointSeconds, 0)
	assert.Equal(t, 2*time.Second, c.Training.Grace)
	assert.InDelta(t, 0.1, c.Training.Prices["t4"], 0)
	assert.Equal(t, []Server{{BaseModel: "a/b", URL: "http://llm:8000/v1", AdaptersDir: "/adapters"}}, c.Training.Serving)

	_, err = Load(env("COGFLOW_TRAINING_SERVING", `{"a/b":{"uri":"http://llm"}}`))
	require.ErrorContains(t, err, "COGFLOW_TRAINING_SERVING: not an object like")
	_, err = Load(env("COGFLOW_TRAINING_GRACE_SECONDS", "soon", "COGFLOW_TRAINING_GPUS", "0,,1"))
	require.ErrorContains(t, err, "COGFLOW_TRAINING_GRACE_SECONDS: not a number of seconds")
	require.ErrorContains(t, err, "COGFLOW_TRAINING_GPUS: not a list like 0,1")
}

func TestTrainingProblems(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ text, want string }{
		"unknown":       {`{"pyton":"x"}`, `cogflow.training.pyton: unknown key, did you mean "python"?`},
		"unknown of":    {`{"models":{"m":{"path":"/x","rev":"y"}}}`, `cogflow.training.models.m.rev: unknown key`},
		"checkpoint":    {`{"checkpoint_seconds":-1}`, "cogflow.training.checkpoint_seconds: out of range"},
		"grace":         {`{"grace_seconds":1e9}`, "cogflow.training.grace_seconds: out of range"},
		"price":         {`{"prices":{"t4":-1}}`, "cogflow.training.prices: read prices \"t4\""},
		"class":         {`{"prices":{"v100":1}}`, "not found; supported: cpu, t4"},
		"device":        {`{"gpus":["all"]}`, `cogflow.training.gpus: "all" is not a device`},
		"devices":       {`{"gpus":[0,"0"]}`, "0 is listed twice"},
		"name":          {`{"models":{"../x":{"path":"/x"}}}`, "cogflow.training.models.../x: not a model's name"},
		"path":          {`{"models":{"m":{}}}`, "cogflow.training.models.m.path: missing"},
		"repo":          {`{"models":{"m":{"path":"/x","repo":"a/b/c"}}}`, "cogflow.training.models.m.repo: not a repository"},
		"branch":        {`{"models":{"m":{"path":"/x","repo":"a/b","revision":"main"}}}`, "cogflow.training.models.m.revision: not a commit"},
		"commit alone":  {`{"models":{"m":{"path":"/x","revision":"1d461723eec654e65efdc40cf49301c89c0c92f4"}}}`, "a commit without a repository"},
		"server":        {`{"serving":{"m":{"url":"vllm","adapters_dir":"/a"}}}`, "cogflow.training.serving.m.url: not an http address"},
		"credentials":   {`{"serving":{"m":{"url":"http://k:s@h","adapters_dir":"/a"}}}`, "holds credentials"},
		"key":           {`{"serving":{"m":{"url":"http://h","api_key_env":"sk-1","adapters_dir":"/a"}}}`, "cogflow.training.serving.m.api_key_env: not the name of a variable"},
		"no folder":     {`{"serving":{"m":{"url":"http://h"}}}`, "cogflow.training.serving.m.adapters_dir: missing"},
		"wrong type":    {`{"models_dir":5}`, "cogflow.training.models_dir: must be a string"},
		"device object": {`{"gpus":[{}]}`, `"{}" is not a device`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Load(file(t, `{"cogflow":{"training":`+test.text+`}}`))
			require.ErrorContains(t, err, test.want)
			assert.Equal(t, fault.Input, fault.ClassOf(err))
		})
	}
}
