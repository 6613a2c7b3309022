package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/answer/billtest"
	"github.com/cogniverse/cogflow/internal/embed/embedtest"
	"github.com/cogniverse/cogflow/internal/postgres/postgrestest"
	"github.com/cogniverse/cogflow/money"
)

// TestAccount compares the ledger, call by call, with the bill of an endpoint for captions,
// vectors, speech and language models. Meanwhile calls fail in all ways that billtest knows,
// workers are killed and drained, and the Temporal server and the endpoint have outages.
// TestAccountSoak does the same with about 200 jobs.
func TestAccount(t *testing.T) {
	t.Parallel()
	newAccountant(t, rand.Uint64()).rounds(5, 2, 4*time.Second)
}

func TestAccountSoak(t *testing.T) {
	if os.Getenv("COGFLOW_SOAK") == "" {
		t.Skip("runs with COGFLOW_SOAK=1")
	}
	t.Parallel()
	for i := range 10 {
		t.Run(strconv.Itoa(i), func(t *testing.T) { newAccountant(t, rand.Uint64()).rounds(7, 3, time.Minute) })
	}
}

// TestAccountShared is TestAccount with a ledger in PostgreSQL, which has outages too.
func TestAccountShared(t *testing.T) {
	t.Parallel()
	a := newAccountant(t, rand.Uint64())
	a.database = postgrestest.New(t)
	a.url = a.database.Database(t)
	a.env = append(a.env, "COGFLOW_LEDGER="+a.url)
	a.rounds(3, 2, 4*time.Second)
}

// inFlight bounds the calls in flight of a worker: the slots of all endpoints of
// accountConfig, and a few calls that are being started or stored.
const inFlight = 30

const accountVideos = 3 // per library

// accountant is a stack whose models are all served by one endpoint, which records its bill.
type accountant struct {
	*stack
	database *postgrestest.Server // of the ledger; nil = a file
	url      string               // of the database
	endpoint *billtest.Server
	random   *rand.Rand
	seed     uint64
	dir      string // with videos that have pictures and sound
	workers  []*workerProcess
	runs     []*accountRun
	kills    int
	gone     int // outages of the endpoint
	raised   int // runs that waited for more budget
	restarts int // restarts of workers that exited by themselves
}

// accountConfig has profiles with embeddings of captions, several or one per request, and of
// pictures. Chat models have prices per token, other models have prices per call.
const accountConfig = `{"cogflow": {
	"endpoints": {
		"chat": {"kind": "openai", "url": "%[1]s/v1", "models": ["bill/vlm"], "max_in_flight": 4, "timeout": %[2]q,
			"input_usd_per_mtok": 0.5, "output_usd_per_mtok": 5.5},
		"lms": {"kind": "openai", "url": "%[1]s/v1", "models": ["bill/student", "bill/teacher"], "max_in_flight": 8, "timeout": %[2]q,
			"input_usd_per_mtok": 1.1, "output_usd_per_mtok": 4.3},
		"texts": {"kind": "embeddings", "url": "%[1]s/v1", "models": ["bill/texts"], "max_in_flight": 4, "timeout": %[2]q},
		"pictures": {"kind": "pooling", "url": "%[1]s", "models": ["bill/pictures"], "max_in_flight": 4, "timeout": %[2]q},
		"speech": {"kind": "transcriptions", "url": "%[1]s/v1", "models": ["bill/asr"], "max_in_flight": 2, "timeout": %[2]q}
	},
	"optimize": {"student": {"model": "bill/student", "max_tokens": 200}, "teacher": {"model": "bill/teacher", "max_tokens": 300}},
	"profiles": {
		"captions": {"sampling": {"strategy": "fps", "fps": 1}, "chunk_frames": 4, "describe": {"model": "bill/vlm", "max_tokens": 60, "max_pixels": 4096},
			"embed": {"model": "bill/texts", "dim": 64, "cost_micro_usd": 7}, "transcribe": {"model": "bill/asr", "cost_micro_usd": 90}},
		"pictures": {"sampling": {"strategy": "fps", "fps": 1}, "chunk_frames": 4, "describe": {"model": "bill/vlm", "max_tokens": 60, "max_pixels": 4096},
			"embed": {"model": "bill/pictures", "dim": 64, "of": "frame", "cost_micro_usd": 11}, "transcribe": {"model": "bill/asr", "cost_micro_usd": 90}},
		"pooled": {"sampling": {"strategy": "fps", "fps": 1}, "chunk_frames": 4, "describe": {"model": "bill/vlm", "max_tokens": 60, "max_pixels": 4096},
			"embed": {"model": "bill/pictures", "dim": 64, "cost_micro_usd": 11}}
	}}}`

