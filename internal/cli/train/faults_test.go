package train

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/clitest"
	"github.com/cogniverse/cogflow/training/dataset"
	"github.com/cogniverse/cogflow/training/dataset/faultytest"
)

// TestFaultyDatasets: the table of what every fault of a dataset gets. A start gives the same
// verdicts (activities/train).
func TestFaultyDatasets(t *testing.T) {
	t.Parallel()
	require.GreaterOrEqual(t, len(faultytest.Datasets()), 30)
	var table strings.Builder
	group := ""
	for _, d := range faultytest.Datasets() {
		dir := t.TempDir()
		args := []string{d.FileName, "--method", string(d.Method), "--max-seq-length", fmt.Sprint(d.MaxSeqLength), "--json"}
		require.NoError(t, os.WriteFile(filepath.Join(dir, d.FileName), []byte(d.File), 0o600))
		if d.Eval != "" {
			require.NoError(t, os.WriteFile(filepath.Join(dir, "e.jsonl"), []byte(d.Eval), 0o600))
			args = append(args, "--eval", "e.jsonl")
		}
		code, out, errors := checkRun(t, dir, args...)
		require.Empty(t, errors, d.Name)
		c := clitest.Decode[dataset.Check](t, out)
		assert.Equal(t, c.OK, code == cli.ExitDone, d.Name)
		if d.Group != group {
			group = d.Group
			table.WriteString("\n# " + group + "\n")
		}
		fmt.Fprintf(&table, "%s: %s\n", d.Name, faultytest.Verdict(c))
		for _, p := range c.Problems {
			fmt.Fprintf(&table, "    %s %s: %s: %s\n", p.Severity, p.Code, p.File, p)
		}
	}
	clitest.Golden(t, "faults", strings.TrimSpace(table.String())+"\n")
}
