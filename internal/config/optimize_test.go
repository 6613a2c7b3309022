package config

import (
	"cmp"
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/prompt"
)

// TestGuide: the deployment guide's own file, but for the key in it.
func TestGuide(t *testing.T) {
	t.Parallel()
	const guide = `{"llm_config": {
		"primary": {"model": "openai/HuggingFaceTB/SmolLM3-3B", "api_base": "https://username--general-inference-service-serve.modal.run"},
		"teacher": {"model": "anthropic/claude-3-5-sonnet-20241022"%s}
	}, "vlm_endpoint_url": "https://username--cogniverse-vlm-vlmmodel-generate-description.modal.run/"}`
	c, err := Load(file(t, fmt.Sprintf(guide, "")))
	require.NoError(t, err)
	assert.Equal(t, LM{
		From: "llm_config.primary", Endpoint: "llm_config.primary",
		Model: prompt.Model{Name: "openai/HuggingFaceTB/SmolLM3-3B", Temperature: new(0.1), MaxTokens: 1000},
	}, c.Optimize.Student)
	assert.Equal(t, []Endpoint{
		{
			Name: "llm_config.primary", Kind: OpenAI, URL: "https://username--general-inference-service-serve.modal.run/v1",
			Models: []string{"openai/HuggingFaceTB/SmolLM3-3B"}, Names: map[string]string{"openai/HuggingFaceTB/SmolLM3-3B": "HuggingFaceTB/SmolLM3-3B"},
		},
		{
			Name: "llm_config.teacher", Kind: OpenAI, URL: "https://api.anthropic.com/v1", KeyVariable: "ANTHROPIC_API_KEY", Dialect: DialectAnthropic,
			Models: []string{"anthropic/claude-3-5-sonnet-20241022"}, Names: map[string]string{"anthropic/claude-3-5-sonnet-20241022": "claude-3-5-sonnet-20241022"},
		},
	}, c.Optimize.Endpoints)
	assert.Equal(t, "llm_config.teacher", c.Optimize.Teacher.From)
	assert.Equal(t, c.Optimize.Teacher, c.Optimize.Proposer)
	assert.Equal(t, c.Optimize.Teacher, c.Optimize.Judge)
	assert.Nil(t, c.Optimize.Teacher.Price, "unknown")
	teacher, err := c.Teacher()
	require.NoError(t, err)
	assert.Equal(t, "anthropic/claude-3-5-sonnet-20241022", teacher.Name)

	_, err = Load(file(t, fmt.Sprintf(guide, `, "api_key": "sk-ant-topsecret"`)))
	require.ErrorContains(t, err, "llm_config.teacher.api_key: a key is written into the file")
	require.ErrorContains(t, err, `"api_key_env"`)
	require.NotContains(t, err.Error(), "topsecret")
}

// TestCogniversesModels: what its users' files hold, of several times.
func TestCogniversesModels(t *testing.T) {
	t.Parallel()
	c, err := Load(env(EnvFile, "testdata/cogniverse.json"))
	require.NoError(t, err)
	got := c.Optimize.Student
	assert.Equal(t, "modal/google/gemma-3-1b-it", got.Name)
	assert.Equal(t, prompt.Server{JSON: true, Schema: true}, got.Server)
	e := c.Optimize.Endpoints[0]
	assert.Equal(t, "http://localhost:11434/v1", e.URL, "its own api_base counts more than inference.modal_endpoint")
	assert.Equal(t, "SOME_KEY", e.KeyVariable)
	assert.Equal(t, "google/gemma-3-1b-it", e.served(got.Name))
	assert.Equal(t, "anthropic/claude-3-5-sonnet-20241022", c.Optimize.Teacher.Name)
	assert.Empty(t, c.Optimize.Components, "an override of null is none")

	c, err = Load(file(t, `{"llm_config":{
		"primary":{"model":"openai/google/gemma-4-e4b-it","api_key":null,"temperature":0.1,"max_tokens":1000,"adapter_path":null,"api_base":"http://localhost:29010/v1"},
		"teacher":{"model":"openai/google/gemma-4-26b-a4b-it","api_base":"http://localhost:29011/v1","api_key":null,"temperature":0.7,"max_tokens":2048},
		"overrides":{"query_analysis_module":null,"routing":{"model":"openai/routing-lora","temperature":0},"judge":{"model":"ollama_chat/gemma3","api_base":"http://localhost:11434"}}}}`))
	require.NoError(t, err)
	assert.Equal(t, "llm_config.teacher", c.Optimize.Teacher.Endpoint)
	assert.Equal(t, 2048, c.Optimize.Teacher.MaxTokens)
	assert.InDelta(t, 0.7, *c.Optimize.Teacher.Temperature, 0)
	routing, err := c.Student("routing")
	require.NoError(t, err)
	assert.Equal(t, prompt.Model{Name: "openai/routing-lora", Temperature: new(0.0), MaxTokens: 1000}, routing)
	assert.Equal(t, "llm_config.primary", c.Optimize.Components["routing"].Endpoint, "at the same address")
	assert.Equal(t, []string{"openai/google/gemma-4-e4b-it", "openai/routing-lora"}, c.Optimize.Endpoints[0].Models)
	other, err := c.Student("summarizer")
	require.NoError(t, err)
	assert.Equal(t, "openai/google/gemma-4-e4b-it", other.Name)
	e, ok := c.chat("ollama_chat/gemma3")
	require.True(t, ok)
	assert.Equal(t, "http://localhost:11434/v1", e.URL)
	assert.Len(t, c.Chat(), 3)
}

