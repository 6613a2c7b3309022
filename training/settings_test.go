package training_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/training"
)

func settingsOf(t *testing.T, text string) training.Settings {
	t.Helper()
	var s training.Settings
	require.NoError(t, json.Unmarshal([]byte(text), &s))
	return s
}

func TestResolveDefaults(t *testing.T) {
	t.Parallel()
	common := training.Config{
		Epochs: 3, BatchSize: 4, Accumulation: 4, Scheduler: "linear", WarmupSteps: 100, MaxGradNorm: 1,
		MaxSeqLength: 512, EvalSteps: 500, Patience: 3,
	}
	for method, want := range map[training.Method]struct {
		config  func(c *training.Config)
		targets []string
		rows    int
	}{
		training.SFT: {func(c *training.Config) { c.LearningRate = 2e-4 }, []string{"k_proj", "o_proj", "q_proj", "v_proj"}, 50},
		training.DPO: {func(c *training.Config) { c.LearningRate, c.Beta, c.MaxPromptLength = 5e-5, 0.1, 256 }, []string{"k_proj", "o_proj", "q_proj", "v_proj"}, 20},
		training.Embedding: {func(c *training.Config) {
			c.LearningRate, c.BatchSize, c.Accumulation, c.WeightDecay = 2e-5, 16, 1, 0.01
			c.Loss, c.DistanceMetric, c.TripletMargin = "triplet", "cosine", 0.5
		}, []string{"q_proj", "v_proj"}, 100},
	} {
		t.Run(string(method), func(t *testing.T) {
			t.Parallel()
			expected := common
			want.config(&expected)
			c, lora, extras, err := training.Resolve(method, training.Settings{}, training.LoRASettings{})
			require.NoError(t, err)
			assert.Equal(t, expected, c)
			assert.Equal(t, &training.LoRA{R: 8, Alpha: 16, Dropout: 0.1, TargetModules: want.targets}, lora)
			assert.Equal(t, training.Extras{MinRows: want.rows, DefaultModules: true}, extras)
		})
	}
}

// TestLoadIn4Bit: only the settings change, and false is the job that it was without the setting.
func TestLoadIn4Bit(t *testing.T) {
	t.Parallel()
	for _, method := range []training.Method{training.SFT, training.DPO} {
		plain, _, _, err := training.Resolve(method, training.Settings{}, training.LoRASettings{})
		require.NoError(t, err)
		off, _, _, err := training.Resolve(method, settingsOf(t, `{"load_in_4bit": false}`), training.LoRASettings{})
		require.NoError(t, err)
		assert.Equal(t, plain, off)
		on, lora, _, err := training.Resolve(method, settingsOf(t, `{"load_in_4bit": true}`), training.LoRASettings{})
		require.NoError(t, err)
		assert.NotNil(t, lora)
		assert.Empty(t, plain.Quantization())
		assert.Contains(t, on.Quantization(), "4 bits")
		keys := map[string]bool{}
		for _, c := range []training.Config{plain, off, on} {
			spec := training.Spec{Method: method, Config: c, LoRA: lora}
			job, err := spec.JobID()
			require.NoError(t, err)
			speed, err := training.SpeedKey("acme", spec, "t4")
			require.NoError(t, err)
			lengths, err := training.LengthsKey("acme", spec)
			require.NoError(t, err)
			keys[job], keys[speed], keys[lengths] = true, true, true
		}
		assert.Len(t, keys, 6, "two jobs, with speeds and checks of their own")
	}
}

// TestCogniverseConfig: what dataclasses.asdict of Cogniverse's SFTConfig gives.
func TestCogniverseConfig(t *testing.T) {
	t.Parallel()
	s := settingsOf(t, `{"use_lora": true, "lora_r": 16, "lora_alpha": 32, "lora_dropout": 0.0, "target_modules": ["v_proj", "q_proj"],
		"epochs": 1, "batch_size": 2.0, "gradient_accumulation_steps": 8, "learning_rate": 1e-4, "warmup_steps": 0, "max_seq_length": 256,
		"fp16": true, "dataset_text_field": "text", "format": "alpaca_text", "output_dir": "outputs/x", "save_steps": 500,
		"eval_steps": 500, "logging_steps": 100}`)
	c, lora, extras, err := training.Resolve(training.SFT, s, training.LoRASettings{})
	require.NoError(t, err)
	assert.Equal(t, 2, c.BatchSize)
	assert.Zero(t, c.WarmupSteps, "0 is said, so it is not the default")
	assert.Equal(t, &training.LoRA{R: 16, Alpha: 32, TargetModules: []string{"q_proj", "v_proj"}}, lora)
	assert.Equal(t, []string{"dataset_text_field", "format", "logging_steps", "output_dir"}, extras.Ignored)
	assert.Empty(t, extras.Numerics)

	s = settingsOf(t, `{"use_lora": false, "lora_r": 8, "fp16": false, "evaluation_steps": 7, "distance_metric": "manhattan", "triplet_margin": 5}`)
	c, lora, extras, err = training.Resolve(training.Embedding, s, training.LoRASettings{})
	require.NoError(t, err)
	assert.Nil(t, lora)
	assert.Equal(t, training.FP32, extras.Numerics)
	assert.Equal(t, 7, c.EvalSteps)
	assert.InDelta(t, 5, c.TripletMargin, 0)
}

