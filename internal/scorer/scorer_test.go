package scorer_test

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/sandbox"
	"github.com/cogniverse/cogflow/internal/scorer"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/metric"
	"github.com/cogniverse/cogflow/prompt/python"
)

// shell makes a metric from a script, in its own directory.
func shell(t *testing.T, script string) []string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "score.sh")
	require.NoError(t, os.WriteFile(file, []byte(script), 0o600))
	return []string{"/bin/sh", file, "fixed"}
}

// each runs a test with and without bubblewrap.
func each(t *testing.T, test func(t *testing.T, box *sandbox.Sandbox)) {
	for name, config := range map[string]sandbox.Config{"sandbox": {}, "limits only": {Off: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			box, err := sandbox.New(t.Context(), config)
			require.NoError(t, err)
			test(t, box)
		})
	}
}

func example() (example, outputs *prompt.Object) {
	return python.NewObject("query", `"; rm -rf / $(id)`, "agent", "video"), python.NewObject("agent", "video", "confidence", 0.5)
}

func TestScore(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, box *sandbox.Sandbox) {
		s := scorer.New(scorer.Options{Sandbox: box, Commands: map[string][]string{
			"same": shell(t, `read -r line; test "$1" = fixed || exit 9
				case "$line" in '{"example":{"query":"\"; rm -rf / $(id)","agent":"video"},"outputs":{"agent":"video","confidence":0.5}}') echo 1;; *) echo 0;; esac`),
			"half": {"echo", " 0.50 "}, "ignores input": {"/bin/echo", "1e-1"},
		}})
		a, o := example()
		for name, want := range map[string]float64{"same": 1, "half": 0.5, "ignores input": 0.1} {
			require.NoError(t, s.Check(name))
			got, err := s.Score(t.Context(), name, a, o)
			require.NoError(t, err, name)
			assert.InDelta(t, want, got.Score, 0, name)
		}
		a.Set("agent", "text")
		got, err := s.Score(t.Context(), "same", a, o)
		require.NoError(t, err)
		assert.InDelta(t, 0, got.Score, 0)
	})
}

// TestFeedback: a command may say what is wrong, also to single predictors.
func TestFeedback(t *testing.T) {
	t.Parallel()
	box, err := sandbox.New(t.Context(), sandbox.Config{Off: true})
	require.NoError(t, err)
	s := scorer.New(scorer.Options{Sandbox: box, Commands: map[string][]string{
		"m": {"echo", ` {"score": 0.25, "feedback": "too long", "predictors": {"route": "wrong agent"}}`},
	}})
	a, o := example()
	got, err := s.Score(t.Context(), "m", a, o)
	require.NoError(t, err)
	require.Equal(t, metric.Mark{Score: 0.25, Feedback: "too long", Predictors: map[string]string{"route": "wrong agent"}}, got)
}

// TestMisbehavingCommands: a command that misbehaves ends, and its output is never a score.
func TestMisbehavingCommands(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, box *sandbox.Sandbox) {
		for want, script := range map[string]string{
			`wrote ""; it must write a number`:        ``,
			`wrote "perfect"; it must write a number`: `echo perfect`,
			`wrote "null"`:                          `echo null`,
			`wrote "NaN"`:                           `echo NaN`,
			`wrote "0x1p-1"`:                        `echo 0x1p-1`,
			`wrote "\"1\""`:                         `echo '"1"'`,
			`wrote "0.5 0.5"`:                       `echo 0.5; echo 0.5`,
			`wrote "{\"scor\":1}"`:                  `echo '{"scor":1}'`,
			`wrote "{\"feedback\":\"good\"}"`:       `echo '{"feedback":"good"}'`,
			`its score 7 must be from 0 to 1`:       `echo '{"score":7}'`,
			`its score 1.5 must be from 0 to 1`:     `echo 1.5`,
			`its score -0.1 must be from 0 to 1`:    `echo -0.1`,
			`wrote "1e999"`:                         `echo 1e999`,
			`wrote "�`:                              `printf '\377\376'`,
			`it wrote more than 64 KiB`:             `while :; do echo 11111111111111111111111111; done`,
			`exit status 3; stderr: "no such thing`: `echo 1; echo no such thing >&2; exit 3`,
			`score by command "m": `:                `kill -9 $$`,
		} {
			s := scorer.New(scorer.Options{Sandbox: box, Commands: map[string][]string{"m": shell(t, script)}})
			a, o := example()
			_, err := s.Score(t.Context(), "m", a, o)
			require.ErrorContains(t, err, want, script)
			require.Equal(t, fault.Input, fault.ClassOf(err), script)
		}
	})
}

