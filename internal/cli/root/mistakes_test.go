package root

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/cli/clitest"
	"github.com/cogniverse/cogflow/internal/devstack"
)

// TestMistakes keeps the messages and exit codes for user mistakes in one golden file. Read
// the whole file after a change: each message should help the user.
func TestMistakes(t *testing.T) {
	t.Parallel()
	b := clitest.New(t, Run)
	b.Serve()
	dir := b.Dir
	b.WorkDir = dir
	_, err := devstack.Write(dir, devstack.Stack{Environment: map[string]string{"TEMPORAL_ADDRESS": b.Address()}}) // the worker runs on this machine
	require.NoError(t, err)
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o700))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return path
	}
	config := file("config.json", `{"cogflow": {"stor": "x", "profiles": {"p": {"sampling": {"strategy": "fsp"}}}}}`)
	rows := file("rows.jsonl", `{"prompt": "a"}`+"\n")
	program := file("program.json", `{"name": "p", "predictors": [{"name": "a", "inputs": [{"name": "q"}], "outputs": [{"name": "r"}]}]}`)
	train := file("train.jsonl", `{"q": "1", "r": "2"}`+"\n")
	clip := file("nested/deep/clip.mp4", "x")
	broken := file("broken.json", `{"name": `)
	var out strings.Builder
	for _, line := range []string{
		// Words and flags
		"fly", "ingst x", "videos shw", "ingest", "ingest a b", "ingest x --priorty 2", "ingest x --priority nine", "list --kind Ingest",
		"list --status odd", "list --limit -1", "train", "train sft", "train sfx", "optimize", "tune", "tune x", "adapters activate",
		// Values
		"ingest " + clip + " --tenant a/b", "ingest " + clip + " --priority 9", "ingest " + clip + " --budget -1", "ingest x --concurrency 0", "ingest x --concurrency 1000",
		"ingest " + clip + " --id " + strings.Repeat("i", 1001), "videos show abc", "programs canary p --share 101", "programs diff p@1 q@2 r@3",
		"search", "search x --rank best", "search x --limit 0", "adapters show support@x", "train sft --set lora",
		// Files and URIs
		"ingest " + dir + "/none", "ingest " + dir + "/nested", "ingest ftp://host/x", "config check --config " + config, "status --config " + config,
		"config show --config " + dir + "/none.json",
		"train check " + rows, "train check " + dir + "/none.jsonl", "train sft --dataset " + rows + " --base-model m --set learning_rate=fast",
		"train sft --dataset " + rows + " --base-model m --gpu a1000", "train sft --dataset " + rows + " --base-model m --timeout soon",
		"optimize --program " + broken + " --trainset " + train, "optimize --program " + program + " --trainset " + dir + "/none",
		"optimize --program " + program + " --trainset " + train + " --metric exact", "optimize --program " + program + " --trainset " + train + " --auto heavier",
		"optimize --program " + program + " --trainset " + train + " --set trials=3", "eval --queries " + broken,
		// What the command line can check itself
		"ingest " + clip + " --profile none", "search x --profile none", "health --gpu a1000",
		"train sft --dataset " + rows + " --base-model m --eval-dataset " + dir + "/none", "train sft --dataset " + rows + " --base-model m --gpu-wait soon",
		"optimize --program " + program + " --trainset " + train + " --metric exact=none", "optimize --program " + program + " --trainset " + train + " --metric shout=r",
		"optimize --program " + program + " --trainset " + train + " --mode best",
		// Ids
		"logs none", "logs x --level loud", "logs x --follow --json",
		"watch none", "status none", "cancel none", "pause none", "tune none --budget 2", "redrive none", "report none", "approve none",
		"status --address 127.0.0.1:1", "status --namespace none",
	} {
		code, stdout, stderr := b.Run(strings.Fields(line)...)
		assert.NotZero(t, code, line)
		text := strings.ReplaceAll(stdout+stderr, dir, "DIR")
		line = strings.ReplaceAll(strings.ReplaceAll(line, dir, "DIR"), strings.Repeat("i", 1001), "iii…")
		fmt.Fprintf(&out, "$ cogflow %s   → %d\n%s\n\n", line, code, strings.TrimSpace(strings.ReplaceAll(text, strings.Repeat("i", 1001), "iii…")))
	}
	clitest.Golden(t, "mistakes", out.String())
}
