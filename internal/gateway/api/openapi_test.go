package api_test

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/gateway/api"
)

type asked struct {
	Name  string         `json:"name"`
	Note  string         `json:"note,omitempty"`
	Count map[string]int `json:"count"`
}

type passedOn struct {
	Text string `json:"text"`
}

func (passedOn) Open() string { return "more fields" }

type answered struct {
	Raw   json.RawMessage `json:"raw"`
	Count map[string]int  `json:"count"`
	Name  string          `json:"name"`
}

// TestOpenAPI: the document says what encoding/json and the door really do, and a path has all its
// methods.
func TestOpenAPI(t *testing.T) {
	t.Parallel()
	const bytes = "application/offset+octet-stream"
	routes := []api.Route{
		{Method: http.MethodGet, Path: "/jobs/{id}", Name: "get", Response: answered{}, Media: "video/*, audio/*", Stream: true},
		{Method: http.MethodPost, Path: "/jobs/{type}", Name: "start", Request: asked{}, Response: asked{}},
		{Method: http.MethodPost, Path: "/pass/{rest...}", Name: "pass", Request: passedOn{}},
		{Method: http.MethodPut, Path: "/bytes", Name: "put", Request: "", RequestMedia: bytes},
	}
	type content map[string]struct{ Schema json.RawMessage }
	type operation struct {
		Security    []json.RawMessage
		Parameters  []struct{ Name string }
		RequestBody struct {
			Required bool
			Content  content
		}
		Responses map[string]struct{ Content content }
	}
	var out struct {
		Paths      map[string]map[string]operation
		Components struct{ Schemas map[string]json.RawMessage }
	}
	for _, keyed := range []bool{false, true} {
		document, err := api.OpenAPI("t", "1", routes, keyed)
		require.NoError(t, err)
		text, err := json.Marshal(document)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(text, &out))
		require.Equal(t, keyed, len(out.Paths["/bytes"]["put"].Security) == 1, "a request without a key is offered where it is served")
	}
	jobs := out.Paths["/jobs/{id_or_type}"]
	require.Len(t, jobs, 2)
	require.Equal(t, "id_or_type", jobs["get"].Parameters[0].Name)
	got := jobs["get"].Responses["200"].Content
	require.Contains(t, got, "video/*")
	require.Contains(t, got, "audio/*")
	require.Empty(t, got["text/event-stream"].Schema)
	require.Empty(t, out.Paths["/bytes"]["put"].RequestBody.Content[bytes].Schema)
	require.False(t, out.Paths["/bytes"]["put"].RequestBody.Required)
	require.True(t, jobs["post"].RequestBody.Required)
	schema := func(name string) string { return string(out.Components.Schemas[name]) }
	require.JSONEq(t, `{"type":"object","required":["raw","count","name"],"additionalProperties":false,"properties":{
		"raw":true,"count":{"type":["null","object"],"additionalProperties":{"type":"integer"}},"name":{"type":"string"}}}`, schema("answered"))
	require.JSONEq(t, `{"type":"object","required":["name","count"],"additionalProperties":false,"properties":{
		"name":{"type":"string"},"note":{"type":["null","string"]},"count":{"type":"object","additionalProperties":{"type":"integer"}}}}`, schema("asked"), "of a request")
	require.JSONEq(t, `{"type":"object","required":["text"],"description":"more fields","properties":{"text":{"type":"string"}}}`, schema("passedOn"))
}