// TestOptimizationSection: the section of the last version that had one.
func TestOptimizationSection(t *testing.T) {
	t.Parallel()
	c, err := Load(file(t, `{"inference":{"modal_endpoint":"https://me--serve.modal.run/generate"},
		"llm_config":{"primary":{"model":"ollama/gemma3:4b"}},
		"optimization":{"enabled":true,"type":"dspy",
			"teacher":{"model":"claude-3-5-sonnet-20241022","api_key_env":"ROUTER_OPTIMIZER_TEACHER_KEY"},
			"student":{"model":"HuggingFaceTB/SmolLM3-3B","provider":"modal"},
			"providers":{"modal":{"gpu_config":"A10G","memory_mb":16000}},
			"settings":{"num_examples":50,"num_candidates":10,"num_trials":20}}}`))
	require.NoError(t, err)
	assert.Equal(t, "modal/HuggingFaceTB/SmolLM3-3B", c.Optimize.Student.Name)
	e, _ := c.chat(c.Optimize.Student.Name)
	assert.Equal(t, "https://me--serve.modal.run/v1", e.URL)
	e, _ = c.chat(c.Optimize.Teacher.Name)
	assert.Equal(t, "ROUTER_OPTIMIZER_TEACHER_KEY", e.KeyVariable)
	assert.Equal(t, DialectAnthropic, e.Dialect)
	assert.Equal(t, [3]int{50, 10, 20}, [3]int{c.Optimize.NumExamples, c.Optimize.NumCandidates, c.Optimize.NumTrials})
}

