package main

import (
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/api/taskqueue/v1"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/cogniverse/cogflow/internal/blob"
	"github.com/cogniverse/cogflow/internal/clips"
	"github.com/cogniverse/cogflow/internal/preview"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows/frames"
	"github.com/cogniverse/cogflow/workflows/ingest"
)

const (
	recordings   = "../workflows/testdata"
	recordSource = "/tmp/cogflow-record" // path in the recorded histories
)

// TestRecord writes the histories that TestReplay of package workflows runs on.
// TestReplay explains when to record and what a failed replay means.
func TestRecord(t *testing.T) {
	if os.Getenv("COGFLOW_RECORD") == "" {
		t.Skip("set COGFLOW_RECORD=1 to record histories")
	}
	require.NoError(t, os.RemoveAll(recordSource))
	t.Cleanup(func() { require.NoError(t, os.RemoveAll(recordSource)) })
	require.NoError(t, os.MkdirAll(recordings, 0o755))
	t.Run("whole", recordWhole)
	t.Run("continued", recordContinued)
	t.Run("training", recordTraining)
	t.Run("steered", recordSteered)
	t.Run("optimization", recordOptimization)
	t.Run("frames", recordFrames)
}

// recordWhole records runs with all kinds of outcomes.
func recordWhole(t *testing.T) {
	dir, long := filepath.Join(recordSource, "videos"), filepath.Join(recordSource, "long")
	require.NoError(t, os.MkdirAll(dir, 0o755))
	tiny(t, filepath.Join(dir, "a.mp4"), 150)
	tiny(t, filepath.Join(dir, "b.mp4"), 3)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "bad.mp4"), nil, 0o600))
	_, err := clips.Tiny(t.Context(), "ffmpeg", long, 3000)
	require.NoError(t, err)
	s := newStack(t, nil)
	s.worker(nil)
	video := filepath.Join(dir, "a.mp4")
	for _, r := range []struct {
		name, kind string
		in         any
	}{
		{"dry-run", "IngestLibrary", ingest.LibraryInput{Source: dir, DryRun: true}},
		{"library", "IngestLibrary", ingest.LibraryInput{Source: dir}},
		{"library-unchanged", "IngestLibrary", ingest.LibraryInput{Source: dir}},
		{"library-failed", "IngestLibrary", ingest.LibraryInput{Source: dir, Profile: "no_such"}},
		{"video-forced", "IngestVideo", ingest.VideoInput{URI: video, Force: true}},
		{"video-failed", "IngestVideo", ingest.VideoInput{URI: filepath.Join(dir, "bad.mp4")}},
		{"search", "SearchVideos", ingest.SearchInput{Query: "frame", Limit: 2}},
		{"list", "ListVideos", ingest.ListVideosInput{}},
	} {
		_, err := execute[map[string]any](s, r.name, r.kind, r.in)
		require.Equal(t, strings.HasSuffix(r.name, "-failed"), err != nil, "%s: %v", r.name, err)
		s.record(r.name, s.history(r.name, ""))
	}
	s.record("video-of-library", s.history("library/000000", ""))
	found := search(s, "frame").Hits[0]
	_, err = execute[map[string]any](s, "delete", "DeleteVideo", ingest.DeleteVideoInput{Video: string(found.Video)})
	require.NoError(t, err)
	s.record("delete", s.history("delete", ""))

	_, err = s.client.ExecuteWorkflow(t.Context(), startOptions("steered"), "IngestLibrary", ingest.LibraryInput{Source: long})
	require.NoError(t, err)
	require.Eventually(t, func() bool { return s.waitsOn("steered/000000", "DescribeChunk") }, soon, 100*time.Millisecond)
	s.temporalCLI("workflow", "update", "execute", "--workflow-id", "steered", "--name", "set_concurrency", "--input", "9")
	s.temporalCLI("workflow", "update", "execute", "--workflow-id", "steered", "--name", "set_budget", "--input", "1.5")
	s.temporalCLI("workflow", "signal", "--workflow-id", "steered", "--name", "pause")
	s.temporalCLI("workflow", "signal", "--workflow-id", "steered", "--name", "resume")
	s.temporalCLI("workflow", "cancel", "--workflow-id", "steered")
	require.Error(t, s.client.GetWorkflow(t.Context(), "steered", "").Get(t.Context(), nil))
	s.record("library-steered-cancelled", s.history("steered", ""))
	s.record("video-steered-cancelled", s.history("steered/000000", ""))
}

