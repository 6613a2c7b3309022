package safetext_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"io"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/safetext"
)

const (
	plainKey = "sk-proj-0a1B2c3D4e5F6g7H8i9J0k1L2m3N"
	oddKey   = `k"e\y/with+odd=chars&<é>%41 end9`
)

// echoes are the forms in which a server may repeat a key.
func echoes(t *testing.T, key string) map[string]string {
	t.Helper()
	quoted := func(s string) string {
		text, err := json.Marshal(s)
		require.NoError(t, err)
		return string(text)
	}
	inJSON := quoted("Bearer " + key)
	var points, percents, entities strings.Builder
	for _, r := range key {
		if r < 0x10000 {
			fmt.Fprintf(&points, `\u%04X`, r)
		}
		fmt.Fprintf(&entities, "&#%d;", r)
	}
	for _, b := range []byte(key) {
		fmt.Fprintf(&percents, "%%%02x", b)
	}
	out := map[string]string{
		"raw": key, "bearer": "Bearer " + key, "quoted by Go": strconv.Quote(key),
		"JSON": inJSON, "JSON in JSON": quoted(inJSON), "JSON in JSON in JSON": quoted(quoted(inJSON)),
		"JSON of PHP": strings.ReplaceAll(inJSON, "/", `\/`), "code points": points.String(),
		"HTML": html.EscapeString(key), "entities": entities.String(), "URL in JSON": quoted(url.QueryEscape(key)),
		"within a word": "x" + key + "y", "with what does not show": key[:9] + "\x1b\u200b" + key[9:],
		"hex": hex.EncodeToString([]byte(key)), "HEX": strings.ToUpper(hex.EncodeToString([]byte(key))),
	}
	if !strings.Contains(key, "é") { // bytes of one character, each escaped alone
		out["path"], out["every byte"] = url.PathEscape(key), percents.String()
		out["query"] = strings.ReplaceAll(url.QueryEscape(key), "+", "%20")
		out["twice"] = url.QueryEscape(url.QueryEscape(key))
	}
	for _, user := range []string{"", "u:", "me:", "Bearer "} {
		text := []byte(user + key + "tail")
		out["base64 "+user] = base64.StdEncoding.EncodeToString(text)
		out["base64 URL "+user] = base64.RawURLEncoding.EncodeToString(text)
		out["base64 alone "+user] = base64.StdEncoding.EncodeToString([]byte(user + key))
		out["base64 in JSON "+user] = strings.ReplaceAll(base64.StdEncoding.EncodeToString(text), "/", `\/`)
		out["base64 in a URL "+user] = url.QueryEscape(base64.StdEncoding.EncodeToString(text))
	}
	return out
}

func TestKeys(t *testing.T) {
	t.Parallel()
	for _, key := range []string{plainKey, oddKey} {
		r := safetext.NewRedactor([]string{"other-key-of-another-endpoint", key}, nil)
		for name, echo := range echoes(t, key) {
			for _, around := range []string{"%s", "the key %s is refused", `{"error":{"message":"got %s"}}`} {
				said := fmt.Sprintf(around, echo)
				out := r.Line(said, 1000)
				assert.Contains(t, out, safetext.KeyMark, "%s: %q", name, said)
				assert.NotContains(t, out, echo, name)
				for _, part := range []string{key[:9], key[len(key)-9:], key[8:17]} {
					assert.NotContains(t, out, part, "%s: %q", name, said)
				}
			}
		}
	}
}

// TestCutComesLast: wherever a limit falls, no part of a key is left.
func TestCutComesLast(t *testing.T) {
	t.Parallel()
	r := safetext.NewRedactor([]string{plainKey}, nil)
	said := strings.Repeat("x ", 100) + plainKey + strings.Repeat(" y", 100)
	for limit := 1; limit < 500; limit++ {
		for _, out := range []string{r.Line(said, limit), r.Lines(said, limit), r.Tail(said, limit), r.Reply(said, limit)} {
			require.NotContains(t, out, "sk-")
			require.NotContains(t, out, "m3N")
		}
	}
}

// TestTorn: others cut as well, before the text is ours.
func TestTorn(t *testing.T) {
	t.Parallel()
	r := safetext.NewRedactor([]string{plainKey}, nil)
	half := plainKey[:18]
	assert.Equal(t, "the key [key]… is refused", r.Line("the key "+half+"… is refused", 100))
	assert.Equal(t, "the key [key]", r.Line("the key "+plainKey[:8], 100), "at the end of what was kept")
	assert.Equal(t, "[key] is refused", r.Tail(plainKey[20:]+" is refused", 100), "at its beginning")
}

func TestPlaceholders(t *testing.T) {
	t.Parallel()
	r := safetext.NewRedactor([]string{"EMPTY", "", "abc", "ollama", "pin42"}, nil)
	assert.Equal(t, "EMPTY ollama abc spin425 [key].", r.Line("EMPTY ollama abc spin425 pin42.", 100),
		"a short key is found as a word only; a value that is not a secret is never redacted")
	var none *safetext.Redactor
	assert.Equal(t, plainKey, none.Line(plainKey, 100))
	assert.Equal(t, "a", string(none.Answer([]byte("a"))))
}

