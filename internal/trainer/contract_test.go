package trainer

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/training"
)

// TestContract decodes the samples of jobs and events that the trainer's own tests use
// too. Decoding is strict, and encoding gives the same document.
func TestContract(t *testing.T) {
	t.Parallel()
	jobs := samples(t, "*.json")
	events := samples(t, "*.jsonl")
	for name, text := range jobs {
		requireSame[training.Job](t, name, text)
	}
	var kinds []string
	for name, text := range events {
		for line := range bytes.Lines(text) {
			requireSame[training.Event](t, name, line)
			e, err := decode(line)
			require.NoError(t, err, "%s: %s", name, line)
			kinds = append(kinds, e.Event)
		}
	}
	for _, kind := range []string{
		training.EventPhase, training.EventDevice, training.EventData, training.EventFindings, training.EventStep, training.EventEval,
		training.EventCheckpoint, training.EventDone, training.EventError,
	} {
		require.True(t, slices.Contains(kinds, kind), "no sample of %s", kind)
	}
}

func samples(t *testing.T, pattern string) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("..", "..", "trainer", "testdata", pattern))
	require.NoError(t, err)
	require.NotEmpty(t, paths, "no samples found")
	all := map[string][]byte{}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		all[filepath.Base(path)] = text
	}
	return all
}

// requireSame decodes text into a T that knows all of its fields, and encodes it
// again. Both sides treat absent, null and zero values alike.
func requireSame[T any](t *testing.T, name string, text []byte) {
	t.Helper()
	var document T
	strict := json.NewDecoder(bytes.NewReader(text))
	strict.DisallowUnknownFields()
	require.NoError(t, strict.Decode(&document), "%s: %s", name, text)
	again, err := json.Marshal(document)
	require.NoError(t, err)
	require.Equal(t, values(t, text), values(t, again), "%s: %s", name, text)
}

func values(t *testing.T, text []byte) any {
	t.Helper()
	var v any
	require.NoError(t, json.Unmarshal(text, &v))
	return withoutZeros(v)
}

func withoutZeros(v any) any {
	object, ok := v.(map[string]any)
	if !ok {
		return v
	}
	for key, value := range object {
		switch value := withoutZeros(value).(type) {
		case nil:
			delete(object, key)
		case string, float64, bool:
			if value == "" || value == 0.0 || value == false {
				delete(object, key)
			}
		case map[string]any:
			if len(value) == 0 {
				delete(object, key)
			}
		}
	}
	return object
}