// TestResolve: where a model is asked, by how it is written.
func TestResolve(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		primary           string
		model, served     string
		url, key, missing string
	}{
		"openai":           {`{"model":"openai/gpt-4o"}`, "openai/gpt-4o", "gpt-4o", "https://api.openai.com/v1", "OPENAI_API_KEY", ""},
		"known name":       {`{"model":"gpt-4o-mini","api_key_env":"K"}`, "openai/gpt-4o-mini", "gpt-4o-mini", "https://api.openai.com/v1", "K", ""},
		"openai elsewhere": {`{"model":"openai/m","api_base":"http://h:8000/v1/"}`, "openai/m", "m", "http://h:8000/v1", "", ""},
		"another path":     {`{"model":"openai/m","api_base":"https://h/api/v3"}`, "openai/m", "m", "https://h/api/v3", "", ""},
		"vllm":             {`{"model":"hosted_vllm/openai/gpt-oss-20b","api_base":"http://h:8000"}`, "hosted_vllm/openai/gpt-oss-20b", "openai/gpt-oss-20b", "http://h:8000/v1", "", ""},
		"ollama":           {`{"model":"ollama_chat/gemma3:4b"}`, "ollama_chat/gemma3:4b", "gemma3:4b", "http://localhost:11434/v1", "", ""},
		"anthropic base":   {`{"model":"anthropic/claude","api_base":"https://gateway/anthropic"}`, "anthropic/claude", "claude", "https://gateway/anthropic/v1", "", ""},
		"provider":         {`{"provider":"anthropic","model":"claude"}`, "anthropic/claude", "claude", "https://api.anthropic.com/v1", "ANTHROPIC_API_KEY", ""},
		"provider twice":   {`{"provider":"ollama","model":"ollama/gemma3"}`, "ollama/gemma3", "gemma3", "http://localhost:11434/v1", "", ""},
		"no provider":      {`{"model":"org/m","api_base":"http://h:8000/v1"}`, "org/m", "org/m", "http://h:8000/v1", "", ""},
		"litellm's key":    {`{"model":"openai/gpt-4o","api_key":"os.environ/MY_KEY"}`, "openai/gpt-4o", "gpt-4o", "https://api.openai.com/v1", "MY_KEY", ""},
		"no key":           {`{"model":"openai/m","api_base":"http://h/v1","api_key":"EMPTY"}`, "openai/m", "m", "http://h/v1", "", ""},
		"foreign":          {`{"model":"groq/llama"}`, "", "", "", "", `llm_config.primary: the provider "groq" is not one that cogflow knows`},
		"foreign at":       {`{"model":"groq/llama","api_base":"https://api.groq.com/openai/v1","api_key_env":"GROQ"}`, "groq/llama", "groq/llama", "https://api.groq.com/openai/v1", "GROQ", ""},
		"vllm nowhere":     {`{"model":"hosted_vllm/m"}`, "", "", "", "", "the address of its server is not configured; set its api_base"},
		"modal nowhere":    {`{"provider":"modal","model":"m"}`, "", "", "", "", "set inference.modal_endpoint"},
		"no model":         {`{"api_base":"http://h/v1"}`, "", "", "", "", "the field model is required"},
		"not an address":   {`{"model":"openai/m","api_base":"h:8000"}`, "", "", "", "", "invalid server URL"},
		"credentials":      {`{"model":"openai/m","api_base":"https://me:topsecret@h/v1"}`, "", "", "", "", "holds credentials"},
		"no variable":      {`{"model":"openai/m","api_base":"https://h/v1","api_key_env":"sk-topsecret"}`, "", "", "", "", "must be the name of a variable"},
		"hot":              {`{"model":"openai/m","api_base":"https://h/v1","temperature":9}`, "", "", "", "", "temperature: out of range"},
		"a list":           {`[]`, "", "", "", "", "llm_config.primary is not written as Cogniverse's is"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := Load(file(t, `{"llm_config":{"primary":`+test.primary+`}}`))
			require.NoError(t, err, "the section may be for others")
			m, err := c.Student("")
			if test.missing != "" {
				require.ErrorContains(t, err, test.missing)
				require.Equal(t, fault.Input, fault.ClassOf(err))
				require.NotContains(t, err.Error(), "topsecret")
				text, err := json.Marshal(c.Redacted())
				require.NoError(t, err)
				require.NotContains(t, string(text), "topsecret")
				return
			}
			require.NoError(t, err)
			assert.Equal(t, test.model, m.Name)
			e, ok := c.chat(m.Name)
			require.True(t, ok)
			assert.Equal(t, [3]string{test.served, test.url, test.key}, [3]string{e.served(m.Name), e.URL, e.KeyVariable})
		})
	}
}

// TestThoughtful: models that think first take no temperature and need room, and
// OpenAI's own want max_tokens by its newer name.
func TestThoughtful(t *testing.T) {
	t.Parallel()
	c, err := Load(file(t, `{"llm_config":{"primary":{"model":"openai/gpt-5-mini"},"teacher":{"model":"hosted_vllm/Qwen/Qwen3-8B","api_base":"http://h/v1",
		"extra_body":{"chat_template_kwargs":{"enable_thinking":false}}}}}`))
	require.NoError(t, err)
	assert.Nil(t, c.Optimize.Student.Temperature)
	assert.Equal(t, 16000, c.Optimize.Student.MaxTokens)
	assert.True(t, c.Optimize.Endpoints[0].MaxCompletionTokens)
	assert.Equal(t, new(false), c.Optimize.Teacher.Thinking)
	assert.False(t, c.Optimize.Endpoints[1].MaxCompletionTokens)
}

func TestNoModel(t *testing.T) {
	t.Parallel()
	c, err := Load(env())
	require.NoError(t, err)
	for _, role := range []func() (prompt.Model, error){c.Teacher, c.Proposer, c.Judge, func() (prompt.Model, error) { return c.Student("x") }} {
		_, err := role()
		require.ErrorContains(t, err, "no language model is configured; name one in cogflow.optimize.student or llm_config.primary")
	}
	c, err = Load(file(t, `{"llm_config":5}`))
	require.NoError(t, err)
	_, err = c.Student("")
	require.ErrorContains(t, err, "llm_config is not written as Cogniverse's is")
}