func TestSettingsRefused(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ text, want string }{
		"unknown":            {`{"learning_rat": 1e-4}`, `"learning_rat" is not a setting; did you mean "learning_rate"?`},
		"another tool's":     {`{"per_device_train_batch_size": 4}`, `did you mean "batch_size"?`},
		"case":               {`{"Epochs": 1}`, `did you mean "epochs"?`},
		"far":                {`{"zzzzzzzzzz": 1}`, "supported: epochs, batch_size"},
		"of the input":       {`{"seed": 1}`, "it belongs beside this object"},
		"8 bits":             {`{"load_in_8bit": true}`, `8 bits are not offered; 4 bits are: "load_in_4bit"`},
		"quantized":          {`{"qlora": true}`, `did you mean "load_in_4bit"?`},
		"NaN":                {`{"learning_rate": "NaN"}`, `"learning_rate" is "NaN"; must be a number > 0 and ≤ 1`},
		"infinite":           {`{"learning_rate": 1e999}`, `"learning_rate" is 1e999; must be a number > 0 and ≤ 1`},
		"infinite whole":     {`{"batch_size": 1e999}`, `must be a whole number from 1 to 4096`},
		"negative":           {`{"epochs": -1}`, `"epochs" is -1; must be a number > 0 and ≤ 1000`},
		"zero":               {`{"epochs": 0}`, `"epochs" is 0`},
		"huge":               {`{"batch_size": 99999999999999999999}`, `must be a whole number from 1 to 4096`},
		"fraction":           {`{"batch_size": 1.5}`, `"batch_size" is 1.5; must be a whole number`},
		"text":               {`{"packing": "yes"}`, `"packing" is "yes"; must be true or false`},
		"word":               {`{"lr_scheduler": "wavy"}`, `must be linear, cosine, constant`},
		"dropout":            {`{"lora_dropout": 1}`, `"lora_dropout" is 1`},
		"modules":            {`{"target_modules": "q_proj|v_proj"}`, `must be a list of names`},
		"no modules":         {`{"target_modules": []}`, "holds 0 names"},
		"module":             {`{"target_modules": ["../x y"]}`, "is not a valid module name"},
		"twice":              {`{"epochs": 1, "epochs": 2}`, `"epochs" is listed twice`},
		"list":               {`[1]`, "must be a JSON object"},
		"several":            {`{"epochs": 0, "batch_size": 0}`, `"epochs" is 0; must be a number > 0 and ≤ 1000; "batch_size" is 0`},
		"template list":      {`{"chat_template_kwargs": []}`, `must be an object such as`},
		"template text":      {`{"chat_template_kwargs": "x"}`, `must be an object such as`},
		"template clock":     {`{"chat_template_kwargs": {"strftime_now": 1}}`, `holds "strftime_now", which the trainer sets`},
		"template argument":  {`{"chat_template_kwargs": {"tokenize": false}}`, `holds "tokenize", which the trainer sets`},
		"template name":      {`{"chat_template_kwargs": {"a b": 1}}`, `holds "a b", which is not the name of a variable`},
		"template number":    {`{"chat_template_kwargs": {"n": [9007199254740993]}}`, `holds "n" with a number that is not exact`},
		"template tools":     {`{"chat_template_kwargs": {"tools": ["f"]}}`, `must be a list of objects, each a JSON schema of a function`},
		"template size":      {`{"chat_template_kwargs": {"s": "` + strings.Repeat("x", 1<<16) + `"}}`, `must be at most 65536`},
		"template outside":   {`{"enable_thinking": false}`, `did you mean "chat_template_kwargs"?`},
		"margin of infinity": {`{"triplet_margin": 1e400}`, `"triplet_margin" is 1e400`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			err := json.Unmarshal([]byte(test.text), &training.Settings{})
			require.ErrorContains(t, err, test.want)
			assert.Equal(t, fault.Input, fault.ClassOf(err))
		})
	}
	require.ErrorContains(t, json.Unmarshal([]byte(`{"rank": 8}`), &training.LoRASettings{}), `"rank" is not a setting; supported: r, alpha`)
}

