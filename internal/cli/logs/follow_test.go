package logs

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/blob"
	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/training"
)

// TestFollow: each line is shown once, including lines written between the last read and the end.
func TestFollow(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	a := app{&cli.App{Process: cli.Process{Out: &out}}}
	looks, asked := 0, 0
	s := &sources{id: "j", level: "debug", trainers: &trainers{}, workers: func(do func([]byte)) error {
		looks++
		do(fmt.Appendf(nil, `worker-1  | {"level":"info","ts":"2026-01-02T03:04:05.006Z","msg":"look %d","WorkflowID":"j"}`, looks))
		return nil
	}}
	tick := make(chan time.Time, 2)
	tick <- time.Time{}
	tick <- time.Time{}
	require.NoError(t, a.follow(t.Context(), tick, s, func() (bool, error) { asked++; return asked == 3, nil }))
	require.Equal(t, "2026-01-02T03:04:05.006Z  info     look 1\n2026-01-02T03:04:05.006Z  info     look 2\n2026-01-02T03:04:05.006Z  info     look 3\n", out.String())

	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("Ctrl-C"))
	require.ErrorIs(t, a.follow(ctx, nil, s, func() (bool, error) { return false, nil }), context.Canceled)
}

// TestGrowingLog: each line of a trainer's log is shown once, although the log is stored
// repeatedly, lines share a timestamp and the middle is removed later.
func TestGrowingLog(t *testing.T) {
	t.Parallel()
	store, err := blob.Open(t.Context(), "file://"+t.TempDir())
	require.NoError(t, err)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	key := training.LogKey("acme", "job", at, "a")
	tr := &trainers{jobs: map[trained]string{{"acme", "job"}: "j"}, shown: map[string]mark{}, opened: store}
	var said []string
	put := func(lines ...string) {
		var text strings.Builder
		for _, l := range lines {
			second, said, _ := strings.Cut(l, " ")
			n := time.Duration(second[0] - '0')
			fmt.Fprintf(&text, "%s %s\n", at.Add(n*time.Second).Format(training.LogTime), said)
		}
		_, err := store.Put(t.Context(), key, strings.NewReader(text.String()))
		require.NoError(t, err)
		all, err := tr.read(t.Context(), trained{"acme", "job"}, "j")
		require.NoError(t, err)
		for _, l := range all {
			said = append(said, l.Message)
		}
	}
	put("0 a", "1 b", "1 c")
	put("0 a", "1 b", "1 c")
	put("0 a", "1 b", "1 c", "1 d", "2 e")
	put("0 a", "2 e", "2 f", "3 g")
	require.Equal(t, []string{"a", "b", "c", "d", "e", "f", "g"}, said)
	require.NoError(t, store.Delete(t.Context(), key))
	_, err = tr.readLog(t.Context(), object.Info{Key: key}, "j")
	require.ErrorIs(t, err, object.ErrNotFound)
}
