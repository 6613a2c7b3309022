//go:build linux

package fleet

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"

	"github.com/cogniverse/cogflow/deploy/fleet/hosttest"
	"github.com/cogniverse/cogflow/internal/answer/billtest"
)

// fleet is all hosts with their servers and workers.
type fleet struct {
	t    *testing.T
	seed uint64
	net  *hosttest.Network
	keys map[string]string // by variable
	dir  string            // files that are given to hosts

	temporalDB, ledgerDB *database
	temporal             *hosttest.Process
	client               client.Client
	store                *s3.Client
	bill                 *billtest.Server
	workers              map[string]*hosttest.Process // by host; nil = meant to be down

	latency atomic.Int64 // of endpoints, a time.Duration
	began   time.Time
	streams []*stream
	ending  bool                            // no more jobs are started
	raised  int                             // limits of jobs
	endedAt map[*hosttest.Process]time.Time // programs that ended by themselves
}

// logf logs with the time since the test began.
func (f *fleet) logf(format string, args ...any) {
	f.t.Helper()
	f.t.Logf("%4.0f s  %s", time.Since(f.began).Seconds(), fmt.Sprintf(format, args...))
}

// newFleet starts everything but the workers.
func newFleet(t *testing.T) *fleet {
	t.Helper()
	if os.Getenv("COGFLOW_FLEET") == "" {
		t.Skip("runs with COGFLOW_FLEET=1, by make fleet")
	}
	seed := rand.Uint64()
	if text := os.Getenv("COGFLOW_FLEET_SEED"); text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		require.NoError(t, err)
		seed = n
	}
	t.Logf("COGFLOW_FLEET_SEED=%d", seed)
	f := &fleet{
		t: t, seed: seed, net: hosttest.New(t, seed), keys: map[string]string{}, dir: t.TempDir(), workers: map[string]*hosttest.Process{},
		began: time.Now(), streams: streams(), endedAt: map[*hosttest.Process]time.Time{},
	}
	for _, key := range []string{storeUser, storeSecret, describeKey, embedKey, speechKey, lmKey} {
		f.keys[key] = f.password(key, "all")
	}
	t.Cleanup(f.keepLogs)
	f.makeFiles()
	for _, s := range sites() {
		files := map[string]string{}
		for _, name := range s.needs {
			files[name] = f.file(name)
			if name == "trainer" {
				maps.Copy(files, f.interpreter())
			}
		}
		f.net.Add(hosttest.Options{Name: s.name, Reaches: s.reaches, Files: files})
	}
	f.temporalDB, f.ledgerDB = newDatabase(f, temporalDB), newDatabase(f, ledgerDB)
	f.prepareLedger()
	f.prepareTemporal()
	f.launchTemporal()
	f.awaitPort(f.temporal, 7233)
	f.store, f.bill = f.startStore(), f.startModels()
	f.grant()
	f.client = f.connectTemporal()
	return f
}

// keepLogs copies the logs of all programs after a failure, if it is told where to.
func (f *fleet) keepLogs() {
	to := os.Getenv("COGFLOW_FLEET_LOGS")
	if to == "" || !f.t.Failed() {
		return
	}
	logs, err := filepath.Glob(filepath.Join(filepath.Dir(f.net.Host(control).Dir), "*.log"))
	require.NoError(f.t, err)
	require.NoError(f.t, os.MkdirAll(to, 0o700))
	for _, path := range logs {
		text, err := os.ReadFile(path)
		require.NoError(f.t, err)
		require.NoError(f.t, os.WriteFile(filepath.Join(to, filepath.Base(path)), text, 0o600))
	}
}

// password is a secret of the fleet. It depends on the seed, so that no run has that of another.
func (f *fleet) password(user, server string) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %s %s", f.seed, user, server))
	return "secret" + hex.EncodeToString(sum[:12])
}

// file returns the file or folder of a name in site.needs.
func (f *fleet) file(name string) string {
	f.t.Helper()
	path, ok := map[string]string{
		"cogflow": "../../bin/cogflow", "cogflow-worker": "../../bin/cogflow-worker", "versitygw": "../../bin/versitygw",
		"temporal-server": "../../bin/temporal-postgres", "temporal": "../../bin/temporal", "base.yaml": "temporal/base.yaml", "dynamic.yaml": "../compose/dynamic.yaml",
		"trainer": "../../trainer",
	}[name]
	if !ok {
		path = filepath.Join(f.dir, name)
	}
	path, err := filepath.EvalSymlinks(path)
	require.NoError(f.t, err, "run make fleet, which builds the programs")
	path, err = filepath.Abs(path)
	require.NoError(f.t, err)
	return path
}

// interpreter is the folder of the Python to which the trainer's environment leads, unless it is
// the system's, which every host sees.
func (f *fleet) interpreter() map[string]string {
	f.t.Helper()
	program, err := filepath.EvalSymlinks(filepath.Join(f.file("trainer"), ".venv", "bin", "python"))
	require.NoError(f.t, err, "run make trainer")
	if folder := filepath.Dir(filepath.Dir(program)); folder != "/usr" {
		return map[string]string{folder: folder}
	}
	return nil
}

