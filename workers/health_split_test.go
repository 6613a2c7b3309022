package main

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/lm/lmtest"
	"github.com/cogniverse/cogflow/internal/vlm/vlmtest"
)

// TestHealthOfSplitPools: a worker does not check an endpoint that its pools do not call, so the
// worker of the pool lm is well without the key of the endpoint that describes frames, and the
// worker of the pool describe without that of the language models.
func TestHealthOfSplitPools(t *testing.T) {
	t.Parallel()
	s, lms, vlm := newStack(t, nil), lmtest.Start(t), vlmtest.Start(t)
	lms.Models = []string{"student", "teacher"}
	file := filepath.Join(s.dir, "config.json")
	require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, `{"cogflow": {
		"endpoints": {
			"captions": {"kind": "openai", "url": %q, "models": ["test/vlm"], "api_key_env": "DESCRIBE_KEY", "input_usd_per_mtok": 1, "output_usd_per_mtok": 1},
			"lms": {"kind": "openai", "url": %q, "models": ["student", "teacher"], "api_key_env": "LM_KEY", "input_usd_per_mtok": 1, "output_usd_per_mtok": 1}},
		"optimize": {"student": {"model": "student"}, "teacher": {"model": "teacher"}},
		"profiles": {"captions": {"describe": {"model": "test/vlm"}}}}}`, vlm.URL+"/v1", lms.URL+"/v1"), 0o600))
	s.env = []string{"COGNIVERSE_CONFIG=" + file}
	s.worker([]string{"--pools", "cogflow,media,describe,embed,transcribe,index"}, "DESCRIBE_KEY=of-describe")
	s.worker([]string{"--pools", "lm"}, "LM_KEY=of-lm")
	for _, ask := range []bool{false, true} {
		parts := map[string]string{}
		for _, c := range s.health(ask, answered) {
			require.NotEqual(t, statusFail, c.Status, "%+v", c)
			parts[c.Part] = c.Status
		}
		require.Equal(t, statusOK, parts["endpoint captions"])
		require.Equal(t, statusOK, parts["endpoint lms"])
	}
	require.Len(t, lms.Calls(), 2, "each model of the optimization is asked once")
}
