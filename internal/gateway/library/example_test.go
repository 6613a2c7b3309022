package library_test

import (
	"bytes"
	"encoding/json"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/internal/gateway/library"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows/ingest"
)

func pictured(t *testing.T, encode func(b *bytes.Buffer, m image.Image) error, width, height int) string {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, encode(&out, image.NewGray(image.Rect(0, 0, width, height))))
	return out.String()
}

func asPNG(b *bytes.Buffer, m image.Image) error  { return png.Encode(b, m) }
func asJPEG(b *bytes.Buffer, m image.Image) error { return jpeg.Encode(b, m, nil) }
func asGIF(b *bytes.Buffer, m image.Image) error  { return gif.Encode(b, m, nil) }

// TestExample: a picture is stored for its tenant, once, as a JPEG, and a search names it by its hash.
func TestExample(t *testing.T) {
	t.Parallel()
	b := newBench(t, "mov")
	post := func(path, body string) (int, string) {
		w := b.do("acme", httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, strings.NewReader(body)))
		return w.Code, w.Body.String()
	}
	stored := func(body string) (out library.Example) {
		status, text := post("/search/examples", body)
		require.Equal(t, http.StatusOK, status, text)
		require.NoError(t, json.Unmarshal([]byte(text), &out))
		return out
	}
	upright := pictured(t, asJPEG, 100, 100)
	one := stored(upright)
	require.Equal(t, len(upright), one.Bytes)
	kept, err := activities.ReadAll(t.Context(), b.store, video.ExampleKey("acme", one.Image))
	require.NoError(t, err)
	require.Equal(t, upright, string(kept))
	require.Equal(t, one, stored(upright))
	other := stored(pictured(t, asPNG, 50, 20))
	require.NotEqual(t, one.Image, other.Image)
	_, err = b.store.Stat(t.Context(), video.ExampleKey("evil", one.Image))
	require.ErrorIs(t, err, object.ErrNotFound)

	for name, body := range map[string]string{
		"nothing": "", "text": "<svg onload=alert(1)>", "gif": pictured(t, asGIF, 5, 5), "too many pixels": pictured(t, asPNG, 101, 100), "cut": upright[:200],
	} {
		status, text := post("/search/examples", body)
		require.Equal(t, http.StatusBadRequest, status, "%s: %s", name, text)
	}
	status, text := post("/search/examples?tenant=evil", upright)
	require.Equal(t, http.StatusBadRequest, status, text)

	b.workers.result = ingest.SearchResult{}
	for _, query := range []string{"image=" + string(one.Image), "q=red&image=" + string(one.Image), "like=p:v:0"} {
		r := b.get(t, "acme", "/search?"+query)
		require.Equal(t, http.StatusOK, r.Code, r.Body.String())
	}
	in := b.workers.asked[0].Input.(ingest.SearchInput)
	require.Equal(t, string(one.Image), in.Image)
	require.Equal(t, string(video.RankVector), in.Rank)
	require.Equal(t, string(video.RankHybrid), b.workers.asked[1].Input.(ingest.SearchInput).Rank)
	for _, query := range []string{"image=..%2fx", "image=" + string(one.Image) + "&like=p:v:0", "image=" + string(one.Image) + "&rank=bm25"} {
		require.Equal(t, http.StatusBadRequest, b.get(t, "acme", "/search?"+query).Code, query)
	}
}
