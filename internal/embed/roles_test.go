package embed

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/video"
)

// TestRoles: the exact request of a query and of a passage for each family of embedders.
func TestRoles(t *testing.T) {
	t.Parallel()
	const represent = "Represent this sentence for searching relevant passages: "
	const task = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:"
	plain := func(input string) map[string]any {
		return map[string]any{"input": []any{input}, "user": "", "encoding_format": "float"}
	}
	named := func(field, value string) map[string]any {
		return map[string]any{"input": []any{"tea"}, "encoding_format": "float", field: value}
	}
	for model, want := range map[string]struct{ query, passage map[string]any }{
		video.SmallMeaning:                                {plain("tea"), plain("tea")},
		"text-embedding-3-small":                          {plain("tea"), plain("tea")},
		"intfloat/e5-small-v2":                            {plain("query: tea"), plain("passage: tea")},
		"intfloat/multilingual-e5-large":                  {plain("query: tea"), plain("passage: tea")},
		"intfloat/multilingual-e5-large-instruct":         {plain(task + " tea"), plain("tea")},
		"intfloat/e5-mistral-7b-instruct":                 {plain(task + " tea"), plain("tea")},
		"Qwen/Qwen3-Embedding-0.6B":                       {plain(task + "tea"), plain("tea")},
		"Alibaba-NLP/gte-Qwen2-1.5B-instruct":             {plain(task + " tea"), plain("tea")},
		"Alibaba-NLP/gte-large-en-v1.5":                   {plain("tea"), plain("tea")},
		"nomic-ai/nomic-embed-text-v1.5":                  {plain("search_query: tea"), plain("search_document: tea")},
		"nomic-embed-text:latest":                         {plain("search_query: tea"), plain("search_document: tea")},
		"BAAI/bge-base-en-v1.5":                           {plain(represent + "tea"), plain("tea")},
		"BAAI/bge-large-zh-v1.5":                          {plain("为这个句子生成表示以用于检索相关文章：tea"), plain("tea")},
		"BAAI/bge-m3":                                     {plain("tea"), plain("tea")},
		"mixedbread-ai/mxbai-embed-large-v1":              {plain(represent + "tea"), plain("tea")},
		"Snowflake/snowflake-arctic-embed-m":              {plain(represent + "tea"), plain("tea")},
		"Snowflake/snowflake-arctic-embed-l-v2.0":         {plain("query: tea"), plain("tea")},
		"google/embeddinggemma-300m":                      {plain("task: search result | query: tea"), plain("title: none | text: tea")},
		"jina-embeddings-v3":                              {named("task", "retrieval.query"), named("task", "retrieval.passage")},
		"jina-embeddings-v2-base-en":                      {plain("tea"), plain("tea")},
		"voyage-3.5":                                      {named("input_type", "query"), named("input_type", "document")},
		"nvidia/llama-3.2-nv-embedqa-1b-v2":               {named("input_type", "query"), named("input_type", "passage")},
		"sentence-transformers/multi-qa-MiniLM-L6-cos-v1": {plain("tea"), plain("tea")},
	} {
		t.Run(model, func(t *testing.T) {
			t.Parallel()
			stage := video.Stage{Model: model, Dim: 2}
			stage.Roles = stage.DefaultRoles()
			want.query["model"], want.passage["model"] = model, model
			require.Equal(t, want.query, sent(t, video.TextRequest{Stage: stage, Query: true, Texts: []string{"tea"}}))
			require.Equal(t, want.passage, sent(t, video.TextRequest{Stage: stage, Texts: []string{"tea"}}))
		})
	}
}

// TestRolesOfPooling: /pooling takes prefixes, one text per request.
func TestRolesOfPooling(t *testing.T) {
	t.Parallel()
	var got map[string]any
	s := answering(t, &got, `{"data":[{"data":[1,0]}]}`)
	stage := video.Stage{Model: "m", Dim: 2, Roles: &video.Roles{Query: video.Role{Prefix: "find: "}}}
	for query, want := range map[bool]string{true: "find: tea", false: "tea"} {
		_, err := NewPooling(Options{URL: s.URL}).EmbedTexts(t.Context(), video.TextRequest{Stage: stage, Query: query, Texts: []string{"tea"}})
		require.NoError(t, err)
		require.Equal(t, want, got["input"])
	}
}

// TestCheckNamesRoles: a check of an endpoint names the role, which some servers require.
func TestCheckNamesRoles(t *testing.T) {
	t.Parallel()
	var got map[string]any
	s := answering(t, &got, `{"data":[{"embedding":[1,0]}]}`)
	require.NoError(t, NewTexts(Options{URL: s.URL}).Check(t.Context(), video.Stage{Model: "voyage-3.5", Dim: 2}))
	require.Equal(t, "document", got["input_type"])
}

// sent returns the body of the request for texts.
func sent(t *testing.T, r video.TextRequest) (got map[string]any) {
	t.Helper()
	s := answering(t, &got, `{"data":[{"embedding":[1,0]}]}`)
	_, err := NewTexts(Options{URL: s.URL}).EmbedTexts(t.Context(), r)
	require.NoError(t, err)
	return got
}

// answering is a server that keeps the last body and gives one answer.
func answering(t *testing.T, got *map[string]any, answer string) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			http.NotFound(w, r)
			return
		}
		*got = nil
		if err := json.NewDecoder(r.Body).Decode(got); err != nil {
			t.Error(err)
		}
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(s.Close)
	return s
}
