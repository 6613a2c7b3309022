package main

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflow/v1"

	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/ingest"
)

// TestCancel cancels a library in each stage of its video, while the program or file of that
// stage hangs.
func TestCancel(t *testing.T) { //nolint:tparallel // its subtests share a stack
	t.Parallel()
	const frames = 12
	dir := small(t, 1, frames)
	s := newSmallStack(t, nil)
	s.readsText()
	s.worker([]string{"--pools", "cogflow,media,describe,index"})
	for stage, c := range []struct {
		activity string
		hang     func(s *stack, j *job, tenant string) (release func())
	}{
		{"Inspect", hangProgram("ffprobe")},
		{"Extract", hangProgram("ffmpeg")},
		{"DescribeChunk", hangProgram("tesseract")},
		{"EmbedChunk", hangStore},
		{"IndexChunks", hangIndex(0)},
		{"PublishVideo", hangIndex(frames)},
	} {
		t.Run(c.activity, func(t *testing.T) {
			s := s.within(t)
			if c.activity != "EmbedChunk" { // hangStore starts the embedder
				s.embedder()
			}
			in, job, release := s.hangs(c.activity, ingestStages[stage:], dir, c.hang)
			tenant := in.Tenant

			require.NoError(t, s.client.CancelWorkflow(t.Context(), tenant, ""))
			if release != nil { // the stage still hangs, so only the cancellation can have ended it
				require.True(t, s.begins(job, tenant+"/000000", "Abandon"))
				release()
			}
			job.cancelled(t)
			require.Empty(t, s.children(), "a cancelled run has waited for its processes")
			s.requireNothing(tenant)

			again, err := execute[ingest.LibraryResult](s, tenant, "IngestLibrary", in)
			require.NoError(t, err)
			require.Equal(t, 1, again.Indexed)
			require.Equal(t, frames, again.Documents)
			require.Len(t, s.of(s.visible(), tenant), frames)
			require.Zero(t, s.hidden())
		})
	}
}

// ingestStages are the activities of a video, in order.
var ingestStages = []string{"Inspect", "Extract", "DescribeChunk", "EmbedChunk", "IndexChunks", "PublishVideo"}

// hangs starts a library whose video hangs in the first of the given stages. A stage can be
// over within milliseconds, before the test makes it hang. Then hangs tries again with
// another tenant, for which nothing is stored.
func (s *stack) hangs(name string, stages []string, dir string, hang func(*stack, *job, string) func()) (
	in ingest.LibraryInput, j *job, release func(),
) {
	s.t.Helper()
	for try := range 20 {
		in = ingest.LibraryInput{Source: dir, Common: workflows.Common{Tenant: fmt.Sprintf("%s-%d", name, try)}}
		j = s.begin(in.Tenant, in)
		release = hang(s, j, in.Tenant)
		if s.begins(j, in.Tenant+"/000000", stages...) {
			return in, j, release
		}
		if release != nil {
			release()
		}
		_ = s.client.CancelWorkflow(s.t.Context(), in.Tenant, "") // an error means that it has ended
		<-j.done
	}
	require.Fail(s.t, "the stage always ended before the test could make it hang", name)
	return in, j, release
}

// within returns the stack for a subtest.
func (s *stack) within(t *testing.T) *stack {
	part := *s
	part.t = t
	return &part
}

// of returns the rows that belong to a tenant.
func (s *stack) of(rows []string, tenant string) (out []string) {
	for _, row := range rows {
		if strings.HasPrefix(row, tenant+" | ") {
			out = append(out, row)
		}
	}
	return out
}

// requireNothing checks that a tenant has no visible documents and no claims that would
// block the next run.
func (s *stack) requireNothing(tenant string) {
	s.t.Helper()
	require.Empty(s.t, s.of(s.visible(), tenant))
	require.Zero(s.t, s.hidden())
	for _, pattern := range []string{"videos/*/claims/*", "videos/*/index/*", "listings/*/*"} {
		found, err := filepath.Glob(filepath.Join(s.dir, "store", tenant, pattern))
		require.NoError(s.t, err)
		require.Empty(s.t, found)
	}
	found, err := execute[ingest.SearchResult](s, "search-"+tenant, "SearchVideos",
		ingest.SearchInput{Query: "frame", Common: workflows.Common{Tenant: tenant}})
	require.NoError(s.t, err)
	require.Empty(s.t, found.Hits)
}

