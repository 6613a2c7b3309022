package answer_test

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/answer"
	"github.com/cogniverse/cogflow/money"
)

func gzipped(text string) string {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write([]byte(text))
	_ = w.Close()
	return out.String()
}

func deflated(text string) string {
	var out bytes.Buffer
	w := zlib.NewWriter(&out)
	_, _ = w.Write([]byte(text))
	_ = w.Close()
	return out.String()
}

func encoded(encoding, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", encoding)
		_, _ = w.Write([]byte(body))
	}
}

// TestBodies: a complete answer is used in any encoding; for an incomplete one, the usage that
// can be read is charged.
func TestBodies(t *testing.T) {
	t.Parallel()
	const usage = `"usage":{"prompt_tokens":7,"completion_tokens":2}`
	const good = `{"text":"a tram",` + usage + `}`
	longer := `{` + usage + `,"text":"` + strings.Repeat("x", 100<<10) + `"}`
	wrongSum := []byte(gzipped(good))
	wrongSum[len(wrongSum)-8] ^= 1
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   int64 // charge; -1 = the answer is used
	}{
		"a length that is too large": {hangUp("HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n" + good), -1},
		"a length that is too small": {hangUp("HTTP/1.1 200 OK\r\nContent-Length: 60\r\n\r\n{" + usage + "}" + good), 9},
		"chunks without an end":      {hangUp("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + strconv.FormatInt(int64(len(good)), 16) + "\r\n" + good + "\r\n"), -1},
		"a number, cut":              {hangUp("HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n12"), reserved},
		"nulls at its end":           {status(200, good+"\x00\x00"), -1},
		"space around it":            {status(200, "\r\n\r\n "+good+"\n"), -1},
		"gzip":                       {encoded("gzip", gzipped(good)), -1},
		"gzip, not said":             {status(200, gzipped(good)), -1},
		"gzip, only said":            {encoded("gzip", good), -1},
		"gzip, its end missing":      {encoded("gzip", gzipped(good)[:len(gzipped(good))-4]), -1},
		"gzip, a wrong sum":          {encoded("gzip", string(wrongSum)), 9},
		"gzip, cut":                  {encoded("gzip", gzipped(longer)[:len(gzipped(longer))/2]), 9},
		"gzip of 8 MB":               {encoded("gzip", gzipped(`{`+usage+`,"text":"`+strings.Repeat("x", 8<<20)+`"}`)), 9},
		"deflate":                    {encoded("deflate", deflated(good)), -1},
		"deflate, only said":         {encoded("deflate", good), -1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			bill := func(body []byte) (int64, bool) {
				u, found := money.UsageOf(body)
				return int64(u.Input.Tokens + u.Output.Tokens), found
			}
			body, err := client(answer.Options{}).Ask(t.Context(), answer.Call{URL: serve(t, c.answer), Body: []byte(`{}`), Bill: bill, MaxBytes: 200 << 10})
			if c.want < 0 {
				require.NoError(t, err)
				require.JSONEq(t, good, string(body))
				return
			}
			require.Equal(t, fault.Transport, fault.ClassOf(err), "%v", err)
			require.Equal(t, c.want, charged(err), "%v", err)
		})
	}
}

// TestNothingCompressedIsAskedFor: requests ask for an uncompressed answer.
func TestNothingCompressedIsAskedFor(t *testing.T) {
	t.Parallel()
	at := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_ = json.NewEncoder(w).Encode(r.Header["Accept-Encoding"])
	})
	body, err := client(answer.Options{}).Ask(t.Context(), answer.Call{URL: at, Body: []byte(`{}`)})
	require.NoError(t, err)
	require.JSONEq(t, `["identity"]`, string(body))
}