const ours = `{"llm_config":{"primary":{"model":"ollama/gemma3"},"overrides":{"routing":{"temperature":0.9}}},"cogflow":{
	"endpoints":{
		"smol":{"kind":"openai","url":"http://127.0.0.1:8000/v1","models":["smol","vlm"],"response_format":"schema","enable_thinking":false},
		"claude":{"kind":"openai","url":"https://api.anthropic.com/v1","models":["claude"],"api_key_env":"ANTHROPIC_API_KEY","dialect":"anthropic","input_usd_per_mtok":3,"output_usd_per_mtok":15}},
	"optimize":{"student":{"model":"smol","temperature":0.3,"max_tokens":2048,"seeded":true,"revision":"7"},"teacher":"claude","judge":{"model":"ollama/gemma3","response_format":"json"},
		"metrics":{"rouge":["/opt/metrics/rouge","--l"],"mine":["score"]},
		"prices":{"smol":{"input_usd_per_mtok":0,"output_usd_per_mtok":0},"gemma3":{"input_usd_per_mtok":0.1,"output_usd_per_mtok":0.2}}}}}`

func TestOptimizeSection(t *testing.T) {
	t.Parallel()
	c, err := Load(file(t, ours))
	require.NoError(t, err)
	student, err := c.Student("routing")
	require.NoError(t, err)
	assert.Equal(t, prompt.Model{
		Name: "smol", Revision: "7", Temperature: new(0.3), MaxTokens: 2048, Thinking: new(false), Seeded: true,
		Server: prompt.Server{JSON: true, Schema: true}, Price: &prompt.Price{},
	}, student, "ours counts more than an override of theirs")
	teacher, err := c.Teacher()
	require.NoError(t, err)
	assert.Equal(t, prompt.Model{Name: "claude", Temperature: new(0.1), MaxTokens: 1000, Price: &prompt.Price{Input: 3, Output: 15}}, teacher)
	proposer, err := c.Proposer()
	require.NoError(t, err)
	assert.Equal(t, teacher, proposer)
	judge, err := c.Judge()
	require.NoError(t, err)
	assert.Equal(t, prompt.Server{JSON: true}, judge.Server)
	assert.Equal(t, &prompt.Price{Input: 0.1, Output: 0.2}, judge.Price, "by the name that its server gives it")
	assert.Equal(t, []string{"score"}, c.Optimize.Metrics["mine"])

	shown, err := json.Marshal(c.Redacted())
	require.NoError(t, err)
	assert.Contains(t, string(shown), `"optimize":{"endpoints":[{"name":"llm_config.primary"`)
	assert.Contains(t, string(shown), `"teacher":{"model":"claude","temperature":0.1`)
}

func TestOptimizeEnvironment(t *testing.T) {
	t.Parallel()
	from := file(t, ours)
	over := env("COGFLOW_OPTIMIZE_STUDENT", "ollama/gemma3", "COGFLOW_OPTIMIZE_TEACHER", "smol", "COGFLOW_OPTIMIZE_PROPOSER", "claude",
		"COGFLOW_OPTIMIZE_JUDGE", "smol", "COGFLOW_OPTIMIZE_PRICES", `{"claude":{"input_usd_per_mtok":1,"output_usd_per_mtok":2}}`)
	c, err := Load(func(name string) string { return cmp.Or(over(name), from(name)) })
	require.NoError(t, err)
	o := c.Optimize
	assert.Equal(t, []string{"ollama/gemma3", "smol", "claude", "smol"}, []string{o.Student.Name, o.Teacher.Name, o.Proposer.Name, o.Judge.Name})
	assert.Equal(t, 1000, o.Student.MaxTokens, "what the file says of another model does not count")
	assert.Equal(t, &prompt.Price{Input: 1, Output: 2}, o.Proposer.Price)

	_, err = Load(env("COGFLOW_OPTIMIZE_PRICES", "cheap"))
	require.ErrorContains(t, err, "COGFLOW_OPTIMIZE_PRICES: not an object like")
}

// TestTwoPlaces: one name means one model.
func TestTwoPlaces(t *testing.T) {
	t.Parallel()
	c, err := Load(file(t, `{"llm_config":{"primary":{"model":"openai/m","api_base":"http://a/v1"},"teacher":{"model":"openai/m","api_base":"http://b/v1"}}}`))
	require.NoError(t, err)
	_, err = c.Student("")
	require.NoError(t, err)
	_, err = c.Teacher()
	require.ErrorContains(t, err, "llm_config.primary has the model openai/m at another address")
}