func TestResolveContradictions(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		method     training.Method
		text, lora string
		want       string
	}{
		"method":           {"rlhf", `{}`, `{}`, "supported: sft, dpo, kto or embedding"},
		"another method's": {training.SFT, `{"beta": 0.1}`, `{}`, `"beta" is a setting of dpo`},
		"cosine margin":    {training.Embedding, `{"triplet_margin": 5}`, `{}`, "cosine distances lie between 0 and 2"},
		"margin of mnr":    {training.Embedding, `{"loss": "mnr", "triplet_margin": 1}`, `{}`, "belong to the triplet loss"},
		"margin of late":   {training.Embedding, `{"loss": "late_interaction", "distance_metric": "cosine"}`, `{}`, "belong to the triplet loss, and loss is late_interaction"},
		"two ranks":        {training.SFT, `{"lora_r": 4}`, `{"r": 8}`, "lora.r is 8 and lora_r is 4"},
		"two dropouts":     {training.SFT, `{"lora_dropout": 0}`, `{"dropout": 0.1}`, "lora.dropout"},
		"two targets":      {training.SFT, `{"target_modules": ["a"]}`, `{"target_modules": ["b"]}`, "differ"},
		"lora unwanted":    {training.SFT, `{"use_lora": false}`, `{"r": 8}`, "lora describes an adapter"},
		"merge of all":     {training.SFT, `{"use_lora": false, "merge": true}`, `{}`, "no adapter to merge"},
		"prompt":           {training.DPO, `{"max_prompt_length": 512}`, `{}`, "leaves no room"},
		"numerics":         {training.SFT, `{"fp16": false, "numerics": "bf16"}`, `{}`, "contradict each other"},
		"dropped":          {training.SFT, `{"allow_dropped": 2.5}`, `{}`, "a share below 1"},
		"no template":      {training.Embedding, `{"chat_template_kwargs": {}}`, `{}`, `"chat_template_kwargs" is a setting of sft, dpo and kto`},
		"weight of sft":    {training.SFT, `{"desirable_weight": 2}`, `{}`, `"desirable_weight" is a setting of kto`},
		"loss of sft":      {training.SFT, `{"loss": "kto"}`, `{}`, `"loss" is a setting of kto and embedding`},
		"loss of triplets": {training.KTO, `{"loss": "mnr"}`, `{}`, "loss mnr is not one of kto; must be kto or apo_zero_unpaired"},
		"loss of ratings":  {training.Embedding, `{"loss": "kto"}`, `{}`, "loss kto is not one of embedding; must be triplet, mnr or late_interaction"},
		"batch of one":     {training.KTO, `{"batch_size": 1}`, `{}`, "batch_size is 1, and kto gives each prompt the answer of another row of its batch; must be 2 or more"},
		"prompt of kto":    {training.KTO, `{"max_prompt_length": 9}`, `{}`, `"max_prompt_length" is a setting of dpo`},
		"all in 4 bits":    {training.DPO, `{"use_lora": false, "load_in_4bit": true}`, `{}`, "weights in 4 bits cannot be trained themselves"},
		"vectors in 4":     {training.Embedding, `{"load_in_4bit": true}`, `{}`, `"load_in_4bit" is a setting of sft, dpo and kto`},
		"two eval steps":   {training.Embedding, `{"eval_steps": 1, "evaluation_steps": 2}`, `{}`, "both mean the same"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var l training.LoRASettings
			require.NoError(t, json.Unmarshal([]byte(test.lora), &l))
			_, _, _, err := training.Resolve(test.method, settingsOf(t, test.text), l)
			require.ErrorContains(t, err, test.want)
			assert.Equal(t, fault.Input, fault.ClassOf(err))
		})
	}
}

// TestResolveKTO: the defaults are TRL's where they do not depend on adapters.
func TestResolveKTO(t *testing.T) {
	t.Parallel()
	c, _, extras, err := training.Resolve(training.KTO, settingsOf(t, `{}`), training.LoRASettings{})
	require.NoError(t, err)
	assert.Equal(t, []any{"kto", 0.1, 1.0, 1.0, 5e-5, 0}, []any{c.Loss, c.Beta, c.DesirableWeight, c.UndesirableWeight, c.LearningRate, c.MaxPromptLength})
	assert.Equal(t, 40, extras.MinRows)
	c, _, _, err = training.Resolve(training.KTO, settingsOf(t, `{"loss": "apo_zero_unpaired", "batch_size": 1, "undesirable_weight": 1.5}`), training.LoRASettings{})
	require.NoError(t, err, "without an estimate a batch may have one row")
	assert.InDelta(t, 1.5, c.UndesirableWeight, 0)
	require.ErrorContains(t, json.Unmarshal([]byte(`{"undesirable_weight": 0}`), &training.Settings{}), "must be a number > 0")
}