// begins reports whether a worker starts the first of the given activities before the job
// ends and before any other of them starts.
func (s *stack) begins(j *job, id string, activities ...string) (begun bool) {
	s.t.Helper()
	pending := func(name string) bool { return s.pending(id, name, enums.PENDING_ACTIVITY_STATE_STARTED) }
	require.Eventually(s.t, func() bool {
		begun = pending(activities[0])
		return begun || j.ended() || slices.ContainsFunc(activities[1:], pending)
	}, soon, 20*time.Millisecond, "%s did not start", activities[0])
	return begun
}

// pending reports whether a workflow has an activity in a state.
func (s *stack) pending(id, activity string, state enums.PendingActivityState) bool {
	d, err := s.client.DescribeWorkflow(s.t.Context(), id, "")
	return err == nil && slices.ContainsFunc(d.RawResponse.PendingActivities, func(a *workflow.PendingActivityInfo) bool {
		return a.ActivityType.Name == activity && a.State == state
	})
}

// embedder starts a worker for the pool embed only, until the subtest ends.
func (s *stack) embedder() { s.t.Cleanup(s.worker([]string{"--pools", "embed"}).drain) }

// hangProgram stops (SIGSTOP) the first processes of a program until release.
func hangProgram(name string) func(*stack, *job, string) (release func()) {
	return func(s *stack, j *job, _ string) func() {
		s.t.Helper()
		stopped := 0
		s.poll(func() bool {
			for _, child := range s.children() {
				pid, command, _ := strings.Cut(child, " ")
				if strings.Contains(command, filepath.Join(s.dir, name)+" ") && syscall.Kill(atoi(s.t, pid), syscall.SIGSTOP) == nil {
					stopped++
				}
			}
			return stopped > 0 || j.ended()
		})
		return nil
	}
}

// hangStore waits until EmbedChunk is scheduled, blocks all writes to the store, and then
// starts the worker of the pool embed.
func hangStore(s *stack, j *job, tenant string) (release func()) {
	s.t.Helper()
	s.poll(func() bool {
		return s.pending(tenant+"/000000", "EmbedChunk", enums.PENDING_ACTIVITY_STATE_SCHEDULED) || j.ended()
	})
	var locks []*os.File
	for shard := range 256 {
		f, err := os.OpenFile(filepath.Join(s.dir, fmt.Sprintf("store/.tmp/lock-%02x", shard)), os.O_RDWR|os.O_CREATE, 0o600)
		require.NoError(s.t, err)
		require.NoError(s.t, syscall.Flock(int(f.Fd()), syscall.LOCK_EX))
		locks = append(locks, f)
	}
	s.embedder()
	return func() {
		for _, f := range locks {
			_ = f.Close()
		}
	}
}

// hangIndex locks the index once it has a number of hidden documents.
func hangIndex(documents int) func(*stack, *job, string) (release func()) {
	return func(s *stack, j *job, _ string) (release func()) {
		s.t.Helper()
		db, err := sql.Open("sqlite", "file:"+filepath.Join(s.dir, "index.db")+"?mode=rw&_txlock=immediate")
		require.NoError(s.t, err)
		s.t.Cleanup(func() { _ = db.Close() })
		s.poll(func() bool {
			tx, err := db.BeginTx(s.t.Context(), nil)
			if err != nil {
				return false // busy
			}
			var hidden int
			err = tx.QueryRowContext(s.t.Context(), `SELECT count(*) FROM document d JOIN generation g ON g.id = d.generation
				WHERE g.published IS NULL`).Scan(&hidden)
			if err == nil && hidden == documents {
				release = func() { _ = tx.Rollback() }
				return true
			}
			require.NoError(s.t, tx.Rollback())
			return j.ended()
		})
		return release
	}
}

// poll checks often, because the condition may hold for milliseconds only.
func (s *stack) poll(happened func() bool) {
	s.t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(soon); !happened(); {
		select {
		case <-tick.C:
		case <-deadline:
			require.Fail(s.t, "the condition was never true")
		}
	}
}
