package workflows

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
)

func TestInputIsChecked(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"unknown field":    `{"source":"x","sauce":1}`,
		"no source":        `{}`,
		"wrong type":       `{"source":1}`,
		"not an object":    `"x"`,
		"null":             `null`,
		"bad tenant":       `{"source":"x","tenant":"../x"}`,
		"bad priority":     `{"source":"x","priority":9}`,
		"bad concurrency":  `{"source":"x","concurrency":1000}`,
		"negative budget":  `{"source":"x","budget_usd":-1}`,
		"negative maximum": `{"source":"x","max_videos":-1}`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var in IngestLibraryInput
			require.NoError(t, json.Unmarshal([]byte(text), &in), "the workflow reports it, with a class")
			require.Equal(t, fault.Input, fault.ClassOf(problemOf(&in)))
		})
	}
}

func TestInputDefaults(t *testing.T) {
	t.Parallel()
	var in IngestLibraryInput
	require.NoError(t, json.Unmarshal([]byte(`{"source":"x"}`), &in))
	require.NoError(t, problemOf(&in))
	require.Equal(t, 4, in.Concurrency)
	require.Equal(t, "default", in.Tenant)
	require.Equal(t, 3, in.Priority)
}

// problemOf is what a new run finds wrong with its input.
func problemOf(in *IngestLibraryInput) error {
	if in.received.invalid != nil {
		return in.received.invalid
	}
	return in.check(nil)
}

func FuzzInput(f *testing.F) {
	f.Add([]byte(`{"source":"x"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var in IngestLibraryInput
		if json.Unmarshal(data, &in) == nil && problemOf(&in) == nil && in.Source == "" {
			t.Fatal("an input without a source passed")
		}
	})
}
