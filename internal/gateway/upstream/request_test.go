package upstream

import (
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/gateway/api"
)

// TestRewrite: only what must change does, and every other byte stays.
func TestRewrite(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"model":"m","x":"<&>" , "a":[1, 2.50]}`: `{"model":"served","x":"<&>" , "a":[1, 2.50]}`,
		` {"a":1, "\u006dodel" : "m" }`:           ` {"a":1, "\u006dodel" : "served" }`,
		`{"model":"served","a":1}`:                `{"model":"served","a":1}`,
		`{"a":1}`:                                 `{"model":"served","a":1}`,
		`{}`:                                      `{"model":"served"}`,
		`{"stream":true}`:                         `{"model":"served","stream_options":{"include_usage":true},"stream":true}`,
		`{"stream_options":{"b":1},"stream":true,"model":"m"}`:                `{"stream_options":{"b":1,"include_usage":true},"stream":true,"model":"served"}`,
		`{"model":null,"stream":true,"stream_options":null}`:                  `{"model":"served","stream":true,"stream_options":{"include_usage":true}}`,
		`{"stream":true,"stream_options":{"include_usage":true},"model":"m"}`: `{"stream":true,"stream_options":{"include_usage":true},"model":"served"}`,
		`{"stream":false,"stream_options":{},"model":"m"}`:                    `{"stream":false,"stream_options":{},"model":"served"}`,
		`{"y":[{"model":"no"}],"model":"m"}`:                                  `{"y":[{"model":"no"}],"model":"served"}`,
	} {
		bound := ""
		if !strings.Contains(body, `"m"`) && !strings.Contains(body, "served") {
			bound = "m"
		}
		q, err := ReadJSON(Chat, []byte(body), api.Caller{Model: bound})
		require.NoError(t, err, body)
		got, _, err := q.body("served")
		require.NoError(t, err)
		require.Equal(t, want, string(got), body)
	}
	for _, body := range []string{
		``, ` `, `null`, `[]`, `"x"`, `{`, `{"model":"m"`, `{"model":"m"} {}`, `{"model":"m"}x`, `{"model":"m","model":"m"}`, `{"a":1,"a":1,"model":"m"}`, `{"Model":"m"}`,
		`{"model":1}`, `{"model":"m","a":[{"b":1,"b":2}]}`, "{\"model\":\"\xff\"}", `{"model":"m","n":0}`, `{"model":"m","max_tokens":1.5}`, `{"model":"m","stream":"true"}`,
		`{"model":"m","a":` + strings.Repeat("[", 600) + strings.Repeat("]", 600) + `}`, `{"model":"m","a":"x\`, `{"model":"m","a":"x\"`,
	} {
		_, err := ReadJSON(Chat, []byte(body), api.Caller{})
		require.Error(t, err, body)
	}
}

// TestStreams: only texts are streamed.
func TestStreams(t *testing.T) {
	t.Parallel()
	for _, u := range []Use{Embeddings, Pooling, EmbedVideo, EmbedPart, EmbedAudio, EmbedText, Tokenize} {
		_, err := ReadJSON(u, []byte(`{"model":"m","stream":true}`), api.Caller{})
		require.ErrorContains(t, err, "not streamed", u.Path)
		_, err = ReadJSON(u, []byte(`{"model":"m","stream":false}`), api.Caller{})
		require.NoError(t, err, u.Path)
	}
	q, err := ReadJSON(Completions, []byte(`{"model":"m","stream":true}`), api.Caller{})
	require.NoError(t, err)
	require.True(t, q.Stream)
}

// TestComplaint33Images: requests with images took ten times as long from 15 a second on. What a
// body with a picture of 1 MB costs is counted: it is not decoded, and copied only if it changes.
//
//nolint:paralleltest // it counts the memory that the process allocates
func TestComplaint33Images(t *testing.T) {
	body := []byte(`{"messages":[{"content":[{"type":"image_url","image_url":{"url":"data:image/jpeg;base64,` + strings.Repeat("QUJD", 1<<18) + `"}}]}],"model":"m"}`)
	for name, most := range map[string]int{"m": 64 << 10, "served": len(body) + 64<<10} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		fields, err := find(body)
		require.NoError(t, err)
		var d decisions
		require.NoError(t, fields.decode(&d))
		out, err := (&Request{}).rewrite(body, fields, d, name)
		require.NoError(t, err)
		runtime.ReadMemStats(&after)
		require.LessOrEqual(t, int(after.TotalAlloc-before.TotalAlloc), most)
		require.Contains(t, string(out[len(out)-20:]), name)
	}
}
