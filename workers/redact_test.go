package main

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"google.golang.org/protobuf/proto"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/config"
	"github.com/cogniverse/cogflow/internal/program"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workers/adapterservers"
)

const (
	ownKey   = "sk-own-0a1B2c3D4e5F6g7H8"
	otherKey = `sk-other-9z8Y7x"6w5V4u3T2s`
)

// echo is an HTTP response that contains the keys.
type echo struct {
	status int
	body   func(key string) string
}

// jsonText is s as a JSON string.
func jsonText(s string) string {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func echoes() map[string]echo {
	long := strings.Repeat("x ", 140)
	out := map[string]echo{
		"caption": {200, func(key string) string {
			return `{"choices":[{"message":{"role":"assistant","content":` + jsonText("a tram, Bearer "+key) + `},"finish_reason":"stop"}],` +
				`"usage":{"prompt_tokens":3,"completion_tokens":3},"description":` + jsonText(key) + `,"text":` + jsonText(key) + `,"data":[]}`
		}},
		"refusal": {200, func(key string) string {
			return `{"choices":[{"message":{"refusal":` + jsonText(key) + `},"finish_reason":"stop"}]}`
		}},
		"error with status 200": {200, func(key string) string { return `{"error":{"message":` + jsonText("bad key "+key) + `}}` }},
		"models":                {200, func(key string) string { return `{"data":[{"id":` + jsonText(key) + `}]}` }},
		"wrong shape":           {200, func(key string) string { return `{"choices":` + jsonText(key) + `,"data":` + jsonText(key) + `}` }},
		"not JSON":              {200, func(key string) string { return "<html>" + key }},
		"truncated":             {200, func(key string) string { return strings.Repeat("y", 290) + key }},
	}
	for status, name := range map[int]string{400: "refused", 401: "unauthorized", 422: "detail", 429: "overload", 500: "server error", 503: "unavailable"} {
		for i, shape := range []string{`{"error":{"message":%s,"code":"x"}}`, `{"error":%s}`, `{"detail":%s}`, `{"message":%s}`, `%s`} {
			out[fmt.Sprint(name, " ", i)] = echo{status, func(key string) string { return fmt.Sprintf(shape, jsonText(long[:270]+key+long)) }}
		}
		out[name+" in JSON"] = echo{status, func(key string) string {
			return fmt.Sprintf(`{"error":%s}`, jsonText(fmt.Sprintf(`{"message":%s}`, jsonText(key))))
		}}
		out[name+" escaped"] = echo{status, url.QueryEscape}
		out[name+" base64"] = echo{status, func(key string) string { return base64.StdEncoding.EncodeToString([]byte("user:" + key)) }}
	}
	return out
}

// requireNoKeys fails if text contains a part of a key or the address of the server.
func requireNoKeys(t *testing.T, text, address string) {
	t.Helper()
	for _, key := range []string{ownKey, otherKey} {
		for at := 0; at+10 <= len(key); at++ {
			require.NotContains(t, text, key[at:at+10])
		}
		for shift := range 3 {
			form := base64.RawStdEncoding.EncodeToString([]byte(strings.Repeat("u", shift) + key))
			require.NotContains(t, text, form[4:len(form)-4])
		}
		require.NotContains(t, text, url.QueryEscape(key))
	}
	require.NotContains(t, text, address)
	require.NotContains(t, text, strings.TrimPrefix(address, "http://"))
	require.True(t, utf8.ValidString(text))
}

// TestNoSecretLeavesAnAdapter: if a server returns keys of this worker in any form, including
// the key of another endpoint, no answer and no error of an adapter contains a part of a key
// or the address of the server.
func TestNoSecretLeavesAnAdapter(t *testing.T) {
	t.Parallel()
	var picture bytes.Buffer
	require.NoError(t, jpeg.Encode(&picture, image.NewGray(image.Rect(0, 0, 8, 8)), nil))
	for name, e := range echoes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.WriteHeader(e.status)
				_, _ = w.Write([]byte(e.body(ownKey + " " + otherKey)))
			}))
			t.Cleanup(s.Close)
			for kind, said := range askAll(t, s.URL, picture.Bytes()) {
				t.Log(kind, said)
				requireNoKeys(t, said, s.URL)
			}
		})
	}
	t.Run("no server", func(t *testing.T) {
		t.Parallel()
		s := httptest.NewServer(http.NotFoundHandler())
		s.Close()
		for kind, said := range askAll(t, s.URL, picture.Bytes()) {
			t.Log(kind, said)
			requireNoKeys(t, said, s.URL)
		}
	})
}

