package config

import (
	"cmp"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/video"
)

// Kind is a protocol of model servers.
type Kind string

// The kinds of endpoints.
const (
	OpenAI         Kind = "openai"         // chat with images: vLLM, SGLang, Ollama, OpenAI, …
	CogniverseVLM  Kind = "cogniverse"     // Cogniverse's own VLM service
	Pooling        Kind = "pooling"        // vLLM's /pooling, and cogflow's embedder: vectors of pictures and queries
	Embeddings     Kind = "embeddings"     // OpenAI's /v1/embeddings: vectors of texts
	Transcriptions Kind = "transcriptions" // OpenAI's /v1/audio/transcriptions
)

func kinds() []Kind { return []Kind{OpenAI, CogniverseVLM, Pooling, Embeddings, Transcriptions} }

// The kinds that can serve each stage of a profile.
func (k Kind) describes() bool   { return k == OpenAI || k == CogniverseVLM }
func (k Kind) transcribes() bool { return k == Transcriptions }
func (k Kind) embeds(of video.Of) bool {
	return k == Pooling || k == Embeddings && of == video.OfCaption
}

// Endpoint is one model server. Its key is the value of the environment variable
// KeyVariable of the worker, never in a file.
type Endpoint struct {
	Name             string        `json:"name"`
	Kind             Kind          `json:"kind"`
	URL              string        `json:"url"`
	Models           []string      `json:"models"` // as profiles name them
	KeyVariable      string        `json:"api_key_env,omitempty"`
	OwnServer        string        `json:"server,omitempty"`              // of Config.Servers, which the worker starts; empty = it is run by others
	Timeout          time.Duration `json:"timeout,omitempty"`             // of one call; 0 = the adapter's default
	MaxInFlight      int           `json:"max_in_flight,omitempty"`       // concurrent calls; 0 = discovered
	Batch            int           `json:"batch,omitempty"`               // cogniverse: frames per call; 0 or 1 = one
	NoCanary         bool          `json:"no_canary,omitempty"`           // pooling, embeddings: trust the model without the requests that verify it
	InputUSDPerMTok  *float64      `json:"input_usd_per_mtok,omitempty"`  // nil = unknown; set both or neither
	OutputUSDPerMTok *float64      `json:"output_usd_per_mtok,omitempty"` // 0 = costs nothing

	// For language models that optimize prompts:
	Names               map[string]string `json:"names,omitempty"`                 // the server's names of its models, if they differ
	Dialect             string            `json:"dialect,omitempty"`               // "anthropic": its compatible endpoint; empty = OpenAI's protocol
	MaxCompletionTokens bool              `json:"max_completion_tokens,omitempty"` // send max_tokens by its newer name, as OpenAI's reasoning models require
	Format              string            `json:"response_format,omitempty"`       // answer format that it can enforce: json, schema; empty or none = none
	Thinking            *bool             `json:"enable_thinking,omitempty"`       // the switch of Qwen3 and SmolLM3; nil = the template's default
	Temperature         *float64          `json:"temperature,omitempty"`           // of its chat models, unless a role or a profile sets one
	MaxTokens           *int              `json:"max_tokens,omitempty"`            // likewise
	Omit                []string          `json:"omit,omitempty"`                  // parameters that are null in the file: they are not sent
}

// Server identifies the server of an endpoint: its address and its key. Endpoints of the same server
// share its concurrency. It omits /v1, because a server can have OpenAI's protocol at /v1 and other
// protocols at other paths.
func (e Endpoint) Server() string {
	return strings.TrimSuffix(strings.TrimSuffix(e.URL, "/"), "/v1") + " " + e.KeyVariable
}

// served is the server's name of a model.
func (e Endpoint) served(model string) string { return cmp.Or(e.Names[model], model) }

// endpoint returns the endpoint that serves a model in a stage, the first by name; kinds
// says which protocols are suitable.
func (c Config) endpoint(model string, kinds func(Kind) bool) (Endpoint, bool) {
	at := slices.IndexFunc(c.Endpoints, func(e Endpoint) bool {
		return kinds(e.Kind) && slices.Contains(e.Models, model)
	})
	if at < 0 {
		return Endpoint{}, false
	}
	return c.Endpoints[at], true
}

// Describer returns the endpoint of a describe stage.
func (c Config) Describer(s video.Stage) (Endpoint, bool) {
	return c.endpoint(s.Model, Kind.describes)
}

// Embedder returns the endpoint of an embed stage.
func (c Config) Embedder(s video.Stage) (Endpoint, bool) {
	return c.endpoint(s.Model, func(k Kind) bool { return k.embeds(s.Of) })
}