// TestAnswer: what a model says is rid of keys, and a document stays one.
func TestAnswer(t *testing.T) {
	t.Parallel()
	const digits = "1234567890"
	r := safetext.NewRedactor([]string{plainKey, digits}, nil)
	said := `{"text":"a red \"tram\" and ` + plainKey + `","vector":[0.1234567890,-1234567890],"id":"1234567890","n":1234567890}`
	out := r.Answer([]byte(said))
	require.JSONEq(t, `{"text":"a red \"tram\" and [key]","vector":[0.1234567890,-1234567890],"id":"[key]","n":1234567890}`, string(out))
	same := []byte(`{"text":"nothing here"}`)
	require.Equal(t, same, r.Answer(same))
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	r := safetext.NewRedactor(nil, []string{"http://vlm.example.com:8000/v1", "http://10.0.0.7:8000", "http://localhost:9/x", "s3://videos/x"})
	for in, want := range map[string]string{
		`Post "http://vlm.example.com:8000/v1/chat?k=v": EOF`:                  `Post "[service]": EOF`,
		"vlm.example.com does not answer, nor vlm.example.com:8000":            "[service] does not answer, nor [service]",
		"see myvlm.example.company":                                            "see myvlm.example.company",
		"localhost is fine, localhost:9 is not":                                "localhost is fine, [service] is not",
		`fetch "https://videos.example.org/tram.mp4": the server answered 404`: `fetch "https://videos.example.org/tram.mp4": the server answered 404`,
		"open s3://videos/x/y":                                                 "open s3://videos/x/y",
	} {
		assert.Equal(t, want, r.Line(in, 200))
	}
	for in, want := range map[string]string{
		"dial tcp 10.1.2.3:443: connect: connection refused":                    "dial tcp [service]: connect: connection refused",
		"dial tcp [fd00::1%eth0]:443: i/o timeout":                              "dial tcp [service]: i/o timeout",
		"read tcp 127.0.0.1:5000->127.0.0.1:80: read: connection reset by peer": "read tcp [service]: read: connection reset by peer",
		"dial tcp: lookup gpu-7.internal on 10.0.0.2:53: no such host":          "dial tcp: lookup [service]: no such host",
		"upstream https://gpu-7.internal/v1/secret?sig=a%20b failed.":           "upstream [service] failed.",
		"(see HTTP://USER:PASS@gpu-7:80/x), it said":                            "(see [service]), it said",
		"backend 10.1.2.3:8000 and [::1]:80 are down":                           "backend [service] and [service] are down",
		"read manifest: bad line 12:30":                                         "read manifest: bad line 12:30",
		"the model was loaded at 10:11:12.123: ok":                              "the model was loaded at 10:11:12.123: ok",
	} {
		assert.Equal(t, want, r.Reply(in, 200))
	}
}

func TestError(t *testing.T) {
	t.Parallel()
	r := safetext.NewRedactor([]string{plainKey}, nil)
	cause := &url.Error{Op: "Get", URL: "http://gpu-7:80/", Err: fmt.Errorf("%s: %w", plainKey, io.ErrUnexpectedEOF)}
	err := r.Error(cause)
	require.EqualError(t, err, `Get "[service]": [key]: unexpected EOF`)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
	require.NoError(t, r.Error(nil))
	same := errors.New("fine")
	require.Same(t, same, r.Error(same))
}

func FuzzAnswer(f *testing.F) {
	f.Add(`{"a":"` + plainKey + `","b":[1,"\u0073k-proj"]}`)
	f.Add(`"\\\"%73&#115;`)
	r := safetext.NewRedactor([]string{plainKey, "1234567890"}, nil)
	f.Fuzz(func(t *testing.T, s string) {
		out := r.Answer([]byte(s))
		if json.Valid([]byte(s)) {
			require.True(t, json.Valid(out), "%q", out)
			var said any
			require.NoError(t, json.Unmarshal(out, &said))
			require.NotContains(t, fmt.Sprint(said), plainKey)
		}
		require.NotContains(t, r.Keys(s), plainKey)
	})
}

// TestParts: a key that is spread over several texts is found, wherever it is cut.
func TestParts(t *testing.T) {
	t.Parallel()
	r := safetext.NewRedactor([]string{plainKey}, nil)
	for from := 1; from < len(plainKey)-1; from++ {
		for to := from + 1; to < len(plainKey); to++ {
			got := r.Parts([]string{"you sent " + plainKey[:from], plainKey[from:to], plainKey[to:] + " to me", "words"})
			require.Equal(t, []string{"you sent [key]", "", " to me", "words"}, got)
		}
	}
	require.Equal(t, []string{"[key][key]", "", " and [key]", ""}, r.Parts([]string{plainKey + plainKey[:3], plainKey[3:], " and " + plainKey[:20], plainKey[20:]}))
	for _, texts := range [][]string{nil, {""}, {"a", "", "b"}} {
		require.Equal(t, texts, r.Parts(texts))
		require.Equal(t, texts, (*safetext.Redactor)(nil).Parts(texts))
	}
}
