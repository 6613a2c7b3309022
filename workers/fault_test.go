package main

import (
	"net/http"
	"path/filepath"
	"sort"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"

	"github.com/cogniverse/cogflow/internal/answer/answertest"
	"github.com/cogniverse/cogflow/internal/vespa/vespatest"
	"github.com/cogniverse/cogflow/internal/vlm/vlmtest"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/ingest"
)

const faultProfile = "video_colpali_smol500_mv_frame"

// result is the outcome of an ingest: hits, objects, and the number of answers per picture.
type result struct {
	hits    []video.Hit
	objects []string
	answers map[string]int
}

// ingestWith ingests the clip with captions, vectors and speech into a fake Vespa server.
// setFaults sets up faults of the services; the function that it returns is called once the
// run has started.
func ingestWith(t *testing.T, dir string, setFaults func(s *stack, m *services) (onStart func())) result {
	t.Helper()
	s := newStack(t, nil)
	models := startServices(t)
	path, env := models.redirect(t, "../examples/configs/all-remote.json", s.dir)
	s.env = append(append(s.env, "COGNIVERSE_CONFIG="+path), env...)
	models.deploy(t, path)
	onStart := setFaults(s, models)
	s.worker(nil)
	run, err := s.client.ExecuteWorkflow(t.Context(), startOptions("library"), "IngestLibrary",
		ingest.LibraryInput{Source: dir, Profile: faultProfile})
	require.NoError(t, err)
	onStart()
	out := await[ingest.LibraryResult](s, run, 4*time.Minute)
	require.Empty(t, out.Failures)
	require.Equal(t, 1, out.Indexed)
	// Retries of a canary have new names, so they do not count as repeated calls.
	require.Equal(t, s.number("ledger.db", `SELECT coalesce(sum(n-1), 0) FROM (SELECT count(*) AS n FROM call
		WHERE outcome IN ('answered','charged','lost') GROUP BY fingerprint)`), out.RepeatedCalls,
		"billed calls with invalid answers are reported as repeated")
	found, err := execute[ingest.SearchResult](s, "search", "SearchVideos",
		ingest.SearchInput{Query: "a picture of red", Profile: faultProfile, Rank: "hybrid", Limit: 100})
	require.NoError(t, err)
	sort.Slice(found.Hits, func(i, j int) bool { return found.Hits[i].PTSMS < found.Hits[j].PTSMS })
	r := result{hits: found.Hits, answers: models.vlm.Answered()}
	for _, object := range s.objects() {
		key, _, _ := strings.Cut(object, " ")
		if !strings.Contains(key, "/listings/") {
			r.objects = append(r.objects, object)
		}
	}
	return r
}

// TestFaultRun: services that fail in every known way do not change the result. No answered
// call is repeated, and no invalid answer is indexed.
func TestFaultRun(t *testing.T) {
	t.Parallel()
	dir := colourClip(t)
	want := ingestWith(t, dir, noFaults)
	require.Len(t, want.hits, 4, "three frames and a passage of speech")
	got := ingestWith(t, dir, func(s *stack, m *services) func() {
		m.vlm.Next(append(vlmtest.Faults(), vlmtest.TooMany, vlmtest.Down)...)
		m.embed.Next(
			answertest.Status(http.StatusTooManyRequests, `{}`, "Retry-After", "1"), answertest.Reset,
			answertest.Status(http.StatusOK, `{"data":[{"data":"AAA`), answertest.Status(http.StatusOK, `{"error":"loading"}`),
			answertest.Status(http.StatusInternalServerError, `CUDA error`), answertest.Status(http.StatusOK, `{"data":[]}`))
		m.asr.Next(answertest.Reset, answertest.Status(http.StatusServiceUnavailable, `busy`), answertest.Status(http.StatusOK, `{"error":"x"}`))
		m.vespa.Block(true)
		var calls atomic.Int64
		m.vespa.Script(func(*http.Request) vespatest.Fault {
			return []vespatest.Fault{
				{Status: http.StatusTooManyRequests}, {}, {Status: http.StatusServiceUnavailable}, {}, {Reset: true}, {}, {Lost: true}, {}, {Truncate: true}, {}, {},
			}[min(calls.Add(1)-1, 10)]
		})
		return func() {
			s.untilBlocked()
			m.vespa.Block(false)
		}
	})
	got.equals(t, want)
}

func noFaults(*stack, *services) func() { return func() {} }

// equals compares with an undisturbed run and checks that no picture was described twice.
func (r result) equals(t *testing.T, want result) {
	t.Helper()
	for picture, times := range r.answers {
		if !strings.HasPrefix(picture, "A picture") || times != 1 {
			require.Fail(t, "described twice, or an invalid caption", "%s: %d", picture, times)
		}
	}
	require.Equal(t, want.answers, r.answers)
	for i := range want.hits {
		want.hits[i].Score, r.hits[i].Score = 0, 0 // BM25 depends on the documents that were fed before
	}
	require.Equal(t, want.hits, r.hits)
	require.Equal(t, want.objects, r.objects)
}

// untilBlocked waits until the progress query and the search attribute show that the index is
// full.
func (s *stack) untilBlocked() {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		out, err := s.client.ListWorkflow(s.t.Context(), listing(`CogStage = "blocked"`))
		return err == nil && len(out.Executions) == 1
	}, soon, 100*time.Millisecond)
	out, err := s.client.ListWorkflow(s.t.Context(), listing(`CogStage = "blocked"`))
	require.NoError(s.t, err)
	var p ingest.VideoProgress
	value, err := s.client.QueryWorkflow(s.t.Context(), out.Executions[0].Execution.WorkflowId, "", workflows.QueryProgress)
	require.NoError(s.t, err)
	require.NoError(s.t, value.Get(&p))
	require.Contains(s.t, p.Waiting, "room in the index")
	require.Equal(s.t, "index_full", s.explained(out.Executions[0].Execution.WorkflowId))
}

// TestIgnoredFieldsFail: Vespa accepts a document with an unknown field and ignores the
// field. Such a document must be removed.
func TestIgnoredFieldsFail(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	models := startServices(t)
	path, env := models.redirect(t, "../examples/configs/all-remote.json", s.dir)
	s.env = append(append(s.env, "COGNIVERSE_CONFIG="+path), env...)
	models.deploy(t, path)
	models.vespa.Script(func(r *http.Request) vespatest.Fault {
		return vespatest.Fault{IgnoredFields: r.Method == http.MethodPost && strings.HasPrefix(r.URL.Path, "/document/")}
	})
	s.worker(nil)
	out, err := execute[ingest.LibraryResult](s, "library", "IngestLibrary",
		ingest.LibraryInput{Source: filepath.Clean(colourClip(t)), Profile: faultProfile})
	require.NoError(t, err)
	require.Len(t, out.Failures, 1)
	require.Equal(t, "input", out.Failures[0].Class)
	require.Contains(t, out.Failures[0].Reason, "the deployed schema lacks a field")
	found, err := execute[ingest.SearchResult](s, "search", "SearchVideos",
		ingest.SearchInput{Query: "picture", Profile: faultProfile, Rank: "bm25"})
	require.NoError(t, err)
	require.Empty(t, found.Hits)
}

func listing(query string) *workflowservice.ListWorkflowExecutionsRequest {
	return &workflowservice.ListWorkflowExecutionsRequest{Query: query}
}
