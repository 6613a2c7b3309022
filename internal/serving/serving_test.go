package serving_test

import (
	"context"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/answer/answertest"
	"github.com/cogniverse/cogflow/internal/serving"
	"github.com/cogniverse/cogflow/internal/serving/servingtest"
)

// adapter writes an adapter folder; changes are fields of its configuration.
func adapter(t *testing.T, changes map[string]any) string {
	t.Helper()
	config := map[string]any{
		"peft_type": "LORA", "r": 8, "lora_alpha": 16, "bias": "none", "use_dora": false, "modules_to_save": nil,
		"target_modules": []string{"q_proj"}, "base_model_name_or_path": "test/base", "rank_pattern": map[string]int{},
	}
	maps.Copy(config, changes)
	text, err := json.Marshal(config)
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "adapter_config.json"), text, 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "adapter_model.safetensors"), []byte("weights"), 0o600))
	return dir
}

func request(dir string) serving.LoadRequest {
	return serving.LoadRequest{Base: "test/base", Name: "support-v1", Dir: dir}
}

func TestLoad(t *testing.T) {
	t.Parallel()
	for _, old := range []bool{false, true} {
		s := servingtest.Start(t)
		s.Old = old
		server := serving.New(serving.Options{URL: s.URL + "/"})
		dir := adapter(t, nil)
		require.NoError(t, server.Load(t.Context(), request(dir)))
		require.Equal(t, map[string]string{"support-v1": dir}, s.Loaded())
		require.Equal(t, []string{"models", "load_lora_adapter", "models", "completions"}, s.Calls())

		require.NoError(t, server.Load(t.Context(), request(dir)), "again")
		require.Equal(t, []string{"models", "completions"}, s.Calls()[4:], "it is not loaded twice, but tested again")

		require.NoError(t, server.Unload(t.Context(), "support-v1"))
		require.Empty(t, s.Loaded())
		require.NoError(t, server.Unload(t.Context(), "support-v1"), "again")
	}
}

func TestLoadEmbedding(t *testing.T) {
	t.Parallel()
	s := servingtest.Start(t)
	s.Base, s.Root = "encoder", "org/encoder"
	r := request(adapter(t, nil))
	r.Base, r.Embedding = "org/encoder", true
	require.NoError(t, serving.New(serving.Options{URL: s.URL}).Load(t.Context(), r), "the base model by its root")
	require.Contains(t, s.Calls(), "embeddings")
	s.Next("embeddings", answertest.Status(http.StatusOK, `{"object":"list","model":"test/base","data":[]}`))
	require.Error(t, serving.New(serving.Options{URL: s.URL}).Load(t.Context(), r))
}

// TestReplace: a name is moved to another folder, and back if that one fails.
func TestReplace(t *testing.T) {
	t.Parallel()
	for _, old := range []bool{false, true} {
		s := servingtest.Start(t)
		s.Old = old
		server := serving.New(serving.Options{URL: s.URL})
		first, second, wide := adapter(t, nil), adapter(t, nil), adapter(t, map[string]any{"r": 64})
		require.NoError(t, server.Load(t.Context(), request(first)))
		require.NoError(t, server.Load(t.Context(), request(second)))
		require.Equal(t, second, s.Loaded()["support-v1"])

		require.ErrorContains(t, server.Load(t.Context(), request(wide)), "max-lora-rank")
		require.Equal(t, second, s.Loaded()["support-v1"], "after a refusal the name still refers to the former folder")

		s.Next("completions", answertest.Status(http.StatusInternalServerError, `{"error":{"message":"CUDA error"}}`))
		require.ErrorContains(t, server.Load(t.Context(), request(first)), "the first request fails")
		require.Equal(t, second, s.Loaded()["support-v1"], "after a failed test the name refers to the former folder again")
	}
}

// TestRefusedBeforeCall: adapters that vLLM would refuse are not sent.
func TestRefusedBeforeCall(t *testing.T) {
	t.Parallel()
	s := servingtest.Start(t)
	server := serving.New(serving.Options{URL: s.URL, MaxRank: 16})
	for says, changes := range map[string]map[string]any{
		"modules_to_save":        {"modules_to_save": []string{"lm_head"}},
		"DoRA":                   {"use_dora": true},
		"biases":                 {"bias": "all"},
		`"IA3"`:                  {"peft_type": "IA3"},
		"must be positive":       {"r": 0},
		"--max-lora-rank 64":     {"r": 64},
		"--max-lora-rank 32":     {"rank_pattern": map[string]int{"q_proj": 32}},
		"must be a whole number": {"r": "eight"},
	} {
		err := server.Load(t.Context(), request(adapter(t, changes)))
		require.Equal(t, fault.Input, fault.ClassOf(err), "%v", err)
		require.ErrorContains(t, err, says)
	}
	noWeights := adapter(t, nil)
	require.NoError(t, os.Remove(filepath.Join(noWeights, "adapter_model.safetensors")))
	long := adapter(t, map[string]any{"comment": strings.Repeat("x", 2<<20)})
	named := func(name string) serving.LoadRequest {
		r := request(adapter(t, nil))
		r.Name = name
		return r
	}
	elsewhere := named("x")
	elsewhere.ServerDir = "relative"
	for _, r := range []serving.LoadRequest{
		request(noWeights), request(long), request(t.TempDir()), request("relative"), elsewhere,
		named(""), named("a b"), named("test/base"),
	} {
		require.Equal(t, fault.Input, fault.ClassOf(server.Load(t.Context(), r)), "%+v", r)
	}
	require.Empty(t, s.Calls())
}