// makeFiles writes what hosts are given: the configuration, base models, inputs of jobs.
func (f *fleet) makeFiles() {
	f.t.Helper()
	require.NoError(f.t, os.WriteFile(filepath.Join(f.dir, "config.json"), configuration(f.t), 0o644)) //nolint:gosec // it has no key
	for _, folder := range []string{"jobs", "models", "videos"} {
		require.NoError(f.t, os.Mkdir(filepath.Join(f.dir, folder), 0o755)) //nolint:gosec // neither has this
	}
	f.writeJobs()
}

// prepareLedger gives each worker that pays a user of its own. That of the host control owns the
// tables.
func (f *fleet) prepareLedger() {
	f.t.Helper()
	statements := []string{"CREATE ROLE cogflow_worker NOLOGIN"}
	for _, s := range sites() {
		if slices.Contains(s.keys, ledgerKey) {
			statements = append(statements, fmt.Sprintf("CREATE ROLE %q LOGIN PASSWORD '%s' IN ROLE cogflow_worker", s.name, f.password(s.name, ledgerDB)))
		}
	}
	f.ledgerDB.run("postgres", append(statements, "CREATE DATABASE cogflow OWNER "+control)...)
}

// startWorkers starts the workers of all hosts, and waits until they serve.
func (f *fleet) startWorkers() {
	f.t.Helper()
	for _, s := range sites() { // control first
		if s.pool != "" {
			f.startWorker(s)
		}
		if s.name == control {
			f.awaitWorker(s.name)
			f.ledgerDB.run("cogflow", ledgerRights()...)
		}
	}
	for name := range f.workers {
		f.awaitWorker(name)
	}
	f.logf("all workers serve")
}

func (f *fleet) awaitWorker(name string) {
	f.t.Helper()
	p := f.workers[name]
	f.eventually(func() bool { return strings.Contains(p.Tail(1<<20), `"msg":"ready"`) }, p)
}

func (f *fleet) startWorker(s site) {
	f.t.Helper()
	env := append(f.where(), storeUser+"="+storeUserOf(s.name))
	for _, key := range s.keys {
		if key == ledgerKey {
			env = append(env, "COGFLOW_LEDGER=postgres://"+s.name+"@"+ledgerDB+":5432/cogflow?sslmode=disable")
		}
		env = append(env, key+"="+f.keyOf(s.name, key))
	}
	f.workers[s.name] = f.net.Host(s.name).Start(hosttest.Command{
		Name: "worker", Path: "/opt/cogflow-worker", Args: []string{"--pools", s.pool, "--gpu", "none"}, Env: env,
	})
}

// keyOf is the value of a variable on a host. Each host is a user of its own in the store and in the
// ledger.
func (f *fleet) keyOf(host, variable string) string {
	switch variable {
	case storeSecret:
		return f.password(host, store)
	case ledgerKey:
		return f.password(host, ledgerDB)
	}
	return f.keys[variable]
}

// where is the environment that every host has.
func (f *fleet) where() []string {
	return []string{"TEMPORAL_ADDRESS=" + control + ":7233", "COGNIVERSE_CONFIG=/opt/config.json"}
}

// cogflow runs the command line on the host control or single.
func (f *fleet) cogflow(on string, args ...string) hosttest.Output {
	f.t.Helper()
	env := append(f.where(), storeUser+"="+storeUserOf(on), storeSecret+"="+f.keyOf(on, storeSecret))
	if on == single {
		env = f.singleEnv()
	}
	out := f.net.Host(on).Run(hosttest.Command{Path: "/opt/cogflow", Args: args, Env: env})
	f.t.Logf("%s: cogflow %q: exit %d\n%s%s", on, args, out.Code, out.Stdout, out.Stderr)
	return out
}

// result runs a command with --json, which must succeed. One that has reached no server, which a busy machine answers late,
// has started nothing, and is run again.
func result[T any](f *fleet, on string, args ...string) (out T) {
	f.t.Helper()
	server := f.temporal
	if on == single {
		server = f.workers[single]
	}
	var done hosttest.Output
	f.eventually(func() bool {
		done = f.cogflow(on, append(args, "--json")...)
		return done.Code == 0 || !strings.Contains(done.Stderr, "no Temporal server answers")
	}, server)
	require.Zero(f.t, done.Code, done.Stderr)
	require.NoError(f.t, json.Unmarshal([]byte(done.Stdout), &out), done.Stdout)
	return out
}

// upload makes videos with pictures and sound, and puts them into the store as a library.
func (f *fleet) upload(n, frames int) {
	f.t.Helper()
	for i := range n {
		name := fmt.Sprintf("talking-%d.mp4", i)
		path := filepath.Join(f.dir, "videos", name)
		source := fmt.Sprintf("color=gray:s=16x9:r=1,noise=alls=100:allf=t+u:all_seed=%d,scale=64:36:flags=neighbor", 300+i)
		out, err := exec.CommandContext(f.t.Context(), "ffmpeg", "-v", "error", "-f", "lavfi", "-i", source,
			"-f", "lavfi", "-i", fmt.Sprintf("sine=%d:d=%d", 300+100*i, frames), "-frames:v", strconv.Itoa(frames), "-preset", "ultrafast",
			"-pix_fmt", "yuv420p", path).CombinedOutput()
		require.NoError(f.t, err, string(out))
		content, err := os.Open(path)
		require.NoError(f.t, err)
		bucket, key := library, name
		_, err = f.store.PutObject(f.t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: content})
		require.NoError(f.t, err)
		require.NoError(f.t, content.Close())
	}
}