func newAccountant(t *testing.T, seed uint64) *accountant {
	t.Helper()
	if text := os.Getenv("COGFLOW_ACCOUNT_SEED"); text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		require.NoError(t, err)
		seed = n
	}
	t.Logf("COGFLOW_ACCOUNT_SEED=%d", seed)
	a := accountFor(newStack(t, nil), callTimeout, talkingVideos(t, accountVideos, 5))
	a.seed, a.random = seed, rand.New(rand.NewPCG(seed, 0))
	a.endpoint.Latency = func() time.Duration { return rand.N(200 * time.Millisecond) }
	return a
}

// callTimeout ends the calls of billtest.Slow. It is longer than a busy machine stops a process, after which an answer that
// was sent in time is not read any more.
const callTimeout = 10 * time.Second

// accountFor lets the workers of a stack call an endpoint that records its bill. It has no random faults.
func accountFor(s *stack, timeout time.Duration, dir string) *accountant {
	s.t.Helper()
	a := &accountant{stack: s, endpoint: billtest.Start(s.t), dir: dir}
	e := a.endpoint
	e.Tokens = map[string]money.Price{
		"bill/vlm": {Input: 0.5, Output: 5.5}, "bill/student": {Input: 1.1, Output: 4.3}, "bill/teacher": {Input: 1.1, Output: 4.3},
	}
	e.Calls = map[string]int64{"bill/texts": 7, "bill/pictures": 11, "bill/asr": 90}
	e.VLM.Models, e.ASR.Models = []string{"bill/vlm"}, []string{"bill/asr"}
	e.LM.Models, e.LM.Say = []string{"bill/student", "bill/teacher"}, answerTopics
	e.Embed.Models = map[string]embedtest.Model{"bill/texts": {Dim: 64}, "bill/pictures": {Dim: 64}}
	file := filepath.Join(a.stack.dir, "config.json")
	require.NoError(s.t, os.WriteFile(file, fmt.Appendf(nil, accountConfig, e.URL, timeout.String()), 0o600))
	a.env = append(a.env, "COGNIVERSE_CONFIG="+file)
	return a
}

// talkingVideos makes n videos with sound, each with the given number of distinct frames.
func talkingVideos(t *testing.T, n, frames int) string {
	t.Helper()
	dir := t.TempDir()
	for i := range n {
		source := fmt.Sprintf("color=gray:s=16x9:r=1,noise=alls=100:allf=t+u:all_seed=%d,scale=64:36:flags=neighbor", 300+i)
		out, err := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error", "-f", "lavfi", "-i", source,
			"-f", "lavfi", "-i", fmt.Sprintf("sine=%d:d=%d", 300+100*i, frames), "-frames:v", strconv.Itoa(frames), "-preset", "ultrafast",
			"-pix_fmt", "yuv420p", filepath.Join(dir, fmt.Sprintf("talking-%d.mp4", i))).CombinedOutput()
		require.NoError(t, err, string(out))
	}
	return dir
}

