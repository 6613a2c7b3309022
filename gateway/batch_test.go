package main

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// zipped is the body of a batch. The names are also the keys, with "key-" in front.
func zipped(t *testing.T, files map[string][]byte, mapped ...string) string {
	t.Helper()
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	mapping := map[string]string{}
	for name, data := range files {
		f, err := w.Create(name)
		require.NoError(t, err)
		_, err = f.Write(data)
		require.NoError(t, err)
		mapping[name] = "key-" + name
	}
	require.NoError(t, w.Close())
	for _, name := range mapped {
		mapping[name] = "key-" + name
	}
	body, err := json.Marshal(map[string]any{"zip_data": base64.StdEncoding.EncodeToString(out.Bytes()), "frame_mapping": mapping})
	require.NoError(t, err)
	return string(body)
}

// TestGuideBatch: a frame that fails does not fail the others, and a batch that is sent again pays
// only for the frames that have no description.
func TestGuideBatch(t *testing.T) {
	t.Parallel()
	b := serves(t, func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.Header.Get("X-Refuse"), "yes") {
			return
		}
		_, _ = io.WriteString(w, answered)
	})
	g := startGateway(t, service(b, ""))
	files := map[string][]byte{"a.jpg": picture(t, 8, 8), "b.jpg": picture(t, 16, 8), "c.jpg": []byte("PK\x03\x04 an archive"), "d.png": []byte("%!PS")}
	status, header, answer, err := g.post(t, "/upload_and_process_frames", zipped(t, files, "gone.jpg"))
	require.NoError(t, err)
	require.Equal(t, 200, status, answer)
	got := object(t, answer)
	require.Equal(t, map[string]any{"key-a.jpg": "hello", "key-b.jpg": "hello"}, got["descriptions"])
	require.InDelta(t, 2, got["processed_frames"], 0)
	require.Equal(t, header.Get("X-Request-Id"), got["upload_id"])
	require.Len(t, got["failures"], 3)
	require.Contains(t, answer, "not a PNG")
	require.EqualValues(t, 2, b.calls.Load())

	files["e.jpg"] = picture(t, 8, 16)
	status, _, answer, err = g.post(t, "/upload-and-process-frames", zipped(t, files))
	require.NoError(t, err)
	require.Equal(t, 200, status, answer)
	require.Len(t, object(t, answer)["descriptions"], 3)
	require.EqualValues(t, 3, b.calls.Load(), "descriptions that are stored are not paid again")

	unmapped := strings.Replace(zipped(t, files), `"a.jpg":"key-a.jpg"`, `"z.jpg":"key-a.jpg"`, 1)
	twice := strings.Replace(zipped(t, files), `"key-b.jpg"`, `"key-a.jpg"`, 1)
	for _, body := range []string{
		unmapped, twice, zipped(t, map[string][]byte{"../a.jpg": files["a.jpg"]}), zipped(t, map[string][]byte{"x.jpg": []byte("no picture")}), zipped(t, nil),
		`{"zip_data":"!","frame_mapping":{}}`, `{"zip_data":"UEs=","frame_mapping":{}}`, `{}`, `{"ZIP_DATA":"UEs="}`,
	} {
		status, _, answer, _ := g.post(t, "/upload_and_process_frames", body)
		require.Equal(t, 400, status, answer)
	}
	require.EqualValues(t, 3, b.calls.Load())
}

// TestGuideBatchAs200: the callers of the originals find failures among the descriptions.
func TestGuideBatchAs200(t *testing.T) {
	t.Parallel()
	b := serves(t, text(200, "application/json", answered))
	g := startGateway(t, service(b, `,"errors_as_200":true`))
	_, _, answer, err := g.post(t, "/upload_and_process_frames", zipped(t, map[string][]byte{"a.jpg": picture(t, 8, 8), "b.jpg": []byte("x")}))
	require.NoError(t, err)
	got := object(t, answer)
	require.InDelta(t, 2, got["processed_frames"], 0)
	require.Contains(t, got["descriptions"].(map[string]any)["key-b.jpg"], "Error: ")
	status, _, answer, err := g.post(t, "/upload_and_process_frames", `{}`)
	require.NoError(t, err)
	require.Equal(t, 200, status)
	require.Contains(t, object(t, answer), "upload_id")
	require.Contains(t, object(t, answer), "error")
}

// TestGuideSameFrame: a frame that two requests describe at the same time has one description, and
// neither fails because the other has stored it.
func TestGuideSameFrame(t *testing.T) {
	t.Parallel()
	var both sync.WaitGroup
	both.Add(2)
	var asked atomic.Int64
	b := serves(t, func(w http.ResponseWriter, _ *http.Request) {
		text := fmt.Sprintf("text %d", asked.Add(1))
		both.Done()
		both.Wait()
		_, _ = io.WriteString(w, strings.Replace(answered, "hello", text, 1))
	})
	g := startGateway(t, service(b, ""))
	status, _, answer, err := g.post(t, "/upload_and_process_frames", zipped(t, map[string][]byte{"a.jpg": picture(t, 8, 8), "b.jpg": picture(t, 8, 8)}))
	require.NoError(t, err)
	require.Equal(t, 200, status, answer)
	got := object(t, answer)
	require.Empty(t, got["failures"])
	texts, ok := got["descriptions"].(map[string]any)
	require.True(t, ok)
	require.Len(t, texts, 2)
	require.Equal(t, texts["key-a.jpg"], texts["key-b.jpg"])
}
