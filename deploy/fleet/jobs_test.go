//go:build linux

package fleet

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/stretchr/testify/require"
)

const program = `{"name":"quiz","predictors":[{"name":"self","inputs":[{"name":"query"}],"outputs":[{"name":"answer"}]}]}`

// writeJobs writes the data set of a training and the program and examples of an optimization.
func (f *fleet) writeJobs() {
	f.t.Helper()
	var lesson, quiz strings.Builder
	for i := range 24 {
		fmt.Fprintf(&lesson, "{\"prompt\":\"How many lamps are in hall %d?\",\"completion\":\"There are %d lamps in hall %d.\"}\n", i, 3*i+1, i)
	}
	for i := range 60 {
		fmt.Fprintf(&quiz, "{\"query\":\"topic %d\",\"answer\":\"%d\"}\n", i, i%7)
	}
	for name, content := range map[string]string{"lesson.jsonl": lesson.String(), "quiz.json": program, "quiz.jsonl": quiz.String()} {
		require.NoError(f.t, os.WriteFile(filepath.Join(f.dir, "jobs", name), []byte(content), 0o644)) //nolint:gosec // test data
	}
}

// training and optimization are the commands of a job of each kind.
func training() []string {
	args := []string{"train", "sft", "--dataset", "/opt/jobs/lesson.jsonl", "--base-model", "tiny/llama", "--name", "lamps"}
	for _, set := range []string{"epochs=2", "min_rows=10", "max_seq_length=96", "batch_size=4", "gradient_accumulation_steps=1", "save_steps=2"} {
		args = append(args, "--set", set)
	}
	return args
}

func optimization() []string {
	args := []string{"optimize", "--program", "/opt/jobs/quiz.json", "--trainset", "/opt/jobs/quiz.jsonl", "--mode", "compat"}
	for _, set := range []string{"num_candidates=3", "num_trials=4", "minibatch_size=5", "minibatch_full_eval_steps=2"} {
		args = append(args, "--set", set)
	}
	return args
}

// trainingInput and optimizationInput are the inputs of jobs during faults.
func trainingInput() map[string]any {
	var rows []map[string]string
	for i := range 24 {
		rows = append(rows, map[string]string{
			"prompt": fmt.Sprintf("How many lamps are in hall %d?", i), "completion": fmt.Sprintf("There are %d lamps in hall %d.", 3*i+1, i),
		})
	}
	return map[string]any{
		"name": "lamps", "base_model": "tiny/llama", "dataset": map[string]any{"rows": rows},
		"sft_config": map[string]any{"epochs": 2, "min_rows": 10, "max_seq_length": 96, "batch_size": 4, "gradient_accumulation_steps": 1, "save_steps": 2},
	}
}

func optimizationInput() map[string]any {
	var rows []map[string]string
	for i := range 60 {
		rows = append(rows, map[string]string{"query": fmt.Sprint("topic ", i), "answer": strconv.Itoa(i % 7)})
	}
	return map[string]any{
		"program": json.RawMessage(program), "trainset": rows, "mode": "compat",
		"num_candidates": 3, "num_trials": 4, "minibatch_size": 5, "minibatch_full_eval_steps": 2, "auto": "none",
	}
}

// makeModel makes the base model, a tiny one with random weights, in the background. The function
// that it returns waits for it.
func (f *fleet) makeModel() (wait func()) {
	f.t.Helper()
	folder := filepath.Join(f.dir, "models", "tiny", "llama")
	cmd := exec.CommandContext(f.t.Context(), filepath.Join(f.file("trainer"), ".venv", "bin", "python"), "-m", "trainer.tiny", "llama", folder)
	cmd.Env = append(os.Environ(), "PYTHONPATH="+filepath.Join(f.file("trainer"), "src"))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	require.NoError(f.t, cmd.Start())
	return func() {
		f.t.Helper()
		require.NoError(f.t, cmd.Wait(), out.String())
		require.NoError(f.t, os.Chmod(filepath.Join(folder, "model.safetensors"), 0o644)) //nolint:gosec // random weights
	}
}
