package main

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/sashabaranov/go-openai"
	"github.com/stretchr/testify/require"
)

// TestGoOpenAI uses the gateway with go-openai: chat, streams, embeddings, the list of models and
// errors are what that client expects.
func TestGoOpenAI(t *testing.T) {
	t.Parallel()
	var b *backend
	b = serves(t, func(w http.ResponseWriter, r *http.Request) {
		body := `{"object":"list","data":[{"object":"embedding","index":0,"embedding":[0.5,-1]}],"model":"m","usage":{"prompt_tokens":2,"total_tokens":2}}`
		switch {
		case strings.HasSuffix(r.URL.Path, "/embeddings"):
			text(200, "application/json", body)(w, r)
		case strings.Contains(b.said(), `"stream":true`):
			text(200, streamed, events(delta("hel"), delta("lo"), last, tokens, "[DONE]"))(w, r)
		default:
			text(200, "application/json", answered)(w, r)
		}
	})
	g := startGateway(t, of(endpoint(b, "a", "")))
	config := openai.DefaultConfig("none")
	config.BaseURL = g.url(t, "main") + "/v1"
	c := openai.NewClientWithConfig(config)
	ask := openai.ChatCompletionRequest{Model: "m", Messages: []openai.ChatCompletionMessage{{Role: openai.ChatMessageRoleUser, Content: "hi"}}, MaxCompletionTokens: 100}

	whole, err := c.CreateChatCompletion(t.Context(), ask)
	require.NoError(t, err)
	require.Equal(t, "hello", whole.Choices[0].Message.Content)
	require.Equal(t, 4, whole.Usage.CompletionTokens)

	ask.StreamOptions = &openai.StreamOptions{IncludeUsage: true}
	stream, err := c.CreateChatCompletionStream(t.Context(), ask)
	require.NoError(t, err)
	said, used := received(t, stream)
	require.Equal(t, "hello", said)
	require.Equal(t, 4, used.CompletionTokens)

	vectors, err := c.CreateEmbeddings(t.Context(), openai.EmbeddingRequestStrings{Model: "m", Input: []string{"a tram"}})
	require.NoError(t, err)
	require.Equal(t, []float32{0.5, -1}, vectors.Data[0].Embedding)

	models, err := c.ListModels(t.Context())
	require.NoError(t, err)
	require.Len(t, models.Models, 1)
	require.Equal(t, "m", models.Models[0].ID)

	ask.Model = "other"
	_, err = c.CreateChatCompletion(t.Context(), ask)
	refused := &openai.APIError{}
	require.ErrorAs(t, err, &refused)
	require.Equal(t, http.StatusNotFound, refused.HTTPStatusCode)
	require.Equal(t, "model_not_found", refused.Code)
}

// TestGoOpenAIComputes: models that compute answer go-openai through the gateway as they answer it
// themselves. `make test-client` starts them and runs this.
func TestGoOpenAIComputes(t *testing.T) {
	t.Parallel()
	facts := os.Getenv("COGFLOW_GATEWAY_FACTS")
	if facts == "" {
		t.Skip("make test-client runs it")
	}
	var f struct{ URL, Server, Sound, Chat, Meaning, Speech string }
	require.NoError(t, json.Unmarshal([]byte(facts), &f))
	client := func(url string) *openai.Client {
		config := openai.DefaultConfig("none")
		config.BaseURL = url
		return openai.NewClientWithConfig(config)
	}
	c := client(f.URL + "/v1")
	ask := openai.ChatCompletionRequest{Model: f.Chat, Messages: []openai.ChatCompletionMessage{{Role: openai.ChatMessageRoleUser, Content: "hello"}}, MaxTokens: 8} //nolint:staticcheck // the servers that compute know only this name
	ask.Temperature = 1e-9                                                                                                                                           // zero is left out
	whole, err := c.CreateChatCompletion(t.Context(), ask)
	require.NoError(t, err)
	own, err := client(f.Server).CreateChatCompletion(t.Context(), ask)
	require.NoError(t, err)
	require.Equal(t, own.Choices[0].Message.Content, whole.Choices[0].Message.Content)
	require.Equal(t, own.Usage.CompletionTokens, whole.Usage.CompletionTokens)
	require.Positive(t, whole.Usage.CompletionTokens)
	ask.StreamOptions = &openai.StreamOptions{IncludeUsage: true}
	stream, err := c.CreateChatCompletionStream(t.Context(), ask)
	require.NoError(t, err)
	said, used := received(t, stream)
	require.NotEmpty(t, said)
	require.Equal(t, whole.Usage.CompletionTokens, used.CompletionTokens)

	vectors, err := c.CreateEmbeddings(t.Context(), openai.EmbeddingRequestStrings{
		Model: openai.EmbeddingModel(f.Meaning), Input: []string{"a red tram", "a red streetcar", "a chocolate cake"},
	})
	require.NoError(t, err)
	near, err := vectors.Data[0].DotProduct(&vectors.Data[1])
	require.NoError(t, err)
	far, err := vectors.Data[0].DotProduct(&vectors.Data[2])
	require.NoError(t, err)
	require.Greater(t, near, far)

	heard, err := c.CreateTranscription(t.Context(), openai.AudioRequest{Model: f.Speech, FilePath: f.Sound, Language: "en"})
	require.NoError(t, err)
	require.Contains(t, strings.ToLower(heard.Text), "weather in the mountains")
}

// received is the text of a stream and its usage.
func received(t *testing.T, stream *openai.ChatCompletionStream) (said string, used *openai.Usage) {
	t.Helper()
	defer func() { require.NoError(t, stream.Close()) }()
	for {
		part, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return said, used
		}
		require.NoError(t, err)
		for _, choice := range part.Choices {
			said += choice.Delta.Content
		}
		if part.Usage != nil {
			used = part.Usage
		}
	}
}
