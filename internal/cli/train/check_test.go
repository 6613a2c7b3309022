package train

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/clitest"
	"github.com/cogniverse/cogflow/training/dataset"
)

// checkRun runs `check` in a folder.
func checkRun(t *testing.T, dir string, args ...string) (code int, out, errors string) {
	t.Helper()
	var o, e bytes.Buffer
	root := &cobra.Command{Use: "cogflow"}
	for i, arg := range args {
		if slices.Contains([]string{".jsonl", ".csv", ".tsv", ".parquet"}, filepath.Ext(arg)) {
			args[i] = filepath.Join(dir, arg)
		}
	}
	a := &cli.App{Process: cli.Process{Args: append([]string{"check"}, args...), Getenv: func(string) string { return "" }, Out: &o, Err: &e}}
	root.AddCommand(app{a}.checkCommand())
	code = a.Run(t.Context(), root)
	return code, strings.ReplaceAll(o.String(), dir+"/", ""), strings.ReplaceAll(e.String(), dir+"/", "")
}

// datasets writes files of rows.
func datasets(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	var good strings.Builder
	for i := range 60 {
		fmt.Fprintf(&good, `{"messages": [{"role": "user", "content": "question %d"}, {"role": "assistant", "content": "%s"}], "id": %d}`+"\n", i, strings.Repeat("some words ", i*i/20+1), i)
	}
	write("good.jsonl", good.String())
	write("bad.jsonl", good.String()+good.String()[:120]+"\n"+`{"messages": [{"role": "user", "content": "\u001b[31mred"}]}`+"\n"+`{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": ""}]}`)
	write("eval.jsonl", `{"messages": [{"role": "user", "content": "Question 3"}, {"role": "assistant", "content": "no"}]}`)
	write("few.jsonl", `{"prompt": "a", "completion": "b"}`)
	return dir
}

func TestTrainCheckGolden(t *testing.T) {
	t.Parallel()
	dir := datasets(t)
	for name, c := range map[string]struct {
		args []string
		code int
	}{
		"traincheck_good":    {[]string{"good.jsonl", "--max-seq-length", "256"}, cli.ExitDone},
		"traincheck_bad":     {[]string{"bad.jsonl"}, cli.ExitFailed},
		"traincheck_allowed": {[]string{"bad.jsonl", "--allow-dropped", "0.05", "--eval", "eval.jsonl", "--method", "sft"}, cli.ExitDone},
		"traincheck_few":     {[]string{"few.jsonl"}, cli.ExitFailed},
	} {
		code, out, errors := checkRun(t, dir, c.args...)
		assert.Equal(t, c.code, code, errors)
		assert.Empty(t, errors)
		assert.NotContains(t, out, "\x1b", "the content of the file does not control the terminal")
		clitest.Golden(t, name, out)
	}
}

func TestTrainCheckJSON(t *testing.T) {
	t.Parallel()
	dir := datasets(t)
	code, out, _ := checkRun(t, dir, "good.jsonl", "--json")
	assert.Equal(t, cli.ExitDone, code)
	c := clitest.Decode[dataset.Check](t, out)
	assert.True(t, c.OK)
	assert.Equal(t, 54, c.TrainFile.Rows)
	code, out, errors := checkRun(t, dir, "bad.jsonl", "--json")
	assert.Equal(t, cli.ExitFailed, code, errors)
	c = clitest.Decode[dataset.Check](t, out)
	assert.False(t, c.OK)
	assert.Equal(t, 3, c.Errors)
	assert.Equal(t, 62, c.Problems[0].Line)
}

func TestTrainCheckRefuses(t *testing.T) {
	t.Parallel()
	dir := datasets(t)
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{nil, cli.ExitUsage, "FILE is required"},
		{[]string{"good.jsonl", "--method", "ppo"}, cli.ExitUsage, "--method must be"},
		{[]string{"good.jsonl", "--format", "csv"}, cli.ExitUsage, "--format must be"},
		{[]string{"good.jsonl", "--allow-dropped", "-1"}, cli.ExitUsage, "--allow-dropped must be"},
		{[]string{"good.jsonl", "--allow-dropped", "1.5"}, cli.ExitUsage, "--allow-dropped must be"},
		{[]string{"good.jsonl", "--max-seq-length", "-1"}, cli.ExitUsage, "--max-seq-length must be"},
		{[]string{"gone.jsonl"}, cli.ExitFailed, "no such file"},
		{[]string{"good.jsonl", "--eval", "gone.jsonl"}, cli.ExitFailed, "no such file"},
		{[]string{dir}, cli.ExitFailed, "it is a directory"},
	} {
		code, _, errors := checkRun(t, dir, c.args...)
		assert.Equal(t, c.code, code, errors)
		assert.Contains(t, errors, c.want)
	}
}
