package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"image"
	"image/jpeg"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/blob"
)

func picture(t *testing.T, width, height int) []byte {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, jpeg.Encode(&out, image.NewGray(image.Rect(0, 0, width, height)), nil))
	return out.Bytes()
}

// service is the configuration of a listener of one model for one tenant, as Cogniverse's callers
// expect it, and of its endpoint.
func service(b *backend, more string) string {
	return `"gateway":{"queue_seconds":120,"listeners":{"main":{"address":"127.0.0.1:0","tenant":"acme","model":"m","revision":"r1","max_model_len":4096` + more + `}}},
		"endpoints":{` + endpoint(b, "a", "") + `}`
}

func object(t *testing.T, text string) map[string]any {
	t.Helper()
	var out map[string]any
	require.NoError(t, json.Unmarshal([]byte(text), &out), text)
	return out
}

// TestGuideTexts: /generate and /chat-completions have the shapes of Cogniverse's inference service.
func TestGuideTexts(t *testing.T) {
	t.Parallel()
	b := serves(t, func(w http.ResponseWriter, r *http.Request) {
		answer := answered
		if r.URL.Path == "/v1/completions" {
			answer = `{"choices":[{"text":"Paris"}],"usage":` + usage + `}`
		}
		text(200, "application/json", answer)(w, r)
	})
	g := startGateway(t, service(b, ""))
	status, _, answer, err := g.post(t, "/generate", `{"prompt":"Capital?","system_prompt":"Be short.","stop":[],"stream":false,"top_p":0.5}`)
	require.NoError(t, err)
	require.Equal(t, 200, status, answer)
	require.JSONEq(t, `{"prompt":"Be short.\n\nCapital?","model":"m","temperature":0.7,"max_tokens":100,"top_p":0.5}`, b.said())
	got := object(t, answer)
	require.Positive(t, got["latency_ms"])
	delete(got, "latency_ms")
	require.Equal(t, map[string]any{"text": "Paris", "model": "m", "status": "success", "usage": map[string]any{"prompt_tokens": 10.0, "completion_tokens": 4.0}}, got)
	status, _, answer, err = g.post(t, "/chat-completions", `{"messages":[{"role":"user","content":"hi"}],"temperature":0}`)
	require.NoError(t, err)
	require.Equal(t, 200, status, answer)
	require.JSONEq(t, answered, answer)
	require.JSONEq(t, `{"messages":[{"role":"user","content":"hi"}],"model":"m","temperature":0,"max_tokens":100}`, b.said())
	calls := b.calls.Load()
	for body, path := range map[string]string{
		`{"messages":[]}`: "/chat-completions", `{}`: "/chat-completions", `{"Messages":[1]}`: "/chat-completions",
		`{"prompt":""}`: "/generate", `{"prompt":"a","Prompt":"b"}`: "/generate", `{"prompt":"a","prompt":"b"}`: "/generate",
		`{"prompt":"a","stream":true}`: "/generate", `{"prompt":7}`: "/generate", `null`: "/generate",
	} {
		status, _, answer, _ := g.post(t, path, body)
		require.Equal(t, 400, status, body)
		require.NotEmpty(t, object(t, answer)["detail"])
	}
	require.Equal(t, calls, b.calls.Load())
	require.EqualValues(t, 36, g.spentBy(t, "acme").CostMicroUSD)
}

