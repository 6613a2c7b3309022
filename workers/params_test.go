package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/answer/answertest"
	"github.com/cogniverse/cogflow/internal/blob"
	"github.com/cogniverse/cogflow/internal/config"
	"github.com/cogniverse/cogflow/internal/lm/lmtest"
	"github.com/cogniverse/cogflow/internal/vlm/vlmtest"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workers/parameters"
)

// TestLearnedParameters: what the teacher's model refused is not sent by the captions of another
// worker, and the fingerprint of a stored answer does not depend on what was learned.
func TestLearnedParameters(t *testing.T) {
	t.Parallel()
	requests := make(chan bool, 9) // whether each request had a temperature
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			Temperature *float64 `json:"temperature"`
		}
		if !assert.NoError(t, json.NewDecoder(r.Body).Decode(&in)) {
			return
		}
		requests <- in.Temperature != nil
		if in.Temperature != nil {
			answertest.Status(http.StatusBadRequest, `{"error":{"message":"Unsupported value: 'temperature' does not support 0.1 with this model."}}`)(w)
			return
		}
		answertest.Status(http.StatusOK, `{"choices":[{"message":{"content":"A cat."},"finish_reason":"stop"}]}`)(w)
	}))
	t.Cleanup(s.Close)
	c := config.Config{Endpoints: []config.Endpoint{{Name: "main", Kind: config.OpenAI, URL: s.URL + "/v1", Models: []string{"m"}}}}
	store, err := blob.Open(t.Context(), "file://"+t.TempDir())
	require.NoError(t, err)
	worker := func() modelServers {
		servers := serversOf(c)
		servers.memory.Store = store
		return servers
	}
	getenv := func(string) string { return "" }

	asked := prompt.Model{Name: "m", Temperature: new(0.1)}.Completion(prompt.Request{Messages: lmtest.Ask("x").Messages}, nil, 0)
	before := asked.Fingerprint()
	_, err = newLMs(c, getenv, true, worker()).Complete(t.Context(), asked)
	require.NoError(t, err)
	require.Equal(t, before, asked.Fingerprint())
	require.True(t, <-requests)
	require.False(t, <-requests)

	m, err := newModels(c, getenv, nil, partsOf(allPools(t)), worker())
	require.NoError(t, err)
	caption, err := describing{m}.Describe(t.Context(), video.DescribeRequest{Stage: video.Stage{Model: "m"}, JPEG: vlmtest.Picture(t, 1)})
	require.NoError(t, err)
	require.Equal(t, "A cat.", caption.Text)
	require.False(t, <-requests)
	require.Empty(t, requests)
	require.Equal(t, "m (without temperature)", parameters.Models(t.Context(), c.Endpoints[0], worker().params["main"]))
}
