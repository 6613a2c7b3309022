package main

import (
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/internal/lm/lmtest"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/ingest"
	"github.com/cogniverse/cogflow/workflows/optimize"
)

// keyOf names the variable that a pool requires with the configuration keyed.
var keyOf = map[string]string{
	workflows.StemDescribe: "DESCRIBE_KEY", workflows.StemEmbed: "EMBED_KEY", workflows.StemTranscribe: "TRANSCRIBE_KEY",
}

// subsets lists each pool alone, all pools except one, each pair of pools, and all pools.
func subsets() (out [][]string) {
	all := poolNames()
	for i, one := range all {
		out = append(out, []string{one}, slices.Delete(slices.Clone(all), i, i+1))
		for _, other := range all[i+1:] {
			out = append(out, []string{one, other})
		}
	}
	return append(out, all)
}

// TestSubsetsOfPools: a worker has the dependencies of its pools, requires only the keys of
// their endpoints, and opens no file of other pools.
func TestSubsetsOfPools(t *testing.T) {
	t.Parallel()
	for _, names := range subsets() {
		t.Run(strings.Join(names, ","), func(t *testing.T) {
			t.Parallel()
			w := newTestEnv(t)
			w.file(t, keyed)
			w.env["COGFLOW_TESSERACT"] = "none"
			for _, name := range names {
				if key := keyOf[name]; key != "" {
					w.env[key] = "secret"
				}
			}
			h, err := w.start(t, "cpu", names...)
			require.NoError(t, err)
			serves := func(pools ...string) bool {
				return slices.ContainsFunc(names, func(n string) bool { return slices.Contains(pools, n) })
			}
			a := h.ingest
			require.NotNil(t, a.Store)
			require.Equal(t, serves("index"), a.Index != nil)
			require.Equal(t, serves("media"), a.Media != nil)
			require.Equal(t, serves("media"), a.Sources != nil)
			require.Equal(t, serves("train"), h.train.Trainer != nil)
			require.Equal(t, serves("cogflow"), h.adapters.Serving != nil)
			require.Equal(t, len(names) > 1 || names[0] != "index", a.Ledger != nil, "only the pool index makes no paid calls")
			for path, used := range map[string]bool{"index.db": serves("index"), "ledger.db": a.Ledger != nil, "tmp": serves("media", "train")} {
				_, err := os.Stat(filepath.Join(w.dir, path))
				require.Equal(t, used, err == nil, path)
			}
			if serves("describe") {
				delete(w.env, "DESCRIBE_KEY")
				_, err = w.start(t, "cpu", names...)
				require.ErrorContains(t, err, "DESCRIBE_KEY")
			}
		})
	}
}

// askPools is a workflow of the test: it runs Health once on each queue.
func askPools(ctx workflow.Context, queues []string) (failed []string, err error) {
	for _, queue := range queues {
		ctx := workflow.WithActivityOptions(ctx, workflow.ActivityOptions{TaskQueue: queue, StartToCloseTimeout: time.Minute})
		var one activities.HealthResult
		if err := workflow.ExecuteActivity(ctx, "Health", activities.HealthInput{}).Get(ctx, &one); err != nil {
			return failed, err
		}
		for _, c := range one.Checks {
			if c.Status == statusFail {
				failed = append(failed, queue+": "+c.Part+": "+c.Detail)
			}
		}
	}
	return failed, nil
}

// TestEachPoolMissing: a worker with all pools except one starts and serves each of its queues.
func TestEachPoolMissing(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	quiet := log.NewStructuredLogger(slog.New(slog.DiscardHandler))
	c, err := client.DialContext(t.Context(), client.Options{HostPort: s.server.Address(), Logger: quiet})
	require.NoError(t, err)
	t.Cleanup(c.Close)
	own := worker.New(c, "test", worker.Options{})
	own.RegisterWorkflow(askPools)
	require.NoError(t, own.Start())
	t.Cleanup(own.Stop)
	for _, missing := range poolNames() {
		var names, queues []string
		for _, p := range pools() {
			if p.name != missing {
				names, queues = append(names, p.name), append(queues, p.queue("cpu"))
			}
		}
		w := s.worker([]string{"--pools", strings.Join(names, ",")})
		run, err := s.client.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "without-" + missing, TaskQueue: "test"}, askPools, queues)
		require.NoError(t, err)
		require.Empty(t, await[[]string](s, run, soon), missing)
		w.kill()
	}
}

// TestEachPoolAlone: eight processes serve one pool each, with only the keys of their
// endpoints. A video is ingested, then a program is optimized.
func TestEachPoolAlone(t *testing.T) {
	t.Parallel()
	dir := colourClip(t)
	s := newStack(t, nil)
	models := startServices(t)
	language := lmtest.Start(t)
	language.Models, language.Say, language.Key = []string{"student", "teacher"}, answerTopics, "secret-of-PROMPT_KEY"
	path, env := models.redirect(t, "../examples/configs/all-remote.json", s.dir)
	addOptimize(t, path, language.URL+"/v1")
	models.deploy(t, path)
	keys := map[string]string{"embed": "EMBED_API_KEY", "transcribe": "ASR_API_KEY"}
	for _, name := range poolNames() {
		own := []string{"COGNIVERSE_CONFIG=" + path}
		for _, variable := range env {
			key, _, _ := strings.Cut(variable, "=")
			if !strings.HasSuffix(key, "_KEY") || keys[name] == key {
				own = append(own, variable)
			}
		}
		if name == workflows.QueueLM {
			own = append(own, "PROMPT_KEY=secret-of-PROMPT_KEY")
		}
		s.worker([]string{"--pools", name}, own...)
	}
	run, err := s.client.ExecuteWorkflow(t.Context(), startOptions("library"), "IngestLibrary",
		ingest.LibraryInput{Source: dir, Profile: faultProfile})
	require.NoError(t, err)
	out := await[ingest.LibraryResult](s, run, 4*time.Minute)
	require.Empty(t, out.Failures)
	require.Equal(t, 1, out.Indexed)
	found, err := execute[ingest.SearchResult](s, "search", "SearchVideos",
		ingest.SearchInput{Query: "lanterns", Profile: faultProfile, Rank: "hybrid", Limit: 100})
	require.NoError(t, err)
	require.NotEmpty(t, found.Hits)

	run, err = s.client.ExecuteWorkflow(t.Context(), startOptions("quiz"), "OptimizePrompts", topicInput("improved"))
	require.NoError(t, err)
	require.NotZero(t, await[optimize.Result](s, run, 4*time.Minute).Calls)
}

// addOptimize adds an endpoint for language models, which has its own key, to a configuration.
func addOptimize(t *testing.T, path, url string) {
	t.Helper()
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	var c map[string]any
	require.NoError(t, json.Unmarshal(data, &c))
	ours := c["cogflow"].(map[string]any)
	ours["endpoints"].(map[string]any)["language"] = map[string]any{
		"kind": "openai", "url": url, "models": []string{"student", "teacher"}, "api_key_env": "PROMPT_KEY",
	}
	ours["optimize"] = map[string]any{"student": "student", "teacher": "teacher"}
	data, err = json.Marshal(c)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, data, 0o600))
}
