package main

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/sashabaranov/go-openai"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/video"
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
	defer func() { require.NoError(t, stream.Close()) }()
	var said string
	var used *openai.Usage
	for {
		part, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		for _, choice := range part.Choices {
			said += choice.Delta.Content
		}
		if part.Usage != nil {
			used = part.Usage
		}
	}
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

// goOpenAI asks small models of meaning and speech, which compute, with go-openai.
func goOpenAI(t *testing.T, meaning, speech, sound string) {
	t.Helper()
	client := func(url string) *openai.Client {
		config := openai.DefaultConfig("none")
		config.BaseURL = url + "/v1"
		return openai.NewClientWithConfig(config)
	}
	vectors, err := client(meaning).CreateEmbeddings(t.Context(), openai.EmbeddingRequestStrings{
		Model: openai.EmbeddingModel(video.SmallMeaning), Input: []string{"a red tram", "a red streetcar", "a chocolate cake"},
	})
	require.NoError(t, err)
	near, err := vectors.Data[0].DotProduct(&vectors.Data[1])
	require.NoError(t, err)
	far, err := vectors.Data[0].DotProduct(&vectors.Data[2])
	require.NoError(t, err)
	require.Greater(t, near, far)

	heard, err := client(speech).CreateTranscription(t.Context(), openai.AudioRequest{Model: video.SmallSpeech, FilePath: sound, Language: "en"})
	require.NoError(t, err)
	require.Contains(t, strings.ToLower(heard.Text), "weather in the mountains")
}
