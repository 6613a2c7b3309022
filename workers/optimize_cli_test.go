package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities/registry"
	"github.com/cogniverse/cogflow/internal/lm/lmtest"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/workflows"
	optimizeflow "github.com/cogniverse/cogflow/workflows/optimize"
)

var routed = regexp.MustCompile(`(film|page) (\d+), (listed|in short|in full)`)

// decided is the expected answer for a query of routes.
func decided(kind, how string) string {
	modality := map[string]string{"film": "video", "page": "text"}[kind]
	text := map[string]string{"listed": "raw_results", "in short": "summary", "in full": "detailed_report"}[how]
	return fmt.Sprintf(`{"search_modality": %q, "generation_type": %q}`, modality, text)
}

// routes are labelled queries for Cogniverse's AgenticRouter.
func routes(rows int) string {
	var b strings.Builder
	for i := range rows {
		kind, how := []string{"film", "page"}[i%2], []string{"listed", "in short", "in full"}[i/2%3]
		fmt.Fprintf(&b, `{"conversation_history": "", "user_query": "%s %d, %s", "routing_decision": %s}`+"\n", kind, i, how, decided(kind, how))
	}
	return b.String()
}

// route answers calls of the router like answerTopics: the teacher is always correct, and a
// rule with a higher number improves the student more.
func route(c lmtest.Call) lmtest.Reply {
	last := c.Question()
	if !strings.Contains(last[max(0, strings.LastIndex(last, "Respond with")):], "routing_decision") {
		return answerTopics(c)
	}
	decision := `{"search_modality": "text", "generation_type": "summary"}`
	if all := routed.FindAllStringSubmatch(last, -1); len(all) > 0 {
		asked, skill := all[len(all)-1], uint64(30)
		if rule := lmtest.RuleGiven.FindStringSubmatch(c.Messages[0].Content); rule != nil {
			n, _ := strconv.Atoi(rule[1])
			skill += uint64(7 * n)
		}
		if c.Model == "teacher" || lmtest.Hash(asked[2])%100 < skill {
			decision = decided(asked[1], asked[3])
		}
	}
	return lmtest.Reply{Text: "[[ ## routing_decision ## ]]\n" + decision + "\n\n[[ ## completed ## ]]\n"}
}

