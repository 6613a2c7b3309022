package main

import (
	"compress/gzip"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// compressed answers in gzip, although nothing asked for it.
func compressed(media, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", media)
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		_, _ = io.WriteString(z, body)
		_ = z.Close()
	}
}

// switching takes the connection for another protocol, and then says nothing.
func switching(t *testing.T) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Errorf("hijack: %v", err)
			return
		}
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n")
		t.Cleanup(func() { _ = c.Close() })
	}
}

// TestOddAnswers: whatever a model server sends, the caller gets a whole answer or an error, soon,
// and never the key of the server.
func TestOddAnswers(t *testing.T) {
	t.Parallel()
	const secret, bom = "backend-secret-1", "\xef\xbb\xbf"
	form := "--B\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm\r\n" +
		"--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\nRIFF\r\n--B--\r\n"
	const chat, embed, speech, count = "/v1/chat/completions", "/v1/embeddings", "/v1/audio/transcriptions", "/tokenize"
	asJSON := func(body string) http.HandlerFunc { return text(200, "application/json", body) }
	asStream := func(body string) http.HandlerFunc { return text(200, streamed, body) }
	late := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Retry-After", time.Now().Add(40*time.Second).UTC().Format(http.TimeFormat))
		w.WriteHeader(http.StatusTooManyRequests)
	}
	for name, c := range map[string]struct {
		path   string
		stream bool
		answer http.HandlerFunc
		status int
		want   string // in the answer
	}{
		"white space only":        {chat, false, asJSON(" \n\r\n "), 502, "not JSON"},
		"a byte order mark":       {chat, false, asJSON(bom + answered), 200, `{"id":"1"`},
		"compressed":              {chat, false, compressed("application/json", answered), 200, answered},
		"compressed stream":       {chat, true, compressed(streamed, events(delta("a"), last, "[DONE]")), 200, events(delta("a"), last, "[DONE]")},
		"another protocol":        {chat, false, switching(t), 502, "status 101"},
		"a date to retry at":      {chat, false, late, 503, ""},
		"key in a long message":   {chat, false, text(400, "text/plain", strings.Repeat("x", 290)+secret), 400, ""},
		"key in 200":              {chat, false, asJSON(`{"error":"bad key ` + secret + `"}`), 502, "[key]"},
		"key in a first event":    {chat, true, asStream(events(`{"error":"bad key ` + secret + `"}`)), 502, "[key]"},
		"key in a later event":    {chat, true, asStream(events(delta("a"), `{"error":"bad key `+secret+`"}`)), 200, "[key]"},
		"only the mark":           {chat, true, asStream(events("[DONE]")), 502, "no answer"},
		"a comment and the mark":  {chat, true, asStream(": wait\n\n" + events("[DONE]")), 502, "no answer"},
		"error after a mark":      {chat, true, asStream(bom + events(`{"error":{"message":"boom"}}`)), 502, "boom"},
		"stream after a mark":     {chat, true, asStream(bom + events(delta("a"), last, tokens, "[DONE]")), 200, events(delta("a"), last, "[DONE]")},
		"type in capitals":        {chat, true, text(200, "Text/Event-Stream; charset=UTF-8", events(delta("a"), last, "[DONE]")), 200, events(delta("a"), last, "[DONE]")},
		"no last empty line":      {chat, true, asStream(strings.TrimSpace(events(delta("a"), last, tokens))), 200, events(delta("a"), last, "[DONE]")},
		"half a last event":       {chat, true, asStream(events(delta("a")) + `data: {"choices":[{"delta":{"cont`), 200, "stream_cut"},
		"vectors: nothing":        {embed, false, asJSON(`{}`), 502, "upstream_failed"},
		"vectors: empty list":     {embed, false, asJSON(`{"object":"list","data":[ ]}`), 502, "upstream_failed"},
		"vectors: error object":   {embed, false, asJSON(`{"object":"error","message":"no such model","code":404}`), 502, "no such model"},
		"vectors: other name":     {embed, false, asJSON(`{"embeddings":[[[1,0]]]}`), 200, "embeddings"},
		"tokens: nothing":         {count, false, asJSON(`{"tokens":null}`), 502, "upstream_failed"},
		"speech: nothing":         {speech, false, asJSON(`{"detail":"down"}`), 502, "down"},
		"speech: silence":         {speech, false, asJSON(`{"text":""}`), 200, `{"text":""}`},
		"speech: subtitles":       {speech, false, text(200, "text/vtt", "WEBVTT"), 200, "WEBVTT"},
		"speech: a page":          {speech, false, text(200, "text/xml", "<x:script xmlns:x='http://www.w3.org/1999/xhtml'/>"), 503, "not JSON"},
		"speech: a page, capital": {speech, false, text(200, "TEXT/HTML", "<script>"), 503, "not JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := serves(t, c.answer)
			e := strings.Replace(endpoint(b, "a", `,"api_key_env":"BACKEND_KEY"`), `"models":["m"]`, `"models":["m"],"max_in_flight":4`, 1)
			switch c.path {
			case embed:
				e = `"a":{"kind":"embeddings","url":"` + b.URL + `","models":["m"],"api_key_env":"BACKEND_KEY"}`
			case speech:
				e = `"a":{"kind":"transcriptions","url":"` + b.URL + `","models":["m"],"api_key_env":"BACKEND_KEY"}`
			}
			section := of(e)
			if c.status == 503 { // it is asked until the time is over
				section = within(1, section)
			}
			g := startGateway(t, section)
			body, media := ask, "application/json"
			switch {
			case c.stream:
				body = askStream
			case c.path == speech:
				body, media = form, "multipart/form-data; boundary=B"
			}
			status, header, answer, _ := g.insist(t, c.path, media, body, func(status int, answer string) bool {
				return unasked(status, answer) || c.status == 503 && onceAsked(status, answer)
			})
			require.Equal(t, c.status, status, answer)
			require.Contains(t, answer, c.want)
			require.NotContains(t, answer+g.out.String(), secret[:10])
			if name == "a date to retry at" {
				require.NotContains(t, []string{"", "5", "1"}, header.Get("Retry-After"), "the time that the server named")
			}
			if status == 502 {
				require.NotEmpty(t, code(t, answer))
			}
		})
	}
}

// TestCutStreamAs200: a stream that breaks off ends with its event, also for callers who expect status
// 200 for failures.
func TestCutStreamAs200(t *testing.T) {
	t.Parallel()
	b := serves(t, text(200, streamed, events(delta("a"))))
	g := startGateway(t, service(b, `,"errors_as_200":true`))
	status, _, answer, err := g.post(t, "/chat-completions", `{"messages":[{"role":"user","content":"a"}],"stream":true}`)
	require.NoError(t, err)
	require.Equal(t, 200, status)
	parts := strings.Split(strings.TrimSuffix(answer, "\n\n"), "\n\n")
	require.Len(t, parts, 2, answer)
	require.Equal(t, "stream_cut", code(t, strings.TrimPrefix(parts[1], "data: ")))
}
