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
)

// TestCancel cancels a library while its video is in each stage, with the
// program or the file that the stage works on hanging.
func TestCancel(t *testing.T) { //nolint:tparallel // its parts share a stack
	t.Parallel()
	const frames = 12
	dir := small(t, 1, frames)
	s := newSmallStack(t, nil)
	s.worker(nil)
	for _, c := range []struct {
		activity string
		hang     func(s *stack, tenant string) (release func())
	}{
		{"Inspect", hangProgram("ffprobe")},
		{"Extract", hangProgram("ffmpeg")},
		{"DescribeChunk", hangProgram("tesseract")},
		{"EmbedChunk", hangStore(frames)},
		{"IndexChunks", hangIndex(0)},
		{"PublishVideo", hangIndex(frames)},
	} {
		t.Run(c.activity, func(t *testing.T) {
			s := s.within(t)
			in := workflows.IngestLibraryInput{Source: dir, Common: workflows.Common{Tenant: c.activity}}
			job := s.begin(c.activity, in)
			release := c.hang(s, c.activity)
			s.running(c.activity+"/000000", c.activity)

			require.NoError(t, s.client.CancelWorkflow(t.Context(), c.activity, ""))
			s.noOrphans(5 * time.Second)
			if release != nil { // not before the stage has ended by itself
				s.running(c.activity+"/000000", "Abandon")
				release()
			}
			job.cancelled(t)
			s.nothingOf(c.activity)

			again, err := execute[workflows.IngestLibraryResult](s, c.activity, "IngestLibrary", in)
			require.NoError(t, err)
			require.Equal(t, 1, again.Indexed)
			require.Equal(t, frames, again.Documents)
			require.Len(t, s.of(s.visible(), c.activity), frames)
			require.Zero(t, s.hidden())
		})
	}
}

// within is the stack for a part of a test.
func (s *stack) within(t *testing.T) *stack {
	part := *s
	part.t = t
	return &part
}

// of picks the rows of a tenant.
func (s *stack) of(rows []string, tenant string) (out []string) {
	for _, row := range rows {
		if strings.HasPrefix(row, tenant+" | ") {
			out = append(out, row)
		}
	}
	return out
}

// nothingOf makes sure that nothing of a tenant can be found, or stands in the
// way of the next run.
func (s *stack) nothingOf(tenant string) {
	s.t.Helper()
	require.Empty(s.t, s.of(s.visible(), tenant))
	require.Zero(s.t, s.hidden())
	for _, pattern := range []string{"videos/*/claims/*", "videos/*/index/*", "listings/*/*"} {
		found, err := filepath.Glob(filepath.Join(s.dir, "store", tenant, pattern))
		require.NoError(s.t, err)
		require.Empty(s.t, found)
	}
	found, err := execute[workflows.SearchVideosResult](s, "search-"+tenant, "SearchVideos",
		workflows.SearchVideosInput{Query: "frame", Common: workflows.Common{Tenant: tenant}})
	require.NoError(s.t, err)
	require.Empty(s.t, found.Hits)
}

// running waits until a worker has begun an activity of a workflow.
func (s *stack) running(id, activity string) {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		d, err := s.client.DescribeWorkflow(s.t.Context(), id, "")
		return err == nil && slices.ContainsFunc(d.RawResponse.PendingActivities, func(a *workflow.PendingActivityInfo) bool {
			return a.ActivityType.Name == activity && a.State == enums.PENDING_ACTIVITY_STATE_STARTED
		})
	}, 60*time.Second, 20*time.Millisecond, "%s does not start", activity)
}

// hangProgram stops the first processes of a program; they would stay for ever.
func hangProgram(name string) func(s *stack, tenant string) (release func()) {
	return func(s *stack, _ string) func() {
		s.t.Helper()
		stopped := 0
		s.poll(func() bool {
			for _, child := range s.children() {
				pid, command, _ := strings.Cut(child, " ")
				if strings.Contains(command, filepath.Join(s.dir, name)+" ") && syscall.Kill(atoi(s.t, pid), syscall.SIGSTOP) == nil {
					stopped++
				}
			}
			return stopped > 0
		})
		return nil
	}
}

// hangStore lets nothing more be put when a number of captions are stored.
func hangStore(captions int) func(s *stack, tenant string) (release func()) {
	return func(s *stack, tenant string) func() {
		s.t.Helper()
		s.poll(func() bool {
			found, err := filepath.Glob(filepath.Join(s.dir, "store", tenant, "captions", "*"))
			require.NoError(s.t, err)
			return len(found) == captions
		})
		var locks []*os.File
		for shard := range 256 {
			f, err := os.OpenFile(filepath.Join(s.dir, fmt.Sprintf("store/.tmp/lock-%02x", shard)), os.O_RDWR|os.O_CREATE, 0o600)
			require.NoError(s.t, err)
			require.NoError(s.t, syscall.Flock(int(f.Fd()), syscall.LOCK_EX))
			locks = append(locks, f)
		}
		return func() {
			for _, f := range locks {
				_ = f.Close()
			}
		}
	}
}

// hangIndex locks the index when it holds a number of hidden documents.
func hangIndex(documents int) func(s *stack, tenant string) (release func()) {
	return func(s *stack, _ string) (release func()) {
		s.t.Helper()
		db, err := sql.Open("sqlite", "file:"+filepath.Join(s.dir, "index.db")+"?mode=rw&_txlock=immediate")
		require.NoError(s.t, err)
		s.poll(func() bool {
			tx, err := db.BeginTx(s.t.Context(), nil)
			if err != nil {
				return false // busy
			}
			var hidden int
			err = tx.QueryRowContext(s.t.Context(), `SELECT count(*) FROM document d JOIN generation g ON g.id = d.generation
				WHERE g.published IS NULL`).Scan(&hidden)
			if err == nil && hidden == documents {
				release = func() { _ = tx.Rollback(); _ = db.Close() }
				return true
			}
			require.NoError(s.t, tx.Rollback())
			return false
		})
		return release
	}
}

// poll asks often, since what it waits for may last for milliseconds only.
func (s *stack) poll(happened func() bool) {
	s.t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(time.Minute); !happened(); {
		select {
		case <-tick.C:
		case <-deadline:
			require.Fail(s.t, "what the test waits for does not happen")
		}
	}
}
