package openai

// The types below describe requests in the OpenAPI document. Bodies are passed on as they are: the
// gateway reads Common and the pictures in messages, by their exact names, and refuses a field that
// is listed twice.

// Common are fields of all requests.
type Common struct {
	Model string `json:"model,omitempty" jsonschema:"name of the model; optional on a listener of one model"`
}

// Open implements api.Open.
func (Common) Open() string { return passed }

const passed = "Other fields are passed on to the model server."

// Generation are fields of requests for text.
type Generation struct {
	Common

	Stream              bool           `json:"stream,omitempty" jsonschema:"answer with events"`
	StreamOptions       *StreamOptions `json:"stream_options,omitempty"`
	MaxTokens           int            `json:"max_tokens,omitempty"`
	MaxCompletionTokens int            `json:"max_completion_tokens,omitempty"`
	N                   int            `json:"n,omitempty" jsonschema:"number of answers"`
}

// StreamOptions are those of OpenAI's protocol.
type StreamOptions struct {
	IncludeUsage bool `json:"include_usage,omitempty" jsonschema:"end the stream with the usage"`
}

// Chat continues a conversation.
type Chat struct {
	Generation

	Messages []map[string]any `json:"messages" jsonschema:"each with role and content"`
}

// Completion continues a text.
type Completion struct {
	Generation

	Prompt any `json:"prompt" jsonschema:"text, or tokens"`
}

// Embedding asks for vectors of texts. Cogniverse's embedders of pictures take images.
type Embedding struct {
	Common

	Input  any      `json:"input,omitempty" jsonschema:"text, or list of texts"`
	Images []string `json:"images,omitempty" jsonschema:"instead of input: pictures in base64"`
}

// Pooling asks for vectors of tokens.
type Pooling struct {
	Common

	Input    any              `json:"input,omitempty" jsonschema:"text, or list of texts"`
	Messages []map[string]any `json:"messages,omitempty" jsonschema:"instead of input: one message with a picture or a text"`
}

// Tokens counts the tokens of a text.
type Tokens struct {
	Common

	Prompt   string           `json:"prompt,omitempty" jsonschema:"text"`
	Messages []map[string]any `json:"messages,omitempty" jsonschema:"instead of prompt: a conversation"`
}

// EmbedVideo asks for the vector of a video.
type EmbedVideo struct {
	Common

	Video string `json:"video_b64" jsonschema:"content of the file, in base64"`
}

// EmbedPart asks for the vectors of a part of a video.
type EmbedPart struct {
	Common

	Video string  `json:"video" jsonschema:"content of the file, in base64"`
	Start float64 `json:"start_time,omitempty" jsonschema:"seconds; 0 = the beginning"`
	End   float64 `json:"end_time,omitempty" jsonschema:"seconds; 0 = as the model server decides"`
}

// EmbedAudio asks for the vector of a sound.
type EmbedAudio struct {
	Common

	Audio string `json:"audio_b64" jsonschema:"content of the file, in base64"`
}

// EmbedText asks for the vector of a text.
type EmbedText struct {
	Common

	Text string `json:"text"`
}

// Form is a request with a file.
type Form struct {
	Model    string `json:"model,omitempty" jsonschema:"name of the model; optional on a listener of one model"`
	File     string `json:"file" jsonschema:"the audio file"`
	Language string `json:"language,omitempty" jsonschema:"of the speech, such as en"`
}

// Open implements api.Open.
func (Form) Open() string { return passed }