// TestGuideDescription: a frame comes in the request, or is an object of the tenant. A path of the
// server is neither.
func TestGuideDescription(t *testing.T) {
	t.Parallel()
	b := serves(t, text(200, "application/json", answered))
	g := startGateway(t, service(b, ""))
	store, err := blob.Open(t.Context(), "file://"+filepath.Join(g.dir, "store"))
	require.NoError(t, err)
	frame := picture(t, 8, 8)
	for _, key := range []string{"acme/videos/v/frames/f/0.jpg", "other/videos/v/frames/f/0.jpg"} {
		_, err := store.Put(t.Context(), key, bytes.NewReader(frame))
		require.NoError(t, err)
	}
	encoded := base64.StdEncoding.EncodeToString(frame)
	for _, body := range []string{
		`{"frame_base64":"` + encoded + `","prompt":"What?"}`,
		`{"frame_base64":"AAAA","frame_path":"videos/v/frames/f/0.jpg"}`,
		`{"frame_path":"nowhere","remote_frame_path":"acme/videos/v/frames/f/0.jpg"}`,
	} {
		for _, path := range []string{"/generate_description", "/generate-description"} {
			status, header, answer, err := g.post(t, path, body)
			require.NoError(t, err)
			require.Equal(t, 200, status, answer)
			got := object(t, answer)
			require.Equal(t, "hello", got["description"])
			require.Equal(t, header.Get("X-Request-Id"), got["request_id"])
			require.Contains(t, got, "duration_seconds")
			require.Contains(t, b.said(), `"data:image/jpeg;base64,`+encoded+`"`)
		}
	}
	secret := filepath.Join(g.dir, "secret.jpg")
	require.NoError(t, os.WriteFile(secret, frame, 0o600))
	calls := b.calls.Load()
	for _, path := range []string{
		secret, "file://" + secret, "../other/videos/v/frames/f/0.jpg", "other/videos/v/frames/f/0.jpg", "videos/../../other/videos/v/frames/f/0.jpg",
		"/proc/self/environ", "videos/v\\x", "videos/v/frames/f/1.jpg", "a\u0000b", ".", "",
	} {
		body, err := json.Marshal(map[string]string{"frame_path": path})
		require.NoError(t, err)
		status, _, answer, _ := g.post(t, "/generate_description", string(body))
		require.Equal(t, 400, status, path)
		require.NotContains(t, answer, "permission", "what the server has is not told")
	}
	require.Equal(t, calls, b.calls.Load())
}

// TestGuideErrors: failures are errors, unless the callers of the listener expect status 200.
func TestGuideErrors(t *testing.T) {
	t.Parallel()
	b := serves(t, text(200, "application/json", `{"choices":[{"message":{"content":" "}}],"usage":`+usage+`}`))
	frame := `{"frame_base64":"` + base64.StdEncoding.EncodeToString(picture(t, 8, 8)) + `"}`
	for more, want := range map[string]int{"": 502, `,"errors_as_200":true`: 200} {
		g := startGateway(t, service(b, more))
		status, _, answer, err := g.post(t, "/generate_description", frame)
		require.NoError(t, err)
		require.Equal(t, want, status, answer)
		require.Contains(t, answer, "no description")
		got := object(t, answer)
		_, text := got["error"].(string)
		require.Equal(t, want == 200, text)
		require.Equal(t, want == 200, got["request_id"] != nil)
		status, _, answer, err = g.post(t, "/generate", `{}`)
		require.NoError(t, err)
		require.Equal(t, want == 200, status == 200, answer)
		if want == 200 {
			require.Equal(t, "error", object(t, answer)["status"])
		}
		status, _, answer, err = g.post(t, "/v1/chat/completions", `{"max_tokens":-1}`)
		require.NoError(t, err)
		require.Equal(t, 400, status, "only the guide's routes: "+answer)
		require.Contains(t, g.out.String(), "no description", "the log has the failure")
	}
}

// TestGuideProbes: what Cogniverse's callers ask before they call.
func TestGuideProbes(t *testing.T) {
	t.Parallel()
	b := serves(t, text(500, "application/json", `{}`))
	g := startGateway(t, service(b, ""))
	_, body := get(t, g.url(t, "main")+"/v1/models", "")
	require.JSONEq(t, `{"object":"list","data":[{"id":"m","object":"model","created":0,"owned_by":"cogflow","revision":"r1","max_model_len":4096}]}`, body)
	_, body = get(t, g.url(t, "main")+"/models", "")
	require.JSONEq(t, `{"default_model":"m","loaded_models":["m"],"recommended_models":[]}`, body)
	status, body := get(t, g.url(t, "main")+"/health", "")
	require.Equal(t, 200, status)
	require.Equal(t, "m", object(t, body)["model"])
	require.Equal(t, "healthy", object(t, body)["status"])
	for end := time.Now().Add(time.Minute); status != 503 && time.Now().Before(end); { // a slow machine asks after the 5 s for which it is out
		status, _, _, _ = g.post(t, "/v1/chat/completions", strings.Replace(ask, `"model":"m",`, "", 1))
		require.Equal(t, 502, status)
		status, body = get(t, g.url(t, "main")+"/health", "")
	}
	require.Equal(t, 503, status, "its only server has failed three times: "+body)
}
