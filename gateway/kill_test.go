package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"

	"github.com/cogniverse/cogflow/internal/clips"
	"github.com/cogniverse/cogflow/internal/ledger/costs"
	"github.com/cogniverse/cogflow/money"
)

// killPlan is the size of a round.
type killPlan struct {
	kills   int // of each kind of process; of each gateway, half as many
	jobs    int // at least
	frames  int // of each video
	callers int // of each kind of request
	every   int // what happens between two kills, on average: events, answers and pieces
}

// TestKill kills gateways, the worker and the model server under load, at random moments, and starts
// them again. No accepted job may be lost or run twice, and no stream may look whole that is not.
// COGFLOW_SOAK=1 kills each of them many times, with a store in S3.
func TestKill(t *testing.T) {
	t.Parallel()
	plan, fullSize := killPlan{kills: 2, jobs: 3, frames: 3, callers: 2, every: 60}, os.Getenv("COGFLOW_SOAK") != ""
	if fullSize {
		plan = killPlan{kills: 34, jobs: 100, frames: 8, callers: 4, every: 600}
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	s := newKillStack(t, fullSize)
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	c := &clients{t: t, ctx: ctx, addresses: s.addresses, outcomes: map[string]int{}, http: &http.Client{Transport: &http.Transport{}}}
	defer c.http.CloseIdleConnections()

	var load, work sync.WaitGroup
	stop := make(chan struct{})
	stopped := func() bool {
		select {
		case <-stop:
			return true
		default:
			return ctx.Err() != nil
		}
	}
	var next atomic.Int64
	for caller := range plan.callers {
		for kind, request := range map[string]func(topic string){"chat": c.chat, "stream": c.stream} {
			load.Go(func() {
				for i := 0; !stopped(); i++ {
					request(fmt.Sprintf("%s-%d-%d", kind, caller, i))
				}
			})
		}
		work.Go(func() {
			for {
				i := int(next.Add(1))
				if i > plan.jobs && stopped() {
					return
				}
				c.ingest(s.dir, i, plan.frames)
			}
		})
	}
	require.Eventually(t, func() bool { _, frames, _ := s.billed(); return frames > 0 }, time.Minute, 10*time.Millisecond, "the first job runs")
	for _, v := range s.order(plan.kills, random) {
		c.await(int64(random.IntN(2*plan.every)) + 1)
		if random.IntN(4) > 0 { // else also while it starts
			require.Eventually(t, func() bool { return v.ready() > v.said }, time.Minute, 5*time.Millisecond, "%s starts again", v.name)
		}
		v.kill()
	}
	close(stop)
	load.Wait()
	work.Wait()
	t.Logf("kills: gateways %d and %d, worker %d, model server %d", s.gateways[0].kills, s.gateways[1].kills, s.worker.kills, s.model.kills)
	t.Logf("outcomes: %v", c.outcomes)
	s.check(c.accepted, plan.frames)
}

// ingest uploads a video and ingests it.
func (c *clients) ingest(dir string, i, frames int) {
	path, err := clips.Seeded(c.ctx, "ffmpeg", filepath.Join(dir, "videos"), frames, i)
	if err != nil {
		c.wrong("%v", err)
		return
	}
	name := filepath.Base(path)
	content, err := os.ReadFile(path)
	if err != nil {
		c.wrong("%v", err)
		return
	}
	uri := c.upload(name, content)
	if uri == "" {
		return
	}
	id := c.job(fmt.Sprintf("key-%d", i), name, uri, frames)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.accepted = append(c.accepted, id)
}

// order is the processes in the order in which they are killed.
func (s *killStack) order(kills int, random *rand.Rand) (all []*victim) {
	for i := range kills {
		all = append(all, s.gateways[i%2], s.worker, s.model)
	}
	random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

// await waits until n more things have happened.
func (c *clients) await(n int64) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for until := c.progress.Load() + n; c.progress.Load() < until && c.ctx.Err() == nil; {
		<-tick.C
	}
}

// check compares what the clients were told with what Temporal, the model server and the ledger have.
func (s *killStack) check(ids []string, frames int) {
	t := s.t
	accepted := map[string]bool{}
	for _, id := range ids {
		require.NotEmpty(t, id)
		accepted[id] = true
		d, err := s.client.DescribeWorkflow(t.Context(), id, "")
		require.NoError(t, err, id)
		require.Equal(t, enums.WORKFLOW_EXECUTION_STATUS_COMPLETED, d.Status, id)
	}
	require.Len(t, accepted, len(ids), "each key has a job of its own")
	require.Eventually(t, func() bool { // the list is a little behind
		list, err := s.client.CountWorkflow(t.Context(), &workflowservice.CountWorkflowExecutionsRequest{Namespace: "default", Query: "WorkflowType='IngestVideo'"})
		return err == nil && list.GetCount() == int64(len(ids))
	}, time.Minute, 50*time.Millisecond, "no job runs twice")

	billed, described, calls := s.billed()
	require.Equal(t, len(ids)*frames, described, "each frame was described")
	repeated := calls - described
	require.LessOrEqual(t, repeated, (s.worker.kills+s.model.kills)*killInFlight, "only calls in flight at a kill are made again")
	books, err := costs.Open(t.Context(), s.ledger())
	require.NoError(t, err)
	defer books.Close()
	var sum money.Cost
	require.Eventually(t, func() bool { // a reservation of a dead process is booked after its lease
		all, err := books.Costs(t.Context(), money.CostQuery{})
		sum = all.Total
		return err == nil && sum.Open == 0
	}, 2*time.Minute, 50*time.Millisecond, "no reservation stays open")
	t.Logf("billed %d micro-USD, booked %d, of these %d for failed and %d lost calls; %d of %d calls about frames were repeated",
		billed, sum.SettledMicroUSD, sum.FailedMicroUSD, sum.Lost, repeated, calls)
	require.GreaterOrEqual(t, sum.SettledMicroUSD, billed, "what the server billed is booked")
}

// billed is what the model server has billed in micro-USD, and the calls about frames.
func (s *killStack) billed() (microUSD int64, frames, calls int) {
	data, err := os.ReadFile(s.bill())
	require.NoError(s.t, err)
	about := map[string]bool{}
	for lines := bufio.NewScanner(bytes.NewReader(data)); lines.Scan(); {
		var b billLine
		require.NoError(s.t, json.Unmarshal(lines.Bytes(), &b))
		microUSD += b.Input + 2*b.Output
		if strings.HasPrefix(b.ID, "frame") && b.Input > 0 {
			about[b.ID] = true
			calls++
		}
	}
	return microUSD, len(about), calls
}
