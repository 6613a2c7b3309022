package main

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/blob"
)

// attack is one request that must be refused before a model server sees it.
type attack struct {
	name, path, body string
	status           int
}

const chatPath = "/v1/chat/completions"

// shown is a chat with a part.
func shown(part string) string {
	return `{"model":"m","messages":[{"role":"user","content":[` + part + `]}]}`
}

func linked(url string) string {
	return shown(`{"type":"image_url","image_url":{"url":"` + url + `"}}`)
}

// ssrf are addresses and paths in requests: neither the gateway nor a model server opens them.
func ssrf() (all []attack) {
	for _, url := range []string{
		"http://127.0.0.1:1/", "http://169.254.169.254/latest/meta-data/iam/", "http://[::1]/", "http://2130706433/", "http://0x7f.1/", "http://[::ffff:10.0.0.1]/",
		"https://example.org/redirects-to-localhost.png", "HTTP://localhost/", "ftp://10.0.0.1/a.png", "gopher://10.0.0.1/", "file:///etc/passwd", "/etc/passwd",
		"../../etc/passwd", "//10.0.0.1/a.png", "s3://bucket/key", "data:text/html;base64,QUJD", "data:image/svg+xml;base64,PHN2Zy8+", "data:image/png,%41",
	} {
		all = append(all, attack{"URL " + url, chatPath, linked(url), 400}, attack{"pooling " + url, "/pooling", linked(url), 400})
	}
	for _, part := range []string{
		`{"type":"image_url","image_url":"http://10.0.0.1/"}`, `{"type":"image_url","image_\u0075rl":{"url":"http:\/\/10.0.0.1\/"}}`,
		`{"type":"video_url","video_url":{"url":"http://10.0.0.1/"}}`, `{"type":"audio_url","audio_url":{"url":"http://10.0.0.1/"}}`,
		`{"type":"image_embeds","image_embeds":"gASV"}`, `{"type":"image_url","image_url":null,"uuid":"of-another-tenant"}`, `{"type":"file","file":{"file_id":"file-1"}}`,
	} {
		all = append(all, attack{"part " + part, chatPath, shown(part), 400})
	}
	for _, field := range []string{
		`"prompt_embeds":"gASV"`, `"kv_transfer_params":{"remote_host":"10.0.0.1"}`, `"bootstrap_host":"10.0.0.1"`, `"custom_logit_processor":"gASV"`,
		`"chat_template":"{{ x }}"`, `"Chat_Template":"{{ x }}"`, `"lora_path":"/etc"`,
	} {
		all = append(all, attack{"field " + field, chatPath, `{"model":"m","messages":[],` + field + `}`, 400})
	}
	return all
}

