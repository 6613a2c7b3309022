package simulated

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/train"
)

// killing is a fleet of processes that are killed while they train.
type killing struct {
	*fleet
	shared process // what all processes have in common
	random *rand.Rand
	alive  []*running
	kills  int
}

// running is a worker process.
type running struct {
	*program

	queues []string
}

func newKilling(t *testing.T, step time.Duration) *killing {
	t.Helper()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	k := &killing{fleet: &fleet{t: t}, random: rand.New(rand.NewPCG(seed, 0))}
	server := address(t)
	k.client, k.namespace = dial(t, server)
	k.shared = process{Address: server, Namespace: k.namespace, Dir: t.TempDir(), Step: step, Slots: 2}
	t.Cleanup(func() {
		if said, err := os.ReadFile(k.shared.log()); err == nil && t.Failed() {
			t.Logf("worker log:\n%s", said[max(0, len(said)-6000):])
		}
	})
	return k
}

// spawn starts a worker process. The kernel kills it when the test ends.
func (k *killing) spawn(queues ...string) *running {
	k.t.Helper()
	p := k.shared
	p.Queues = queues
	text, err := json.Marshal(p)
	require.NoError(k.t, err)
	said, err := os.OpenFile(p.log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	require.NoError(k.t, err)
	cmd := exec.Command(os.Args[0]) //nolint:noctx // it is killed explicitly
	cmd.Env = append(os.Environ(), asProcess+"="+string(text))
	return &running{queues: queues, program: launch(k.t, cmd, said)}
}

// killSome kills a share of the workers at once, and starts others in their place as a supervisor does.
func (k *killing) killSome(share float64) {
	k.t.Helper()
	victims := k.random.Perm(len(k.alive))[:int(float64(len(k.alive))*share+0.5)]
	for _, i := range victims {
		k.alive[i].kill()
	}
	for _, i := range victims {
		k.alive[i] = k.spawn(k.alive[i].queues...)
	}
	k.kills += len(victims)
}

// steps is the number of steps that all GPUs have computed so far.
func (k *killing) steps() int {
	data, err := os.ReadFile(k.shared.steps())
	if os.IsNotExist(err) {
		return 0
	}
	require.NoError(k.t, err)
	return bytes.Count(data, []byte("\n"))
}

func (k *killing) submit(i int, classes ...string) string {
	k.t.Helper()
	owner := []string{"acme", "bolt"}[i%2]
	common := workflows.Common{Tenant: owner, Priority: 3}
	id := fmt.Sprintf("%s-%05d", owner, i)
	seed := int64(i)
	in := train.Input{Common: common, Name: id, BaseModel: "tiny/llama", GPU: classes, GPUWait: soon, Seed: &seed}
	for row := range 120 {
		in.Dataset.Rows = append(in.Dataset.Rows, fmt.Appendf(nil, `{"prompt":"question %d","completion":"answer %d"}`, row, row))
	}
	err := k.start(id, "TrainSFT", common, in)
	require.NoError(k.t, err)
	return id
}

// requireWhole waits for the jobs, and checks that each has its own result, once.
func (k *killing) requireWhole(ids []string) {
	t := k.t
	t.Helper()
	redone := 0
	costs := map[string]float64{}
	for _, id := range ids {
		var out train.Result
		k.awaitResult(t, id, &out)
		require.Equal(t, "trained", out.Status, id)
		require.Equal(t, 1, out.Version, id)
		owner, _, _ := strings.Cut(id, "-")
		store := filepath.Join(k.shared.Dir, "store")
		got, err := os.ReadFile(filepath.Join(store, training.AdapterPrefix(tenant.ID(owner), id, 1), "adapter_model.safetensors"))
		require.NoError(t, err)
		require.Equal(t, weights(out.Job, simulatedSteps), string(got), id)
		_, err = os.Stat(filepath.Join(store, training.AdapterPrefix(tenant.ID(owner), id, 2)))
		require.ErrorIs(t, err, os.ErrNotExist, "published twice")
		redone += out.Redone
		costs[id] = out.CostUSD
	}
	computed := k.steps()
	t.Logf("%d jobs, %d kills, %d steps computed for %d needed (%d reported as redone)", len(ids), k.kills, computed, len(ids)*simulatedSteps, redone)
	require.GreaterOrEqual(t, computed, len(ids)*simulatedSteps)
	// The entries of a process that was killed last are booked when it has been away for a while.
	await(t, "no entry of the ledger is open", func() bool {
		open, err := k.number("SELECT count(*) FROM call WHERE ended_ms IS NULL")
		return err == nil && open == 0
	})
	for id, said := range costs {
		k.requireCost(id, said)
	}
}

// requireCost compares what a job reports with the ledger.
func (k *killing) requireCost(id string, said float64) {
	k.t.Helper()
	var booked int64
	patiently(k.t, "cost of "+id, func() (err error) {
		booked, err = k.number("SELECT sum(cost) FROM call WHERE workflow = ?", id)
		return err
	})
	require.InDelta(k.t, float64(booked)/1e6, said, 1e-9, id)
	require.Positive(k.t, said, id)
}

// number asks the ledger, which can be busy.
func (k *killing) number(query string, args ...any) (n int64, err error) {
	db, err := sql.Open("sqlite", k.shared.ledger())
	if err != nil {
		return 0, err
	}
	defer db.Close()
	err = db.QueryRowContext(k.t.Context(), query, args...).Scan(&n)
	return n, err
}

// TestKill kills 30 % of all workers again and again: 40 % of five here, and with COGFLOW_SOAK=1 30 % of twenty-two, every 20
// seconds for five minutes.
func TestKill(t *testing.T) {
	t.Parallel()
	if atFullSize() {
		soakKill(t)
		return
	}
	const jobs = 6
	k := newKilling(t, 50*time.Millisecond)
	for range 2 {
		k.alive = append(k.alive, k.spawn(workflows.QueueMain, workflows.QueueMedia))
	}
	for _, class := range []string{"a10g", "h100", "h100"} {
		k.alive = append(k.alive, k.spawn(workflows.ClassQueue(workflows.StemTrain, class)))
	}
	var ids []string
	for i := range jobs {
		ids = append(ids, k.submit(i, []string{"a10g", "h100"}[i%2]))
	}
	for _, moment := range []int{1, jobs * simulatedSteps / 2} {
		await(t, "steps", func() bool { return k.steps() >= moment })
		k.killSome(0.4)
	}
	k.requireWhole(ids)
}

// soakKill trains for five minutes on two workers of each class.
func soakKill(t *testing.T) {
	t.Helper()
	k := newKilling(t, time.Second)
	for range 4 {
		k.alive = append(k.alive, k.spawn(workflows.QueueMain, workflows.QueueMedia))
	}
	classes := realGPUs()
	for _, class := range classes {
		for range 2 {
			k.alive = append(k.alive, k.spawn(workflows.ClassQueue(workflows.StemTrain, class)))
		}
	}
	var ids []string
	submit := func(n int) {
		for range n {
			i := len(ids)
			ids = append(ids, k.submit(i, classes[i%len(classes)]))
		}
	}
	submit(64)
	tick := time.NewTicker(20 * time.Second)
	defer tick.Stop()
	began, rounds := time.Now(), []time.Duration(nil)
	for range 15 {
		<-tick.C
		rounds = append(rounds, time.Since(began).Round(time.Second))
		k.killSome(0.3)
		submit(24)
	}
	t.Logf("workers were killed after %s", rounds)
	k.requireWhole(ids)
}