// askAll makes each kind of call and returns the answers and errors as text.
func askAll(t *testing.T, at string, picture []byte) map[string]string {
	t.Helper()
	getenv := func(name string) string {
		return map[string]string{"OWN": ownKey, "OTHER": otherKey}[name]
	}
	c := config.Config{}
	for i, kind := range []config.Kind{config.OpenAI, config.CogniverseVLM, config.Pooling, config.Embeddings, config.Transcriptions} {
		c.Endpoints = append(c.Endpoints, config.Endpoint{
			Name: string(kind), Kind: kind, URL: at + "/v1", Models: []string{"m" + fmt.Sprint(i)}, KeyVariable: "OWN", NoCanary: true,
		})
	}
	c.Endpoints = append(c.Endpoints, config.Endpoint{Name: "other", Kind: config.OpenAI, URL: "http://vlm.example.com", Models: []string{"o"}, KeyVariable: "OTHER"})
	c.Training.Serving = []config.Server{{BaseModel: "base", URL: at + "/v1", KeyVariable: "OWN"}}
	m, err := newModels(c, getenv, nil, partsOf(allPools(t)), serversOf(c))
	require.NoError(t, err)
	out := map[string]string{}
	note := func(kind string, answer any, err error) { out[kind] = fmt.Sprintf("%+v %v", answer, err) }
	ctx := t.Context()
	for i := range 2 {
		stage := video.Stage{Model: "m" + fmt.Sprint(i)}
		caption, err := describing{m}.Describe(ctx, video.DescribeRequest{Stage: stage, JPEG: picture})
		note("describe "+stage.Model, caption, err)
	}
	for i := 2; i < 4; i++ {
		stage := video.Stage{Model: "m" + fmt.Sprint(i), Of: video.OfCaption, Dim: 4}
		vectors, err := embedding{m}.EmbedTexts(ctx, video.TextRequest{Stage: stage, Texts: []string{"a"}})
		note("embed "+stage.Model, vectors, err)
	}
	flac := append([]byte("fLaC\x00\x00\x00\x22"), make([]byte, 34)...)
	flac[18], flac[19], flac[20], flac[25] = 0x03, 0xe8, 0, 200
	words, err := transcribing{m}.Transcribe(ctx, video.TranscribeRequest{Stage: video.Stage{Model: "m4"}, FLAC: flac})
	note("transcribe", words, err)
	l := newLMs(c, getenv, true, serversOf(c))
	said, err := l.Complete(ctx, prompt.Completion{Model: "m0", Messages: []prompt.Message{{Role: prompt.User, Content: "x"}}, MaxTokens: 5})
	note("complete", said, err)
	note("serve", nil, adapterservers.New(c, getenv, program.Redactor(c, getenv), missingKey).Load(ctx, "base", "a", t.TempDir(), false))
	for _, check := range m.checks[:5] {
		note("check "+check.endpoint.Name, nil, check.ask(ctx))
	}
	return out
}

// allPools returns all pools of a worker.
func allPools(t *testing.T) []pool {
	t.Helper()
	all, err := choosePools([]string{"all"})
	require.NoError(t, err)
	return all
}