func TestOptimizeProblems(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ text, want string }{
		"unknown":        {`{"studnt":"smol"}`, `cogflow.optimize.studnt: unknown key, did you mean "student"?`},
		"unknown in":     {`{"student":{"model":"smol","temprature":1}}`, `cogflow.optimize.student.temprature: unknown key, did you mean "temperature"?`},
		"not served":     {`{"student":"gpt"}`, "cogflow.optimize.student: no endpoint serves the model gpt, list it in the models of one of cogflow.endpoints of kind openai"},
		"another kind":   {`{"student":"vectors"}`, "no endpoint serves the model vectors"},
		"no model":       {`{"judge":{"temperature":0}}`, "cogflow.optimize.judge.model: missing"},
		"temperature":    {`{"student":{"model":"smol","temperature":3}}`, "cogflow.optimize.student.temperature: out of range"},
		"tokens":         {`{"student":{"model":"smol","max_tokens":-1}}`, "cogflow.optimize.student.max_tokens: out of range"},
		"format":         {`{"student":{"model":"smol","response_format":"xml"}}`, "cogflow.optimize.student.response_format: unknown"},
		"thinking":       {`{"teacher":{"model":"claude","enable_thinking":true}}`, "cogflow.optimize.teacher.enable_thinking: Anthropic has no such switch"},
		"a number":       {`{"student":5}`, "cogflow.optimize"},
		"price":          {`{"prices":{"smol":{"input_usd_per_mtok":-1,"output_usd_per_mtok":0}}}`, "cogflow.optimize.prices.smol: a price is out of range"},
		"price of":       {`{"prices":{"smal":{"input_usd_per_mtok":1,"output_usd_per_mtok":0}}}`, `cogflow.optimize.prices.smal: no endpoint serves this model, did you mean "smol"?`},
		"metric's name":  {`{"metrics":{"../x":["a"]}}`, "cogflow.optimize.metrics.../x: not a metric's name"},
		"metric's shell": {`{"metrics":{"m":"rm -rf /"}}`, "cogflow.optimize.metrics"},
		"no program":     {`{"metrics":{"m":[]}}`, "cogflow.optimize.metrics.m: no program"},
		"relative":       {`{"metrics":{"m":["./score"]}}`, "cogflow.optimize.metrics.m: a relative path"},
		"zero byte":      {`{"metrics":{"m":["score","a\u0000b"]}}`, "cogflow.optimize.metrics.m: not an argument vector"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Load(file(t, `{"cogflow":{"endpoints":{
				"smol":{"kind":"openai","url":"http://127.0.0.1:8000/v1","models":["smol"]},
				"claude":{"kind":"openai","url":"https://h/v1","models":["claude"],"dialect":"anthropic"},
				"vectors":{"kind":"embeddings","url":"https://h/v1","models":["vectors"]}},"optimize":`+test.text+`}}`))
			require.ErrorContains(t, err, test.want)
			assert.Equal(t, fault.Input, fault.ClassOf(err))
		})
	}
	for name, test := range map[string]struct{ endpoint, want string }{
		"dialect":   {`"dialect":"grok"`, "cogflow.endpoints.x.dialect: unknown"},
		"heedless":  {`"dialect":"anthropic","response_format":"json"`, "heeds neither"},
		"no format": {`"response_format":"yes"`, "cogflow.endpoints.x.response_format: unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Load(file(t, `{"cogflow":{"endpoints":{"x":{"kind":"openai","url":"http://h/v1","models":["m"],`+test.endpoint+`}}}}`))
			require.ErrorContains(t, err, test.want)
		})
	}
}

// TestKeysInTheFile: wherever they are written in a section that is read.
func TestKeysInTheFile(t *testing.T) {
	t.Parallel()
	for place, text := range map[string]string{
		"llm_config.primary.api_key":             `{"llm_config":{"primary":{"model":"openai/m","api_key":"sk-topsecret"}}}`,
		"llm_config.overrides.routing.api_key":   `{"llm_config":{"overrides":{"routing":{"api_key":"sk-topsecret"}}}}`,
		"optimization.teacher.api_key":           `{"optimization":{"teacher":{"model":"claude","api_key":"sk-topsecret"}}}`,
		"optimization.providers.modal.api_key":   `{"optimization":{"providers":{"modal":{"api_key":"sk-topsecret"}}}}`,
		"llm_config.primary.extra.inner.api_key": `{"llm_config":{"primary":{"extra":{"inner":{"api_key":"topsecret"}}}}}`,
	} {
		c, problems := Check(file(t, text))
		require.Len(t, problems, 1, place)
		assert.Equal(t, place, problems[0].Place)
		shown, err := json.Marshal(c.Redacted())
		require.NoError(t, err)
		assert.NotContains(t, string(shown)+problems[0].String(), "topsecret")
	}
}
