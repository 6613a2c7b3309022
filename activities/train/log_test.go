package train

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/training"
)

// logs are those of the job in the store, the oldest first.
func (j *trained) logs() (texts []string) {
	j.t.Helper()
	ctx := activities.WithTenant(j.t.Context(), "default")
	require.NoError(j.t, j.store.List(ctx, training.LogsPrefix("default", "job"), func(o object.Info) error {
		text, err := activities.ReadAll(ctx, j.store, o.Key)
		texts = append(texts, string(text))
		return err
	}))
	return texts
}

// TestTrainerLog: each attempt leaves what its trainer printed in the store, without keys,
// whether it went well or not.
func TestTrainerLog(t *testing.T) {
	t.Parallel()
	j := newTrained(t)
	j.trainer.key = "sk-0123456789abcdef"
	j.a.Redactor = safetext.NewRedactor([]string{j.trainer.key}, nil)
	j.trainer.before = func(step int, _ <-chan struct{}) error {
		if step == 5 {
			return errors.New("the driver\nis gone, with " + j.trainer.key)
		}
		return nil
	}
	_, err := j.run()
	require.Error(t, err)
	j.trainer.before = nil
	_, err = j.run()
	require.NoError(t, err)
	logs := j.logs()
	require.NotEmpty(t, logs)
	all := strings.Join(logs, "")
	require.NotContains(t, all, j.trainer.key)
	for _, want := range []string{
		"cogflow: training on cpu, micro-batch 1 × 1\n", "begins with key " + safetext.KeyMark + "\n", "step 4\n", "cogflow: ended: the driver is gone", "step 9\n", "cogflow: done\n",
	} {
		require.Contains(t, all, want)
	}
	for line := range strings.Lines(all) {
		_, err := time.Parse(training.LogTime, strings.Fields(line)[0])
		require.NoError(t, err, line)
	}
}

// TestTrainerLogUnstored: a log that cannot be stored does not fail the job.
func TestTrainerLogUnstored(t *testing.T) {
	t.Parallel()
	j := newTrained(t)
	j.store.NoRoom = func(key string) bool { return strings.HasSuffix(key, ".log") }
	out, err := j.run()
	require.NoError(t, err)
	require.Equal(t, training.EndedDone, out.Ended)
	require.Empty(t, j.logs())
}

// TestTrainerLogsArePruned: only the logs of the last attempts are kept.
func TestTrainerLogsArePruned(t *testing.T) {
	t.Parallel()
	j := newTrained(t)
	for i := range keptLogs + 5 {
		_, err := j.store.Put(t.Context(), training.LogKey("default", "job", time.Unix(int64(i), 0), "old"), strings.NewReader(fmt.Sprint(i)))
		require.NoError(t, err)
	}
	_, err := j.run()
	require.NoError(t, err)
	logs := j.logs()
	require.Len(t, logs, keptLogs)
	require.Contains(t, logs[keptLogs-1], "cogflow: done")
}

// TestProcessLog: a log has the beginning and the end of the output, and is bounded.
func TestProcessLog(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 6_000_000, time.UTC)
	l := newProcessLog(nil, func() time.Time { return at })
	require.Nil(t, l.take())
	fmt.Fprint(l, "10%\r50%\r100%\n\n\x1b[31mred\x1b[0m")
	require.Equal(t, "2026-01-02T03:04:05.006Z 100%\n", string(l.take()))
	fmt.Fprint(l, " and more")
	l.end()
	require.Contains(t, string(l.take()), "red and more\n")
	require.NotContains(t, string(l.head), "\x1b")
	for i := range 50_000 {
		fmt.Fprintf(l, "line %d\n", i)
	}
	fmt.Fprint(l, strings.Repeat("x", 2*maxUnended))
	l.end()
	text := string(l.take())
	require.LessOrEqual(t, len(text), maxLogHead+maxLogTail+100)
	require.Contains(t, text, "line 0\n")
	require.Contains(t, text, "line 49999\n")
	require.Regexp(t, `cogflow: \d+ lines are left out here\n`, text)
}
