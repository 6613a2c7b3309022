package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/cogniverse/cogflow/internal/config"
	"github.com/cogniverse/cogflow/internal/dbfile"
	"github.com/cogniverse/cogflow/internal/program"
	"github.com/cogniverse/cogflow/workers/draining"
)

// testEnv is the environment of a worker whose files are all below one directory.
type testEnv struct {
	dir string
	env map[string]string
}

func newTestEnv(t *testing.T) testEnv {
	t.Helper()
	dir := t.TempDir()
	w := testEnv{dir: dir, env: map[string]string{
		"COGFLOW_STORE": "file://" + filepath.Join(dir, "store"), "COGFLOW_INDEX": filepath.Join(dir, "index.db"),
		"COGFLOW_LEDGER": filepath.Join(dir, "ledger.db"), "COGFLOW_SCRATCH": filepath.Join(dir, "tmp"),
	}}
	w.file(t, `{"cogflow": {}}`)
	return w
}

// file writes the configuration.
func (w testEnv) file(t *testing.T, text string) {
	t.Helper()
	w.env[config.EnvFile] = filepath.Join(w.dir, "config.json")
	require.NoError(t, os.WriteFile(w.env[config.EnvFile], []byte(text), 0o600))
}

func (w testEnv) getenv(name string) string { return w.env[name] }

// start builds the parts of a worker for these pools and closes them again.
func (w testEnv) start(t *testing.T, class string, names ...string) (h implementations, err error) {
	t.Helper()
	c, err := config.Load(w.getenv)
	require.NoError(t, err)
	chosen, err := choosePools(names)
	require.NoError(t, err)
	h, closeAll, err := wire(t.Context(), c, w.getenv, chosen, class, nil, true, nil, draining.Limit{})
	if err != nil {
		require.Nil(t, closeAll)
		return h, err
	}
	require.NoError(t, closeAll())
	return h, nil
}

const keyed = `{"cogflow": {"endpoints": {
	"describer":   {"kind": "openai", "url": "http://127.0.0.1:9/v1", "models": ["m/d"], "api_key_env": "DESCRIBE_KEY"},
	"embedder":    {"kind": "pooling", "url": "http://127.0.0.1:9", "models": ["m/e"], "api_key_env": "EMBED_KEY"},
	"transcriber": {"kind": "transcriptions", "url": "http://127.0.0.1:9/v1", "models": ["m/t"], "api_key_env": "TRANSCRIBE_KEY"},
	"prompts":     {"kind": "openai", "url": "http://127.0.0.1:9/v1", "models": ["m/l"], "api_key_env": "PROMPT_KEY"}},
	"optimize": {"student": "m/l"},
	"profiles": {"keyed": {"describe": {"model": "m/d", "revision": "1"}, "transcribe": {"model": "m/t", "revision": "1"},
		"embed": {"model": "m/e", "revision": "1", "of": "frame", "dim": 8}}}}}`