// TestFailures: any error message can be stored in a history.
func TestFailures(t *testing.T) {
	t.Parallel()
	f := newFailures(safetext.NewRedactor([]string{ownKey}, []string{"http://vlm.example.com:8000"}))
	inner := temporal.NewApplicationError("cause \xff of "+ownKey, "input")
	for name, err := range map[string]error{
		"plain":   errors.New("a\xffb \x1b[31m" + ownKey + " at http://vlm.example.com:8000/v1"),
		"long":    errors.New(strings.Repeat("é", 5000)),
		"fault":   fault.New(fault.Input, "describe", "x", "\xc3 "+ownKey),
		"app":     temporal.NewNonRetryableApplicationError("no \xed\xa0\x80", "input", inner, "detail"),
		"wrapped": fmt.Errorf("outer: %w", inner),
	} {
		out := f.ErrorToFailure(err)
		_, problem := proto.Marshal(out)
		require.NoError(t, problem, name)
		for one := out; one != nil; one = one.GetCause() {
			requireNoKeys(t, one.GetMessage(), "http://vlm.example.com:8000")
			require.LessOrEqual(t, utf8.RuneCountInString(one.GetMessage()), safetext.MaxMessage)
		}
		assert.Error(t, f.FailureToError(out))
	}
	require.Contains(t, inner.Error(), ownKey, "the error itself is not changed")
}

// TestLedgerIsRedacted: neither the password of the ledger nor its address enters a history.
func TestLedgerIsRedacted(t *testing.T) {
	t.Parallel()
	environment := map[string]string{"COGFLOW_LEDGER": "postgres://me:urlsecret-1@db.internal:5432/cogflow", "PGPASSWORD": "envsecret-2"}
	getenv := func(name string) string { return environment[name] }
	c, err := config.Load(getenv)
	require.NoError(t, err)
	shown := program.Redactor(c, getenv).Lines("cogflow on db.internal:5432 urlsecret-1 envsecret-2", safetext.MaxMessage)
	for _, secret := range []string{"urlsecret-1", "envsecret-2", "db.internal"} {
		require.NotContains(t, shown, secret)
	}
}

func TestLogIsClean(t *testing.T) {
	t.Parallel()
	var out, file bytes.Buffer
	redactor := safetext.NewRedactor([]string{ownKey}, nil)
	logger, err := program.NewLogger("info", safetext.Log{To: &out, Redactor: redactor}, safetext.Log{To: &file, Redactor: redactor})
	require.NoError(t, err)
	logger.Info("said "+ownKey, zap.String("name", "a\u202eb\x1b[31m"), zap.Error(errors.New("got "+ownKey)), zap.Any("x", []string{ownKey}))
	requireNoKeys(t, out.String(), "http://vlm.example.com")
	require.NotContains(t, out.String(), "\u202e")
	var line map[string]any
	require.NoError(t, json.Unmarshal(out.Bytes(), &line))
	require.Equal(t, "said [key]", line["msg"])
	require.Equal(t, out.String(), file.String())

	out.Reset()
	program.Structured(logger).Error("Activity error.", "Error", "it is not a video")
	require.Contains(t, out.String(), "it is not a video")
	require.NotContains(t, out.String(), "stacktrace", "a user's mistake shows no stack")
	require.Equal(t, "a\u202eb\x1b[31m", line["name"], "escaped, not lost")
}

// TestLogOnATerminal: on a terminal each event is one line, whatever the values contain.
func TestLogOnATerminal(t *testing.T) {
	t.Parallel()
	entry := zapcore.Entry{Level: zapcore.WarnLevel, Time: time.Date(2026, 11, 28, 9, 5, 7, 0, time.UTC), Message: "restarting"}
	line, err := program.NewEncoder(true).EncodeEntry(entry, []zapcore.Field{zap.String("name", "a\nb\x1b[31m")})
	require.NoError(t, err)
	require.Equal(t, "09:05:07  warn  restarting  {\"name\": \"a\\nb\\u001b[31m\"}\n", line.String())
}
