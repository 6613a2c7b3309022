package training_test

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/training"
)

// TestEventCheck: what a trainer has no reason to send is refused on receipt.
func TestEventCheck(t *testing.T) {
	t.Parallel()
	nan := math.NaN()
	many := map[string]float64{}
	for i := range 300 {
		many[strings.Repeat("m", i+1)] = 1
	}
	finding := func(change func(f *training.Finding)) func(e *training.Event) {
		return func(e *training.Event) {
			f := training.Finding{File: training.FindingTrain, Severity: training.FindingError, Code: "c", Reason: "r", Count: 1, Rows: []int{1}}
			e.Findings = []training.Finding{f}
			require.NoError(t, e.Check())
			change(&e.Findings[0])
		}
	}
	for name, change := range map[string]func(e *training.Event){
		"finding of no file": finding(func(f *training.Finding) { f.File = "" }),
		"mild finding":       finding(func(f *training.Finding) { f.Severity = "info" }),
		"finding of row 0":   finding(func(f *training.Finding) { f.Rows[0] = 0 }),
		"many rows":          finding(func(f *training.Finding) { f.Rows = make([]int, 100) }),
		"negative count":     finding(func(f *training.Finding) { f.Count = -1 }),
		"long reason":        finding(func(f *training.Finding) { f.Reason = strings.Repeat("r", 5000) }),
		"many findings":      func(e *training.Event) { e.Findings = make([]training.Finding, 1000) },
		"no kind":            func(e *training.Event) { e.Event = "" },
		"no path":            func(e *training.Event) { e.Path = "" },
		"work_dir itself":    func(e *training.Event) { e.Path = "." },
		"absolute path":      func(e *training.Event) { e.Path = "/etc" },
		"path outside":       func(e *training.Event) { e.Path = "a/../../b" },
		"roundabout path":    func(e *training.Event) { e.Path = "a/../b" },
		"rows outside":       func(e *training.Event) { e.Rows = "../rows" },
		"long path":          func(e *training.Event) { e.Path = strings.Repeat("p", 5000) },
		"negative step":      func(e *training.Event) { e.Step = -1 },
		"nine digits":        func(e *training.Event) { e.Step = training.MaxSteps + 1 },
		"negative total":     func(e *training.Event) { e.Total = -1 },
		"negative best step": func(e *training.Event) { e.BestStep = -1 },
		"negative tokens":    func(e *training.Event) { e.Tokens = -1 },
		"all the tokens":     func(e *training.Event) { e.Tokens = math.MaxInt64 },
		"negative memory":    func(e *training.Event) { e.MemoryBytes = -1 },
		"negative rows":      func(e *training.Event) { e.Data = &training.DataStats{Rows: -1} },
		"negative speed":     func(e *training.Event) { e.TokensPerSecond = -1 },
		"infinite speed":     func(e *training.Event) { e.TokensPerSecond = math.Inf(1) },
		"negative epoch":     func(e *training.Event) { e.Epoch = -1 },
		"loss":               func(e *training.Event) { e.Loss = &nan },
		"metric":             func(e *training.Event) { e.Metrics = map[string]float64{"loss": math.Inf(-1)} },
		"many metrics":       func(e *training.Event) { e.Metrics = many },
		"long version":       func(e *training.Event) { e.Versions = map[string]string{"torch": strings.Repeat("1", 5000)} },
		"long device":        func(e *training.Event) { e.Device = strings.Repeat("d", 5000) },
		"long message":       func(e *training.Event) { e.Message = strings.Repeat("m", 5000) },
	} {
		e := training.Event{Event: training.EventCheckpoint, Path: "checkpoints/00000001", Step: 1, Total: 2, Tokens: 10, Epoch: 0.5}
		require.NoError(t, e.Check())
		change(&e)
		require.Error(t, e.Check(), name)
	}
	require.Error(t, training.Event{Event: training.EventData}.Check())
}
