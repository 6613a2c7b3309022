package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/workflows/ingest"
)

// TestPlacement: a rule sends a library with several videos to another GPU class, as its dry
// run says. The decision is in the history, and a single video stays where it was.
func TestPlacement(t *testing.T) {
	t.Parallel()
	dir := small(t, 2, 3)
	s := newSmallStack(t, nil)
	var file map[string]map[string]any
	require.NoError(t, json.Unmarshal([]byte(smallProfile), &file))
	file["cogflow"]["placement"] = json.RawMessage(`{"rules": [
		{"name": "other", "when": {"tenants": ["acme"]}, "use": {"describe_gpu": ["h100"]}},
		{"name": "absent", "when": {"workers_of": ["t4"]}, "use": {"describe_gpu": ["t4"]}},
		{"name": "many", "when": {"min_videos": 2, "workers_of": ["l40s"]}, "use": {"describe_gpu": ["L40S"], "embed_gpu": ["l40s", "cpu"]}}]}`)
	text, err := json.Marshal(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(s.dir, "config.json"), text, 0o600))
	s.worker(nil)
	s.worker([]string{"--pools", "describe,embed", "--gpu", "l40s"})
	s.awaitPollers("describe-l40s", 1)

	code, out := s.cogflow()("ingest", dir, "--dry-run")
	require.Zero(t, code)
	require.Contains(t, out, "Placement: many: describe l40s; embed l40s, cpu\n  not other: not for the tenant default\n  not absent: no worker of the class t4\n")
	result := s.begin("library", ingest.LibraryInput{Source: dir}).wait(t)
	require.Equal(t, 2, result.Indexed)
	queues := s.usedQueues("library/000001")
	require.Subset(t, queues, []string{"describe-l40s", "embed-l40s"})
	require.NotContains(t, queues, "describe-cpu")

	_, err = execute[ingest.VideoResult](s, "video", "IngestVideo", ingest.VideoInput{URI: filepath.Join(dir, "small-0.mp4"), Force: true})
	require.NoError(t, err)
	require.NotContains(t, s.usedQueues("video"), "describe-l40s")
	code, out = s.cogflow()("ingest", filepath.Join(dir, "small-0.mp4"), "--dry-run")
	require.Zero(t, code)
	require.Contains(t, out, "Placement: no rule holds\n")
	require.Contains(t, out, "not many: 1 video, fewer than 2\n")
}

// usedQueues are the task queues of all activities of a run.
func (s *stack) usedQueues(id string) (queues []string) {
	s.t.Helper()
	for _, event := range s.history(id, "") {
		if a := event.GetActivityTaskScheduledEventAttributes(); a != nil {
			queues = append(queues, a.GetTaskQueue().GetName())
		}
	}
	return queues
}