// Transcriber returns the endpoint of a transcribe stage.
func (c Config) Transcriber(s video.Stage) (Endpoint, bool) {
	return c.endpoint(s.Model, Kind.transcribes)
}

// defaultVLM is the model of Cogniverse's VLM service.
const defaultVLM = "Qwen/Qwen2-VL-7B-Instruct"

// takeEndpoints completes the configured endpoints, and adds Cogniverse's own VLM service
// if the file names it.
func (c *Config) takeEndpoints(s section) (problems Problems) {
	all := maps.Clone(s.Endpoints)
	if all == nil {
		all = map[string]endpoint{}
	}
	if c.vlmURL != "" {
		const name = "vlm_endpoint_url"
		kind := CogniverseVLM
		if strings.Contains(c.vlmURL, "/v1") {
			kind = OpenAI
		}
		if _, taken := all[name]; !taken {
			all[name] = endpoint{Kind: kind, URL: c.vlmURL, Models: []string{defaultVLM}}
		}
	}
	s.addSmall(all)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		e := all[name]
		c.Endpoints = append(c.Endpoints, Endpoint{
			Name: name, Kind: e.Kind, URL: strings.TrimSuffix(e.URL, "/"), Models: e.Models, KeyVariable: e.KeyVariable, OwnServer: e.OwnServer,
			Timeout: time.Duration(e.Timeout), MaxInFlight: e.MaxInFlight, Batch: e.Batch, NoCanary: e.NoCanary,
			InputUSDPerMTok: e.InputUSDPerMTok, OutputUSDPerMTok: e.OutputUSDPerMTok,
			Dialect: e.Dialect, MaxCompletionTokens: e.MaxCompletionTokens, Format: e.Format.or(""), Thinking: e.Thinking.value,
			Temperature: e.Temperature.value, MaxTokens: e.MaxTokens.value, Omit: e.omitted(),
		})
		for _, p := range e.check() {
			p.Place = "cogflow.endpoints." + name + "." + p.Place
			problems = append(problems, p)
		}
	}
	return problems
}

func (e endpoint) omitted() []string {
	return omitted(map[string]bool{
		Temperature: e.Temperature.null, MaxTokens: e.MaxTokens.null, ResponseFormat: e.Format.null, EnableThinking: e.Thinking.null, EncodingFormat: e.Encoding.null,
	})
}

// parameters of the endpoint's models, for roles and profiles that do not set their own.
func (e Endpoint) temperature() setting[float64] {
	return setting[float64]{e.Temperature, omits(e.Omit, Temperature)}
}

func (e Endpoint) maxTokens() setting[int] {
	return setting[int]{e.MaxTokens, omits(e.Omit, MaxTokens)}
}

func (e endpoint) check() (problems Problems) {
	bad := func(place, text, fix string) {
		problems = append(problems, Problem{Place: place, Text: text, Fix: fix})
	}
	if !slices.Contains(kinds(), e.Kind) {
		bad("kind", "unknown", "use openai, cogniverse, pooling, embeddings or transcriptions")
	}
	switch u, err := url.Parse(e.URL); {
	case err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "":
		bad("url", "not an http address", "write it like http://127.0.0.1:8000/v1")
	case u.User != nil || u.RawQuery != "":
		bad("url", "holds credentials or a query", "name the variable that holds the key in api_key_env")
	}
	if len(e.Models) == 0 {
		bad("models", "empty", "list the models that it serves, as profiles name them")
	}
	if strings.Trim(e.KeyVariable, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") != "" {
		bad("api_key_env", "not the name of a variable", "write the variable's name, like VLM_API_KEY; a key itself belongs in no file")
	}
	if e.MaxInFlight < 0 || e.MaxInFlight > 65536 || e.Batch < 0 || e.Batch > 500 {
		bad("max_in_flight", "this or batch is out of range", "use 0 to 65536, and 0 to 500 for batch")
	}
	problems = append(problems, e.checkPrices()...)
	if !knownFormat(e.Format.or("")) {
		bad("response_format", "unknown", "use none, json or schema")
	}
	problems = append(problems, checkParameters(e.Temperature.value, e.MaxTokens.value)...)
	if e.Encoding.or("float") != "float" {
		bad("encoding_format", "unknown", "use float, or null if the server has no such parameter")
	}
	switch {
	case e.Dialect != "" && e.Dialect != DialectAnthropic:
		bad("dialect", "unknown", "use anthropic, or leave it out")
	case e.Dialect != "" && (e.Thinking.value != nil || forces(e.Format.or("")).JSON):
		bad("dialect", "Anthropic's endpoint heeds neither response_format nor enable_thinking", "leave them out")
	}
	return problems
}