// rounds starts runs concurrently, injects faults and compares the ledger, in several
// rounds. away bounds each outage of the server and the endpoint.
func (a *accountant) rounds(rounds, runs int, away time.Duration) {
	a.t.Helper()
	for range 2 {
		a.workers = append(a.workers, a.worker(nil))
	}
	for range rounds {
		a.endpoint.Fail(billtest.Plan{Seed: a.random.Uint64(), Rate: 0.35 * a.random.Float64(), Streak: 3})
		var open []*accountRun
		for range runs {
			open = append(open, a.start())
		}
		for range 1 + a.random.IntN(3) {
			a.injectFault(1+a.random.IntN(20), open, away)
		}
		for _, r := range open {
			r.finish()
		}
	}
	a.endpoint.Fail(billtest.Plan{})
	// A live worker books the calls in flight of a killed worker as lost.
	a.poll(func() bool { return a.openEntries() == 0 })
	for _, w := range a.workers {
		w.drain()
	}
	require.NoError(a.t, a.server.Stop())
	a.compare()
}

// injectFault waits for a number of requests and then injects a fault. Runs that wait for
// budget or for the end of a fault make no requests for a while.
func (a *accountant) injectFault(requests int, open []*accountRun, away time.Duration) {
	a.t.Helper()
	idle := time.After(5 * time.Second)
wait:
	for until := a.endpoint.Count() + requests; a.endpoint.Count() < until && !ended(open); {
		select {
		case <-time.After(5 * time.Millisecond):
		case <-idle:
			break wait
		}
	}
	<-time.After(a.upTo(100 * time.Millisecond))
	faults := []string{"kill", "kill", "drain", "no server", "no endpoint", "power failure"}
	if a.database != nil {
		faults = append(faults, "no ledger", "no ledger", "cut connections")
	}
	victim, what := a.random.IntN(len(a.workers)), a.random.IntN(len(faults))
	a.t.Logf("after %d requests: %s", a.endpoint.Count(), faults[what])
	switch what {
	case 0, 1: // a worker crashes
		a.workers[victim].kill()
		a.kills++
		a.workers[victim] = a.worker(nil)
	case 2: // a worker is replaced
		a.workers[victim].drain()
		a.workers[victim] = a.worker(nil)
	case 3:
		a.killServer()
		<-time.After(a.upTo(away))
		a.stack.start()
	case 4:
		a.gone++
		a.endpoint.Stop()
		<-time.After(a.upTo(min(away, 5*time.Second)))
		a.endpoint.Start()
	case 5: // a power failure
		a.killServer()
		for i, w := range a.workers {
			w.kill()
			a.kills++
			a.workers[i] = nil
		}
		a.stack.start()
		for i := range a.workers {
			a.workers[i] = a.worker(nil)
		}
	case 6, 7:
		a.database.Stop(a.t)
		<-time.After(a.upTo(away))
		a.database.Start(a.t)
	case 8:
		a.database.Cut(a.t)
	}
	a.restartExited()
}

// restartExited restarts a worker that exited by itself, as a supervisor does. A worker
// exits if the server is killed while the worker connects.
func (a *accountant) restartExited() {
	for i, w := range a.workers {
		select {
		case err := <-w.done:
			w.done <- err
			a.restarts++
			require.Less(a.t, a.restarts, 50, "too many workers exit by themselves: %v", err)
			a.workers[i] = a.worker(nil)
		default:
		}
	}
}

func (a *accountant) upTo(most time.Duration) time.Duration {
	return time.Duration(a.random.Int64N(int64(most) + 1))
}

func ended(runs []*accountRun) bool {
	for _, r := range runs {
		select {
		case <-r.done:
		default:
			return false
		}
	}
	return true
}

// topics are rows for an optimization.
func topics(n, offset int) json.RawMessage {
	var rows []map[string]string
	for i := range n {
		rows = append(rows, map[string]string{"query": fmt.Sprintf("topic %d", offset+i), "answer": strconv.Itoa((offset + i) % 7)})
	}
	text, _ := json.Marshal(rows)
	return text
}
