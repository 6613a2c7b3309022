package train

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/activitytest"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/training/dataset"
	"github.com/cogniverse/cogflow/training/dataset/faultytest"
)

// TestFaultyDatasets: a start gives every fault of a dataset the verdict and the problems that
// `cogflow train check` shows: the table is its golden file.
func TestFaultyDatasets(t *testing.T) {
	t.Parallel()
	table, err := os.ReadFile(filepath.Join("..", "..", "internal", "cli", "train", "testdata", "faults.txt"))
	require.NoError(t, err)
	for _, d := range faultytest.Datasets() {
		t.Run(d.Name, func(t *testing.T) {
			t.Parallel()
			verdict, problems := listed(t, string(table), d.Name)
			j := newTrained(t)
			in := PrepareInput{Tenant: "default", Method: d.Method, Train: j.upload(d.File, d.FileName), MaxSeqLength: d.MaxSeqLength, Seed: 42}
			if d.Eval != "" {
				eval := j.upload(d.Eval, "e.jsonl")
				in.Eval = &eval
			}
			check, err := activitytest.Run(t, j.a.PrepareDataset, in)
			if err == nil {
				require.Equal(t, verdict, faultytest.Verdict(check))
				var all []string
				for _, p := range check.Problems {
					all = append(all, fmt.Sprintf("%s %s: %s: %s", p.Severity, p.Code, p.File, p))
				}
				require.Equal(t, problems, all)
				return
			}
			require.Equal(t, "refused", verdict, "%v", err)
			require.Equal(t, fault.Input, activitytest.ClassOf(err))
			for _, p := range problems {
				if severity, text, _ := strings.Cut(p, " "); severity == string(dataset.SeverityError) {
					_, text, _ = strings.Cut(text, ": ") // the code
					_, text, _ = strings.Cut(text, ": ") // the file
					assert.ErrorContains(t, err, text)
				}
			}
		})
	}
}

// listed finds the verdict and the problems of a dataset in the table.
func listed(t *testing.T, table, name string) (verdict string, problems []string) {
	t.Helper()
	_, rest, found := strings.Cut(table, "\n"+name+": ")
	require.True(t, found, "not in the table: %s", name)
	verdict, rest, _ = strings.Cut(rest, "\n")
	for line := range strings.Lines(rest) {
		problem, indented := strings.CutPrefix(line, "    ")
		if !indented {
			break
		}
		problems = append(problems, strings.TrimSuffix(problem, "\n"))
	}
	return verdict, problems
}

func (j *trained) upload(file, name string) activities.Dataset {
	j.t.Helper()
	id := hashOf([]byte(file))
	_, err := j.store.Put(j.t.Context(), training.UploadKey("default", id), bytes.NewReader([]byte(file)))
	require.NoError(j.t, err)
	return activities.Dataset{URI: activities.UploadScheme + id, Name: name}
}