// TestRefusedByServer: errors of the server get advice, for the messages and codes of
// several versions.
func TestRefusedByServer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		set    func(s *servingtest.Server, r *serving.LoadRequest)
		says   string
		loaded int
	}{
		"fixed":         {func(s *servingtest.Server, _ *serving.LoadRequest) { s.Fixed = true }, "VLLM_ALLOW_RUNTIME_LORA_UPDATING=True", 0},
		"no LoRA":       {func(s *servingtest.Server, _ *serving.LoadRequest) { s.NoLoRA = true }, "--enable-lora", 0},
		"rank":          {func(s *servingtest.Server, _ *serving.LoadRequest) { s.MaxRank = 4 }, "rank 8 is greater than max_lora_rank 4", 0},
		"other disk":    {func(_ *servingtest.Server, r *serving.LoadRequest) { r.ServerDir = "/not/mounted" }, "mount the adapters there", 0},
		"other base":    {func(s *servingtest.Server, _ *serving.LoadRequest) { s.Base = "test/other" }, "it serves test/other", 0},
		"taken":         {func(s *servingtest.Server, _ *serving.LoadRequest) { s.Base, s.Root = "support-v1", "test/base" }, "has a model of this name", 0},
		"fails in test": {func(s *servingtest.Server, _ *serving.LoadRequest) { s.Unchecked, s.MaxRank = true, 4 }, "larger --max-lora-rank", 0},
		"not listed":    {func(s *servingtest.Server, _ *serving.LoadRequest) { s.OtherReplica = true }, "does not list it", 0},
		"other model":   {func(s *servingtest.Server, _ *serving.LoadRequest) { s.Next("completions", otherModel) }, `from model "test/base"`, 0},
		"loaded before, never answers": {func(s *servingtest.Server, r *serving.LoadRequest) {
			s.Put(r.Name, r.Dir)
			s.Next("completions", answertest.Status(http.StatusBadRequest, `{"error":{"message":"bad adapter"}}`))
		}, "bad adapter", 0},
		"loaded before, busy": {func(s *servingtest.Server, r *serving.LoadRequest) {
			s.Put(r.Name, r.Dir)
			s.Next("completions", answertest.Status(http.StatusServiceUnavailable, "{}"))
		}, "503", 1},
	} {
		for _, old := range []bool{false, true} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				s := servingtest.Start(t)
				s.Old = old
				r := request(adapter(t, nil))
				c.set(s, &r)
				err := serving.New(serving.Options{URL: s.URL}).Load(t.Context(), r)
				require.ErrorContains(t, err, c.says)
				require.Len(t, s.Loaded(), c.loaded)
				switch name {
				case "not listed", "other model": // another replica may have responded
					require.Equal(t, fault.Transport, fault.ClassOf(err), "%v", err)
				case "loaded before, busy":
					require.Equal(t, fault.Overload, fault.ClassOf(err), "%v", err)
				default:
					require.Equal(t, fault.Input, fault.ClassOf(err), "%v", err)
				}
			})
		}
	}
}

func otherModel(w http.ResponseWriter) {
	answertest.Status(http.StatusOK, `{"model":"test/base","choices":[{"text":"x"}],"usage":{"completion_tokens":1}}`)(w)
}