func TestResolveSmallerLengths(t *testing.T) {
	t.Parallel()
	c, _, _, err := training.Resolve(training.DPO, settingsOf(t, `{"max_seq_length": 64}`), training.LoRASettings{})
	require.NoError(t, err)
	assert.Equal(t, 32, c.MaxPromptLength, "the default gives way")
	c, _, _, err = training.Resolve(training.Embedding, settingsOf(t, `{"loss": "mnr"}`), training.LoRASettings{})
	require.NoError(t, err)
	assert.Empty(t, c.DistanceMetric)
	assert.Zero(t, c.TripletMargin)
}

func TestResolveLateInteraction(t *testing.T) {
	t.Parallel()
	c, lora, _, err := training.Resolve(training.Embedding, settingsOf(t, `{"loss": "late_interaction"}`), training.LoRASettings{})
	require.NoError(t, err)
	assert.Empty(t, c.DistanceMetric)
	assert.InDelta(t, 2e-4, c.LearningRate, 0)
	assert.Equal(t, []string{training.Projection, "down_proj", "gate_proj", "k_proj", "o_proj", "q_proj", "up_proj", "v_proj"}, lora.TargetModules)
	c, lora, _, err = training.Resolve(training.Embedding,
		settingsOf(t, `{"loss": "late_interaction", "learning_rate": 1e-4, "target_modules": ["q_proj"]}`), training.LoRASettings{})
	require.NoError(t, err)
	assert.InDelta(t, 1e-4, c.LearningRate, 0)
	assert.Equal(t, []string{"q_proj"}, lora.TargetModules)
}

func TestSettingsRoundTrip(t *testing.T) {
	t.Parallel()
	text := `{"epochs":0.5,"batch_size":1,"warmup_steps":0,"packing":false,"target_modules":["all-linear"],"format":"x"}`
	s := settingsOf(t, text)
	again, err := json.Marshal(s)
	require.NoError(t, err)
	assert.Equal(t, text, string(again))
	assert.Equal(t, s, settingsOf(t, string(again)))
	assert.Equal(t, training.Settings{}, settingsOf(t, `null`))
	assert.Equal(t, training.Settings{}, settingsOf(t, `{"epochs": null}`))
}

// TestTemplateVariables: they are part of the job's identity, whatever their order; without
// them the identity is that of earlier builds.
func TestTemplateVariables(t *testing.T) {
	t.Parallel()
	job := func(text string) string {
		c, _, _, err := training.Resolve(training.SFT, settingsOf(t, text), training.LoRASettings{})
		require.NoError(t, err)
		id, err := training.Spec{Method: training.SFT, Model: "m", Config: c}.JobID()
		require.NoError(t, err)
		return id
	}
	plain := job(`{}`)
	require.Equal(t, "15712c97aba138c9c9d316ca", plain, "as earlier builds name it")
	require.Equal(t, plain, job(`{"chat_template_kwargs": {}}`))
	require.Equal(t, plain, job(`{"chat_template_kwargs": null}`))
	off := job(`{"chat_template_kwargs": {"enable_thinking": false, "tools": [{"name": "f", "n": 1.5}]}}`)
	require.NotEqual(t, plain, off)
	require.Equal(t, off, job(`{"chat_template_kwargs": {"tools": [{"n": 1.5, "name": "f"}], "enable_thinking": false}}`))
	require.NotEqual(t, off, job(`{"chat_template_kwargs": {"enable_thinking": false}}`))
}

func TestValidationShare(t *testing.T) {
	t.Parallel()
	none, half := 0.0, 0.5
	assert.Zero(t, training.Extras{}.ValidationShare(), "the default")
	assert.Negative(t, training.Extras{ValidationSplit: &none}.ValidationShare(), "none")
	assert.InDelta(t, 0.5, training.Extras{ValidationSplit: &half}.ValidationShare(), 0)
}

// FuzzSettings: what is taken can be said again, and resolved or refused.
func FuzzSettings(f *testing.F) {
	f.Add(`{"epochs": 1e0, "lora_r": 4, "target_modules": "all-linear", "output_dir": {"a" : 1}}`)
	f.Add(`{"learning_rate": 1e-400}`)
	f.Fuzz(func(t *testing.T, text string) {
		var s training.Settings
		if json.Unmarshal([]byte(text), &s) != nil {
			return
		}
		again, err := json.Marshal(s)
		require.NoError(t, err)
		var second training.Settings
		require.NoError(t, json.Unmarshal(again, &second), "%s", again)
		twice, err := json.Marshal(second)
		require.NoError(t, err)
		require.Equal(t, string(again), string(twice))
		for _, method := range []training.Method{training.SFT, training.DPO, training.Embedding} {
			_, _, _, err := training.Resolve(method, s, training.LoRASettings{})
			require.True(t, err == nil || strings.Contains(err.Error(), "read settings"))
		}
	})
}