// TestOptimizeCLI follows docs/how-to/migration.md: it optimizes the router with its metric
// and settings, uses the result, and starts a canary of the next version.
func TestOptimizeCLI(t *testing.T) {
	t.Parallel()
	c := newLMStack(t)
	c.lm.Say = route
	config, err := json.Marshal(map[string]any{"llm_config": map[string]any{
		"primary": map[string]any{"model": "hosted_vllm/student", "api_base": c.lm.URL + "/v1", "temperature": 0.3, "max_tokens": 200},
		"teacher": map[string]any{"model": "hosted_vllm/teacher", "api_base": c.lm.URL + "/v1"},
	}})
	require.NoError(t, err)
	file := filepath.Join(c.dir, "cogniverse.json")
	require.NoError(t, os.WriteFile(file, config, 0o600))
	c.env = []string{"COGNIVERSE_CONFIG=" + file}
	c.worker(nil)
	cogflow := c.commandLine()
	done := func(args ...string) string {
		t.Helper()
		p := cogflow(args...)
		require.Zero(t, p.code, p.stderr)
		return p.stdout
	}
	queries := filepath.Join(c.dir, "queries.jsonl")
	require.NoError(t, os.WriteFile(queries, []byte(routes(120)), 0o600))
	programs, err := filepath.Abs("../examples/programs")
	require.NoError(t, err)
	optimize := func(more ...string) []string {
		return append([]string{
			"optimize", "--program", filepath.Join(programs, "agentic-router.json"), "--trainset", queries,
			"--metric", "exact=routing_decision.search_modality", "--metric", "exact=routing_decision.generation_type",
		}, more...)
	}
	settings := []string{
		"--set", "num_candidates=10", "--set", "num_trials=20", "--set", "minibatch_size=4",
		"--set", "minibatch_full_eval_steps=10", "--set", "init_temperature=0.7",
	}

	c.awaitPollers(workflows.QueueMain, 1)
	c.awaitPollers("lm", 1)
	healthy := regexp.MustCompile(`ok +endpoint llm_config.primary +hosted_vllm/student, hosted_vllm/teacher`)
	c.poll(func() bool { return healthy.MatchString(cogflow("health").stdout) })
	text := done(optimize(append(settings, "--dry-run")...)...)
	require.Contains(t, text, "if a call of hosted_vllm/student takes 2.0 s (assumed), 16 concurrently; of hosted_vllm/teacher takes")
	require.Contains(t, text, "Cost: unknown")
	require.Empty(t, c.lm.Calls())
	modality := filepath.Join(c.dir, "modality.jsonl")
	require.NoError(t, os.WriteFile(modality, []byte(strings.Repeat(
		`{"query": "q", "modality": "video", "query_features": {}, "recommended_agent": "video_search", "confidence": 0.9, "reasoning": "r"}`+"\n", 20)), 0o600))
	done("optimize", "--program", filepath.Join(programs, "modality-routing.json"), "--trainset", modality, "--dry-run")

	first := decode[optimizeflow.Result](t, done(optimize(append(settings, "--json")...)...))
	require.True(t, first.Promoted, first)
	second := decode[optimizeflow.Result](t, done(optimize("--mode", "compat", "--auto", "light", "--json")...))
	require.Equal(t, 2, second.Version)

	role := func(args ...string) training.Role {
		t.Helper()
		return decode[training.Role](t, done(append([]string{"programs"}, append(args, "--json")...)...))
	}
	require.Equal(t, 1, role("promote", "agentic-router@1", "--force").Active.Version)
	require.Equal(t, 10, role("canary", "agentic-router@2", "--share", "10", "--force").Canary.Share)
	require.Regexp(t, `agentic-router@2 +canary, 10 %`, done("programs", "list"))
	got := map[int]int{}
	for i := range 12 {
		key := fmt.Sprint("session-", i)
		shown := decode[registry.ProgramDetail](t, done("programs", "show", "agentic-router", "--key", key, "--json"))
		require.Equal(t, shown.Canary.Takes(key), shown.Version == 2)
		got[shown.Version]++
	}
	require.Equal(t, map[int]int{1: 11, 2: 1}, got, "only session-7 gets the canary")
	done("programs", "diff", "agentic-router@1", "@2")
	to := filepath.Join(c.dir, "router")
	done("programs", "export", "agentic-router", "--to", to)
	require.FileExists(t, filepath.Join(to, "canary", "state.json"))
	require.FileExists(t, filepath.Join(to, "artefact_state.json"))
	require.Contains(t, done("programs", "export", "agentic-router", "--to", to+"-7", "--key", "session-7"), "agentic-router@2, 3 files")
	require.Nil(t, role("canary", "agentic-router", "--off").Canary)
	require.Equal(t, 20, role("canary", "agentic-router@2", "--share", "20", "--force").Canary.Share)
	now := role("promote", "agentic-router@2", "--force")
	require.Equal(t, 2, now.Active.Version)
	require.Nil(t, now.Canary)
	require.Equal(t, 1, role("rollback", "agentic-router").Active.Version)
	p := cogflow("programs", "canary", "agentic-router@1", "--share", "5", "--force")
	require.Equal(t, 1, p.code)
	require.Contains(t, p.stderr, "it is the active version")

	example, err := filepath.Abs("../examples/optimize.json")
	require.NoError(t, err)
	c.temporalCLI("schedule", "create", "--schedule-id", "weekly", "--cron", "0 3 * * 0", "--overlap-policy", "Skip", "--workflow-id", "weekly",
		"--task-queue", "cogflow", "--type", "OptimizePrompts", "--input-file", example)
	c.temporalCLI("schedule", "trigger", "--schedule-id", "weekly")
	const scheduled = `TemporalScheduledById = "weekly" AND CogStage = "done"`
	require.Eventually(t, func() bool { return len(c.listed(scheduled)) == 1 }, soon, 200*time.Millisecond)
}