// TestFaults: the class of outages at each call; afterwards nothing is listed, and
// another attempt succeeds.
func TestFaults(t *testing.T) {
	t.Parallel()
	answers := map[string]struct {
		answer answertest.Answer
		class  fault.Class
	}{
		"reset":       {answertest.Reset, fault.Transport},
		"500":         {answertest.Status(http.StatusInternalServerError, "Internal Server Error"), fault.Transport},
		"502":         {answertest.Status(http.StatusBadGateway, "<html>"), fault.Transport},
		"busy":        {answertest.Status(http.StatusServiceUnavailable, "{}", "Retry-After", "7"), fault.Overload},
		"too many":    {answertest.Status(http.StatusTooManyRequests, "{}", "Retry-After", "7"), fault.Overload},
		"denied":      {answertest.Status(http.StatusUnauthorized, `{"error":"Unauthorized secret-key"}`), fault.Auth},
		"full":        {answertest.Status(http.StatusInsufficientStorage, "{}"), fault.Capacity},
		"bad request": {answertest.Status(http.StatusBadRequest, `{"detail":"what secret-key?"}`), fault.Input},
	}
	for _, route := range []string{"models", "load_lora_adapter", "completions"} {
		for name, c := range answers {
			t.Run(route+"/"+name, func(t *testing.T) {
				t.Parallel()
				s := servingtest.Start(t)
				s.Key = "secret-key"
				s.Next(route, c.answer)
				server := serving.New(serving.Options{URL: s.URL, Key: s.Key, KeyVariable: "VLLM_KEY"})
				r := request(adapter(t, nil))
				err := server.Load(t.Context(), r)
				require.Equal(t, c.class, fault.ClassOf(err), "%v", err)
				require.NotContains(t, err.Error(), s.Key)
				require.Empty(t, s.Loaded())
				switch c.class {
				case fault.Overload:
					require.Equal(t, 7*time.Second, fault.RetryAfter(err))
				case fault.Auth:
					require.ErrorContains(t, err, "VLLM_KEY")
				default:
				}
				require.NoError(t, server.Load(t.Context(), r))
			})
		}
	}
}

// TestUndoFails: the error reports it.
func TestUndoFails(t *testing.T) {
	t.Parallel()
	s := servingtest.Start(t)
	s.Next("completions", answertest.Status(http.StatusServiceUnavailable, "{}", "Retry-After", "3"))
	s.Next("unload_lora_adapter", answertest.Reset)
	err := serving.New(serving.Options{URL: s.URL}).Load(t.Context(), request(adapter(t, nil)))
	require.Equal(t, fault.Overload, fault.ClassOf(err))
	require.Equal(t, 3*time.Second, fault.RetryAfter(err))
	require.ErrorContains(t, err, "could not be unloaded again")
}

// TestKey: the key is required, and is sent to no other address.
func TestKey(t *testing.T) {
	t.Parallel()
	s := servingtest.Start(t)
	s.Key = "secret-key"
	err := serving.New(serving.Options{URL: s.URL, KeyVariable: "VLLM_KEY"}).Load(t.Context(), request(adapter(t, nil)))
	require.Equal(t, fault.Auth, fault.ClassOf(err))
	require.ErrorContains(t, err, "VLLM_KEY")
	require.Equal(t, fault.Auth, fault.ClassOf(serving.New(serving.Options{URL: s.URL, KeyVariable: "VLLM_KEY"}).Unload(t.Context(), "x")))

	var elsewhere atomic.Int64
	var other answertest.Site
	other.Serve(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	server := serving.New(serving.Options{URL: s.URL, Key: s.Key})
	for _, route := range []string{"models", "load_lora_adapter", "completions"} {
		s.Next(route, answertest.Status(http.StatusTemporaryRedirect, "", "Location", other.URL+"/v1/"+route))
		err := server.Load(t.Context(), request(adapter(t, nil)))
		require.Equal(t, fault.Input, fault.ClassOf(err), "%v", err)
	}
	require.Zero(t, elsewhere.Load())
}

// TestTimeAndCancel: a call has a deadline; a cancelled call is undone.
func TestTimeAndCancel(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	hang := func(w http.ResponseWriter) {
		_, _ = io.WriteString(w, "Succ")
		w.(http.Flusher).Flush()
		<-release
	}
	defer close(release)
	s := servingtest.Start(t)
	ctx, cancel := context.WithCancel(t.Context())
	s.Next("completions", func(http.ResponseWriter) {
		cancel()
		<-release
	})
	require.ErrorIs(t, serving.New(serving.Options{URL: s.URL}).Load(ctx, request(adapter(t, nil))), context.Canceled)
	require.Empty(t, s.Loaded())

	require.Equal(t, fault.Input, fault.ClassOf(serving.New(serving.Options{URL: "http://a b/v1"}).Unload(t.Context(), "x")))

	// The last part: on a slow machine the time is over in an earlier call, so the answer that hangs is left.
	s.Next("load_lora_adapter", hang)
	quick := serving.New(serving.Options{URL: s.URL, Timeout: 2 * time.Second})
	err := quick.Load(t.Context(), request(adapter(t, nil)))
	require.Equal(t, fault.Transport, fault.ClassOf(err))
	require.ErrorContains(t, err, "2s")
}