// recordFrames records batches of frames: one of several parts, and one that does not exist.
func recordFrames(t *testing.T) {
	s := newStack(t, nil)
	s.worker(nil)
	store, err := blob.Open(t.Context(), "file://"+filepath.Join(s.dir, "store"))
	require.NoError(t, err)
	for name, batch := range map[string]video.Fingerprint{
		"frames": storeBatch(t, store, tenant.Default, 70), "frames-failed": video.NewFingerprint("batch", "none"),
	} {
		_, err := execute[map[string]any](s, name, "DescribeFrames", frames.Input{Batch: string(batch), Model: preview.DescriberModel})
		require.Equal(t, strings.HasSuffix(name, "-failed"), err != nil, "%s: %v", name, err)
		s.record(name, s.history(name, ""))
	}
}

// recordContinued records chains of runs that continued as new.
func recordContinued(t *testing.T) {
	dir := filepath.Join(recordSource, "many")
	_, err := clips.Tiny(t.Context(), "ffmpeg", dir, 600)
	require.NoError(t, err)
	_, err = clips.Library(t.Context(), "ffmpeg", dir, 15)
	require.NoError(t, err)
	s := newStack(t, continueAfter("70"))
	s.worker(nil)
	out, err := execute[ingest.LibraryResult](s, "many", "IngestLibrary", ingest.LibraryInput{Source: dir})
	require.NoError(t, err)
	require.Empty(t, out.Failures)
	for name, id := range map[string]string{"library-continued": "many", "video-continued": "many/000000"} {
		runs := s.chain(id)
		require.GreaterOrEqual(t, len(runs), 2, name)
		for i, events := range runs {
			s.record(fmt.Sprintf("%s-%d", name, i+1), events)
		}
	}
}

// record writes a history without information about the machine. CheckHealth is not recorded:
// its result contains host names, and its runs are too short to span an upgrade.
func (s *stack) record(name string, events []*history.HistoryEvent) {
	s.t.Helper()
	h := &history.History{Events: events}
	scrub(h.ProtoReflect())
	text, err := protojson.Marshal(h)
	require.NoError(s.t, err)
	host, err := os.Hostname()
	require.NoError(s.t, err)
	require.NotContains(s.t, string(text), s.dir, "a path of this machine")
	require.NotRegexp(s.t, `\b`+regexp.QuoteMeta(host)+`\b`, string(text), "the name of this machine")
	f, err := os.Create(filepath.Join(recordings, name+".json.gz"))
	require.NoError(s.t, err)
	z, err := gzip.NewWriterLevel(f, gzip.BestCompression)
	require.NoError(s.t, err)
	_, err = z.Write(text)
	require.NoError(s.t, err)
	require.NoError(s.t, z.Close())
	require.NoError(s.t, f.Close())
}

// scrub replaces the identities of workers, clients and commands, and the names of sticky
// queues.
func scrub(m protoreflect.Message) {
	if queue, ok := m.Interface().(*taskqueue.TaskQueue); ok && queue.Kind == enums.TASK_QUEUE_KIND_STICKY {
		queue.Name = "recorded"
	}
	m.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		switch {
		case field.Name() == "identity" || field.Name() == "build_id":
			m.Set(field, protoreflect.ValueOfString("recorded"))
		case field.IsMap() || field.Kind() != protoreflect.MessageKind:
		case field.IsList():
			for i := range value.List().Len() {
				scrub(value.List().Get(i).Message())
			}
		default:
			scrub(value.Message())
		}
		return true
	})
}