// TestFailingStart: a worker that cannot start reports the problem and its fix, ends with the
// exit code of a configuration error, and leaves nothing open.
func TestFailingStart(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		class, pools string // "" = cpu, all
		prepare      func(t *testing.T, w testEnv)
		says         []string
	}{
		"no ffmpeg":  {prepare: set("COGFLOW_FFMPEG", "no-such-ffmpeg"), says: []string{"no-such-ffmpeg", "install ffmpeg"}},
		"no ffprobe": {prepare: set("COGFLOW_FFPROBE", "no-such-ffprobe"), says: []string{"no-such-ffprobe", "install ffmpeg"}},
		"not ffmpeg": {prepare: set("COGFLOW_FFMPEG", "true"), says: []string{"/true", "ffmpeg"}},
		"no tesseract": {
			prepare: set("COGFLOW_TESSERACT", "no-such-tesseract"), says: []string{"no-such-tesseract"},
		},
		"store is not a URL": {prepare: set("COGFLOW_STORE", "ftp://x"), says: []string{"ftp://x", "must be file:///"}},
		"store in a file":    {prepare: inAFile("COGFLOW_STORE", "file://"), says: []string{"a-file/x"}},
		"index in a file":    {prepare: inAFile("COGFLOW_INDEX", ""), says: []string{"a-file/x", "COGFLOW_INDEX"}},
		"index is damaged":   {prepare: damaged("COGFLOW_INDEX"), says: []string{"index.db", "damaged", "move it away"}},
		"index is newer":     {prepare: newer("COGFLOW_INDEX"), says: []string{"index.db", "newer cogflow"}},
		"index is a ledger":  {prepare: other("COGFLOW_INDEX", "COGFLOW_LEDGER"), says: []string{"ledger.db", "not a cogflow search index"}},
		"ledger in a file":   {prepare: inAFile("COGFLOW_LEDGER", ""), says: []string{"a-file/x", "COGFLOW_LEDGER"}},
		"ledger is damaged":  {prepare: damaged("COGFLOW_LEDGER"), says: []string{"ledger.db", "damaged", "move it away"}},
		"ledger is newer":    {prepare: newer("COGFLOW_LEDGER"), says: []string{"ledger.db", "newer cogflow"}},
		"ledger is a pipe":   {prepare: pipe("COGFLOW_LEDGER", ""), says: []string{"a-pipe", "regular file"}},
		"index is a pipe":    {prepare: pipe("COGFLOW_INDEX", ""), says: []string{"a-pipe", "regular file"}},
		"store is a pipe":    {prepare: pipe("COGFLOW_STORE", "file://"), says: []string{"a-pipe"}},
		"scratch is a pipe":  {prepare: pipe("COGFLOW_SCRATCH", ""), says: []string{"a-pipe", "COGFLOW_SCRATCH"}},
		"ledger is a folder": {prepare: folder("COGFLOW_LEDGER"), says: []string{"a-folder", "regular file"}},
		"scratch in a file":  {prepare: inAFile("COGFLOW_SCRATCH", ""), says: []string{"a-file/x", "COGFLOW_SCRATCH"}},
		"no key to describe": {prepare: keys("EMBED_KEY", "TRANSCRIBE_KEY"), says: []string{"describer", "DESCRIBE_KEY is not set"}},
		"no key to embed": {
			pools: "embed", prepare: keys("DESCRIBE_KEY", "TRANSCRIBE_KEY"), says: []string{"embedder", "EMBED_KEY is not set", "--pools"},
		},
		"no GPU": {class: "l40s", pools: "train", says: []string{"train-l40s", "--gpu none"}, prepare: func(t *testing.T, _ testEnv) {
			t.Helper()
			if _, err := exec.LookPath("nvidia-smi"); err == nil {
				t.Skip("this host may have a GPU")
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newTestEnv(t)
			pools, class := "all", "cpu"
			if c.pools != "" {
				pools = c.pools
			}
			if c.class != "" {
				class = c.class
			}
			c.prepare(t, w)
			_, err := w.start(t, class, pools)
			require.Error(t, err)
			for _, text := range c.says {
				require.ErrorContains(t, err, text)
			}
			require.Equal(t, program.ExitConfiguration, exitCode(err), "%v", err)
			left, err := filepath.Glob(filepath.Join(w.dir, "tmp", "*"))
			require.NoError(t, err)
			require.Empty(t, left, "opened parts were closed")
		})
	}
}

func set(name, value string) func(*testing.T, testEnv) {
	return func(_ *testing.T, w testEnv) { w.env[name] = value }
}

// inAFile sets a path below a regular file.
func inAFile(name, prefix string) func(*testing.T, testEnv) {
	return func(t *testing.T, w testEnv) {
		t.Helper()
		file := filepath.Join(w.dir, "a-file")
		require.NoError(t, os.WriteFile(file, nil, 0o600))
		w.env[name] = prefix + filepath.Join(file, "x")
	}
}

func damaged(name string) func(*testing.T, testEnv) {
	return func(t *testing.T, w testEnv) {
		t.Helper()
		require.NoError(t, os.WriteFile(w.env[name], []byte(strings.Repeat("not a database ", 1000)), 0o600))
	}
}

// newer makes a database with the schema version of a later build.
func newer(name string) func(*testing.T, testEnv) {
	return func(t *testing.T, w testEnv) {
		t.Helper()
		_, err := w.start(t, "cpu", "all") // creates the files
		require.NoError(t, err)
		db, err := dbfile.Open(t.Context(), w.env[name], kindOf(t, w.env[name]))
		require.NoError(t, err)
		_, err = db.Write.ExecContext(t.Context(), "PRAGMA user_version=1000")
		require.NoError(t, err)
		require.NoError(t, db.Close())
	}
}

// kindOf reads the kind of a cogflow database from SQLite's header.
func kindOf(t *testing.T, path string) dbfile.Kind {
	t.Helper()
	header, err := os.ReadFile(path)
	require.NoError(t, err)
	word := func(at int) int32 {
		return int32(header[at])<<24 | int32(header[at+1])<<16 | int32(header[at+2])<<8 | int32(header[at+3])
	}
	return dbfile.Kind{Name: "file", ApplicationID: word(68), Migrations: make([]string, word(60))}
}