func TestConfined(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, box *sandbox.Sandbox) {
		secret := filepath.Join(t.TempDir(), "secret")
		require.NoError(t, os.WriteFile(secret, []byte("x"), 0o600))
		s := scorer.New(scorer.Options{Sandbox: box, Commands: map[string][]string{
			"environment": shell(t, `test -z "$HOME$COGNIVERSE_CONFIG$USER" && echo 1 || echo 0`),
			"writes":      shell(t, `( echo x > "$(dirname "$0")/made" ) 2>/dev/null; test -s "$(dirname "$0")/made" && echo 0 || echo 1`),
			"reads":       shell(t, `test -e `+secret+` && echo 0 || echo 1`),
		}})
		a, o := example()
		for _, name := range []string{"environment", "writes", "reads"} {
			if name == "reads" && !box.Protection().Bubblewrap {
				continue // limits alone hide no files
			}
			got, err := s.Score(t.Context(), name, a, o)
			require.NoError(t, err, name)
			assert.InDelta(t, 1, got.Score, 0, name)
		}
	})
}

func TestSlow(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, box *sandbox.Sandbox) {
		a, o := example()
		slow := map[string][]string{"m": shell(t, `sleep 600 & wait`)}
		s := scorer.New(scorer.Options{Sandbox: box, Timeout: 300 * time.Millisecond, Commands: slow})
		_, err := s.Score(t.Context(), "m", a, o)
		require.ErrorContains(t, err, "no score within 300ms")
		require.Equal(t, fault.Transport, fault.ClassOf(err))

		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		_, err = scorer.New(scorer.Options{Sandbox: box, Commands: slow}).Score(ctx, "m", a, o)
		require.ErrorIs(t, err, context.DeadlineExceeded)
	})
}

func TestMissingCommand(t *testing.T) {
	t.Parallel()
	box, err := sandbox.New(t.Context(), sandbox.Config{Off: true})
	require.NoError(t, err)
	s := scorer.New(scorer.Options{Sandbox: box, Commands: map[string][]string{"gone": {"/nowhere/score"}, "none": {}}})
	a, o := example()
	for name, want := range map[string]string{
		"other": "command not found in this worker's configuration (cogflow.optimize.metrics); configured: gone, none",
		"gone":  "its program was not found", "none": "the list of arguments is empty",
		"/bin/sh": "command not found",
	} {
		_, err := s.Score(t.Context(), name, a, o)
		require.ErrorContains(t, err, want)
		require.EqualError(t, s.Check(name), err.Error())
		require.Error(t, s.Check(name))
		configured := name == "gone" || name == "none"
		require.Equal(t, configured, s.Known(name) == nil, "a command is known even if its program is missing")
		require.Equal(t, fault.Input, fault.ClassOf(err))
	}
}

func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	box, err := sandbox.New(t.Context(), sandbox.Config{Off: true})
	require.NoError(t, err)
	s := scorer.New(scorer.Options{Sandbox: box, Commands: map[string][]string{"m": shell(t, `read -r line; case "$line" in *'"n":7}'*) echo 1;; *) echo 0;; esac`)}})
	var wg sync.WaitGroup
	scores := make([]float64, 16)
	for i := range scores {
		wg.Go(func() {
			got, err := s.Score(t.Context(), "m", &prompt.Object{}, python.NewObject("n", int64(i)))
			assert.NoError(t, err)
			scores[i] = got.Score
		})
	}
	wg.Wait()
	for i, got := range scores {
		assert.InDelta(t, map[bool]float64{true: 1}[i == 7], got, 0, i)
	}
}