// documents are requests that two readers read differently.
func documents() []attack {
	return []attack{
		{"name twice", chatPath, `{"model":"m","model":"x"}`, 400},
		{"name twice, deep", chatPath, `{"model":"m","messages":[{"role":"user","role":"system"}]}`, 400},
		{"name in another case", chatPath, `{"Model":"m"}`, 400},
		{"messages in another case", chatPath, `{"model":"m","Messages":[]}`, 400},
		{"name escaped twice", chatPath, `{"model":"m","mod\u0065l":"x"}`, 400},
		{"two documents", chatPath, `{"model":"m"}{}`, 400},
		{"nested", chatPath, `{"model":"m","a":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + `}`, 400},
		{"not UTF-8", chatPath, "{\"model\":\"\xff\"}", 400},
		{"tokens", chatPath, `{"model":"m","max_tokens":99999999}`, 400},
		{"answers", chatPath, `{"model":"m","n":100000}`, 400},
		{"another model", chatPath, `{"model":"x"}`, 404},
		{"prompt in another case", "/generate", `{"prompt":"a","Prompt":"b"}`, 400},
		{"frame in another case", "/generate_description", `{"Frame_Path":"a"}`, 400},
		{"tenant in the body", "/generate_description", `{"tenant":"other","frame_path":"videos/v/frames/f/0.jpg"}`, 400},
		{"body", chatPath, `{"model":"m","a":"` + strings.Repeat("a", 1<<20) + `"}`, 413},
	}
}

// paths name what is not an object of the tenant.
func paths() (all []attack) {
	for _, path := range []string{
		"/etc/passwd", "/proc/self/environ", "../other/videos/v/frames/f/0.jpg", "other/videos/v/frames/f/0.jpg", "videos/../../other/videos/v/frames/f/0.jpg",
		"acme/../other/videos/v/frames/f/0.jpg", "file:///etc/passwd", "http://169.254.169.254/", "..\\videos\\x", "a\x00b", "./videos", "videos//v", "", ".tmp/x",
		strings.Repeat("a/", 600), "videos/\u202egpj.exe",
	} {
		for _, field := range []string{"frame_path", "remote_frame_path"} {
			body, _ := json.Marshal(map[string]string{field: path})
			all = append(all, attack{"path " + path, "/generate_description", string(body), 400})
		}
	}
	return all
}

// pictures have too many pixels, or are none.
func pictures(t *testing.T) (all []attack) {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, png.Encode(&out, image.NewGray(image.Rect(0, 0, 1500, 1500))))
	bomb := base64.StdEncoding.EncodeToString(out.Bytes())
	lie := bytes.Clone(out.Bytes())
	copy(lie[16:], "\x7f\xff\xff\xff\x7f\xff\xff\xff")
	for name, data := range map[string]string{"bomb": bomb, "lie": base64.StdEncoding.EncodeToString(lie), "PostScript": "JSFQUy1BZG9iZQ==", "empty": ""} {
		all = append(all,
			attack{"picture " + name, chatPath, linked("data:image/png;base64," + data), 400},
			attack{"picture of a list " + name, "/v1/embeddings", `{"model":"m","images":["` + data + `"]}`, 400},
			attack{"frame " + name, "/generate_description", `{"frame_base64":"` + data + `"}`, 400},
			attack{"archived " + name, "/upload_and_process_frames", zipped(t, map[string][]byte{"a.png": lie}), 400})
	}
	return all
}

// archives are hostile; package archive has more.
func archives(t *testing.T) (all []attack) {
	t.Helper()
	frame := picture(t, 8, 8)
	for _, name := range []string{"../a.jpg", "/etc/cron.d/a", "..\\a.jpg", "C:\\a.jpg", "b/a.jpg", "a\x00.jpg"} {
		all = append(all, attack{"slip " + name, "/upload_and_process_frames", zipped(t, map[string][]byte{name: frame}), 400})
	}
	all = append(all,
		attack{"twice", "/upload_and_process_frames", zipped(t, map[string][]byte{"a.jpg": frame, "A.jpg": frame}), 400},
		attack{"bomb", "/upload_and_process_frames", zipped(t, map[string][]byte{"a.jpg": make([]byte, 8<<20)}), 400},
		attack{"nested", "/upload_and_process_frames", zipped(t, map[string][]byte{"a.jpg": []byte("PK\x03\x04")}), 400})
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	h := &zip.FileHeader{Name: "a.jpg"}
	h.SetMode(fs.ModeSymlink | 0o777)
	f, err := w.CreateHeader(h)
	require.NoError(t, err)
	_, err = io.WriteString(f, "/etc/passwd")
	require.NoError(t, err)
	require.NoError(t, w.Close())
	return append(all, attack{
		"link", "/upload_and_process_frames", `{"zip_data":"` + base64.StdEncoding.EncodeToString(out.Bytes()) + `","frame_mapping":{"a.jpg":"a"}}`, 400,
	})
}

// ofServers are routes of model servers that change or stop them. Some protect none of these by a key.
func ofServers() (all []attack) {
	for _, path := range []string{
		"/invocations", "/pause", "/resume", "/sleep", "/wake_up", "/update_weights", "/init_weight_transfer_engine", "/collective_rpc", "/reset_prefix_cache", "/server_info",
		"/v1/load_lora_adapter", "/v1/unload_lora_adapter", "/load_lora_adapter", "/flush_cache", "/start_profile", "/release_memory_occupation", "/api/pull", "/api/delete",
		"/inference/v1/generate", "/v1/responses/../chat/completions/../../pause", "/v1/chat/completions/../../../pause", "//pause", "/v1//chat/completions", "/V1/chat/completions",
		"/v1/chat/completions/", "/v1/chat/completions%2f..%2f..%2fpause", "/v1/chat/completions;/pause",
	} {
		all = append(all, attack{"route " + path, path, `{"model":"m"}`, 404})
	}
	return all
}

// TestAttacks: each request is refused, its refusal is in the log, and no model server sees it.
func TestAttacks(t *testing.T) {
	t.Parallel()
	b := serves(t, text(200, "application/json", answered))
	g := startGateway(t, strings.Replace(service(b, ""), `"gateway":{`, `"gateway":{"max_pixels":1000000,"max_body_bytes":1000000,`, 1))
	store, err := blob.Open(t.Context(), "file://"+g.dir+"/store")
	require.NoError(t, err)
	_, err = store.Put(t.Context(), "other/videos/v/frames/f/0.jpg", bytes.NewReader(picture(t, 8, 8)))
	require.NoError(t, err)
	all := append(append(append(append(ssrf(), documents()...), paths()...), pictures(t)...), archives(t)...)
	all = append(all, ofServers()...)
	var want []string
	for i, a := range all {
		id := fmt.Sprintf("attack-%d", i)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.url(t, "main")+a.path, strings.NewReader(a.body))
		require.NoError(t, err)
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("X-Request-Id", id)
		got, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		answer, err := io.ReadAll(got.Body)
		require.NoError(t, got.Body.Close())
		require.NoError(t, err)
		require.Equal(t, a.status, got.StatusCode, "%s: %s", a.name, answer)
		require.NotContains(t, string(answer), g.dir, "%s: the answer names no place of the server", a.name)
		want = append(want, id)
	}
	require.Zero(t, b.calls.Load(), b.said())
	refusals := map[string]bool{}
	for line := range strings.Lines(g.out.String()) {
		var l struct {
			Request string `json:"request_id"`
			Error   string `json:"error"`
			Tenant  string `json:"tenant"`
		}
		if json.Unmarshal([]byte(line), &l) == nil && l.Error != "" {
			require.Contains(t, []string{"acme", ""}, l.Tenant, "\"\" where no route was found")
			refusals[l.Request] = true
		}
	}
	for _, id := range want {
		require.True(t, refusals[id], "the log has the refusal of %s", id)
	}
}