func other(name, is string) func(*testing.T, testEnv) {
	return func(t *testing.T, w testEnv) {
		t.Helper()
		_, err := w.start(t, "cpu", "all")
		require.NoError(t, err)
		w.env[name] = w.env[is]
	}
}

// keys writes the configuration keyed and sets some of its key variables.
func keys(names ...string) func(*testing.T, testEnv) {
	return func(t *testing.T, w testEnv) {
		t.Helper()
		w.file(t, keyed)
		for _, name := range names {
			w.env[name] = "secret"
		}
	}
}

// TestExitCodes: exit codes distinguish configuration errors and usage errors from crashes.
func TestExitCodes(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--no-such-flag"}, {"argument"}, {"--log-level", "loud"}} {
		require.Equal(t, program.ExitUsage, exitCode(run(t.Context(), args, func(string) string { return "" }, &strings.Builder{})), args)
	}
	for _, args := range [][]string{{"--pools", "no-such"}, {"--gpu", "no-such"}} {
		require.Equal(t, program.ExitConfiguration, exitCode(run(t.Context(), args, func(string) string { return "" }, &strings.Builder{})), args)
	}
	require.Equal(t, program.ExitFailed, exitCode(errors.New("a crash")))
}

// TestSupervisorStopsAtConfiguration runs a real supervisor whose worker has no ffmpeg.
func TestSupervisorStopsAtConfiguration(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	for name, env := range map[string]string{"flag": "", "ffmpeg": "COGFLOW_FFMPEG=no-such-ffmpeg", "index": "COGFLOW_INDEX=/dev/null/index.db"} {
		args := []string{"--dev"}
		if name == "flag" {
			args = append(args, "--pools", "no-such")
		}
		w := s.worker(args, env)
		err := <-w.done
		w.done <- err
		var exit *exec.ExitError
		require.ErrorAs(t, err, &exit, name)
		require.Equal(t, program.ExitConfiguration, exit.ExitCode(), name)
	}
	log, err := os.ReadFile(filepath.Join(s.dir, "worker.log"))
	require.NoError(t, err)
	require.Contains(t, string(log), "install ffmpeg")
	require.Contains(t, string(log), "no-such")
	require.NotContains(t, string(log), "panic")
	require.NotContains(t, string(log), "restarting it")
}

// TestStateFolders: with --dev, logs and base models are in the state unless the configuration names other folders.
func TestStateFolders(t *testing.T) {
	t.Parallel()
	own, err := filepath.Abs(".cogflow/models")
	require.NoError(t, err)
	c := config.Config{Logs: "/var/log/cogflow"}
	env, err := inState(&c)
	require.NoError(t, err)
	require.Equal(t, []string{"COGFLOW_TRAINING_MODELS_DIR=" + own}, env)
	require.Equal(t, own, c.Training.ModelsDir)
	c.Training.ModelsDir = "/srv/models"
	env, err = inState(&c)
	require.NoError(t, err)
	require.Empty(t, env)
}

// TestSupervisorRestartsAfterCrash: a worker is restarted after a crash or a temporary failure.
func TestSupervisorRestartsAfterCrash(t *testing.T) {
	t.Parallel()
	for script, again := range map[string]bool{"exit 1": true, "kill -9 $$": true, "exit 0": true, "exit 78": false, "exit 2": false} {
		ctx, cancel := context.WithCancel(t.Context())
		runs := 0
		err := restarting(ctx, zap.NewNop(), time.Millisecond, func() error {
			if runs++; runs == 3 {
				cancel()
			}
			return exec.CommandContext(t.Context(), "sh", "-c", script).Run()
		})
		cancel()
		if again {
			require.Equal(t, 3, runs, script)
			continue
		}
		require.Equal(t, 1, runs, script)
		require.ErrorContains(t, err, "configuration")
		require.NotEqual(t, program.ExitFailed, exitCode(err))
	}
}

// pipe sets the path of a FIFO; opening it can block.
func pipe(variable, scheme string) func(*testing.T, testEnv) {
	return func(t *testing.T, w testEnv) {
		t.Helper()
		path := filepath.Join(w.dir, "a-pipe")
		require.NoError(t, syscall.Mkfifo(path, 0o600))
		w.env[variable] = scheme + path
	}
}

func folder(variable string) func(*testing.T, testEnv) {
	return func(t *testing.T, w testEnv) {
		t.Helper()
		w.env[variable] = filepath.Join(w.dir, "a-folder")
		require.NoError(t, os.Mkdir(w.env[variable], 0o700))
	}
}
