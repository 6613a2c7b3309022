package root

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/cli/clitest"
)

// completed returns the offered completions without their descriptions.
func completed(b *clitest.Bench, args ...string) (words []string, notes string) {
	_, out, notes := b.Run(append([]string{"__complete"}, args...)...)
	for line := range strings.Lines(out) {
		if word, _, _ := strings.Cut(strings.TrimSpace(line), "\t"); word != "" && word[0] != ':' {
			words = append(words, word)
		}
	}
	return words, notes
}

// TestCompletion: completions come from the command line, the configuration or a worker.
func TestCompletion(t *testing.T) {
	t.Parallel()
	b := clitest.New(t, Run)
	b.Serve()
	file := filepath.Join(b.Dir, "config.json")
	require.NoError(t, os.WriteFile(file, []byte(`{"cogflow": {
		"profiles": {"mine": {"sampling": {"strategy": "fps", "fps": 1}}},
		"training": {"models": {"tiny": {"path": "/models/tiny"}}}}}`), 0o600))
	for line, want := range map[string][]string{
		"list --kind ":                              {"IngestLibrary", "TrainSFT", "OptimizePrompts"},
		"list --status ":                            {"running", "timed-out"},
		"search x --rank ":                          {"hybrid", "bm25", "vector"},
		"eval --rank bm25,":                         {"bm25,hybrid", "bm25,vector"},
		"train sft --gpu ":                          {"cpu", "l40s", "h100"},
		"train sft --gpu a10g,":                     {"a10g,cpu", "a10g,h100"},
		"health --gpu ":                             {"l40s"},
		"train check rows.jsonl --method ":          {"sft", "dpo", "embedding", "auto"},
		"optimize --auto ":                          {"light", "medium", "heavy", "none"},
		"optimize --mode ":                          {"compat", "improved"},
		"ingest x --profile ":                       {"local_preview"},
		"ingest x --config " + file + " --profile ": {"local_preview", "mine"},
		"adapters list ":                            {"support"},
		"adapters show ":                            {"support@3", "support@2"},
		"adapters deactivate ":                      {"support"},
		"programs show ":                            {"agentic-router@4", "agentic-router@3"},
		"programs rollback ":                        {"agentic-router"},
		"programs diff agentic-router@4 ":           {"agentic-router@3"},
	} {
		b.UntilPrints(append([]string{"__complete"}, strings.Split(line, " ")...), want...)
	}
	words, _ := completed(b, "train", "sft", "--gpu", "a10g,")
	assert.NotContains(t, words, "a10g,a10g", "already in the list")
	words, _ = completed(b, "adapters", "show", "support@3", "")
	assert.Empty(t, words, "the command has one argument")
}

// TestCompletionOffline: without a server there are no completions and no messages.
func TestCompletionOffline(t *testing.T) {
	t.Parallel()
	b := clitest.Offline(t, Run)
	for _, line := range []string{"adapters show", "programs show", "watch"} {
		words, notes := completed(b, append(strings.Split(line, " "), "--address", "127.0.0.1:1", "")...)
		assert.Empty(t, words, line)
		assert.NotContains(t, notes, "no Temporal server", line)
	}
}
