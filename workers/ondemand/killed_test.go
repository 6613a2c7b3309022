package ondemand

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/config/ownserver"
	"github.com/cogniverse/cogflow/internal/ledger"
	"github.com/cogniverse/cogflow/internal/ledger/costs"
	"github.com/cogniverse/cogflow/internal/modelserver"
	"github.com/cogniverse/cogflow/money"
)

// served is how much time a worker has served at each of its turns: a cold start and idle time, which go on. The
// last turn is not booked: the worker is killed in the middle of its slice.
func served(turn int) modelserver.Usage {
	return modelserver.Usage{Boot: time.Duration(turn) * 3 * time.Second, Idle: time.Duration(turn) * slice}
}

// bookUntilKilled is a worker process that books the time of its server. It waits for a line before each step of the
// ledger, and says what the step was.
func bookUntilKilled(path string) {
	l, err := ledger.Open(path)
	if err != nil {
		panic(err)
	}
	// The test reads what this process says.
	say := func(text string) { _, _ = fmt.Fprintln(os.Stdout, text) }
	o, used := bookedOptions(), modelserver.Usage{}
	lines := bufio.NewScanner(os.Stdin)
	o.Ledger = &faulty{l, func(step string) error {
		say(step)
		if !lines.Scan() {
			os.Exit(1)
		}
		return nil
	}}
	b := newBooks(o, func(string) modelserver.Usage { return used }, func(string) []string { return []string{"qwen"} })
	for turn := 1; ; turn++ {
		used = served(turn)
		if err := b.book(context.Background()); err != nil {
			panic(err)
		}
		say("turn " + strconv.Itoa(turn))
		if !lines.Scan() {
			os.Exit(1)
		}
	}
}

// TestKilledWhileItBooks: whichever step of the ledger a worker is killed at, at most one slice of each kind is missing,
// nothing is booked twice, and the next worker books its own time.
func TestKilledWhileItBooks(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "ledger.db")
	var before [2]time.Duration // what is booked: cold start, idle
	for _, at := range []string{"reserve", "reserved", "settle", "settled"} {
		const whole = 2 // turns that are booked
		worker := exec.CommandContext(t.Context(), os.Args[0], "book", path, at)
		in, err := worker.StdinPipe()
		require.NoError(t, err)
		out, err := worker.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, worker.Start())
		says, turn := bufio.NewScanner(out), 0
		for says.Scan() {
			step := says.Text()
			if n, ok := strings.CutPrefix(step, "turn "); ok {
				turn, err = strconv.Atoi(n)
				require.NoError(t, err)
			}
			if turn == whole && step == at {
				break
			}
			_, err = fmt.Fprintln(in)
			require.NoError(t, err)
		}
		require.NoError(t, worker.Process.Kill())
		require.Error(t, worker.Wait())

		now := booked(t, path)
		for i, used := range [2]func(modelserver.Usage) time.Duration{
			func(u modelserver.Usage) time.Duration { return u.Boot }, func(u modelserver.Usage) time.Duration { return u.Idle },
		} {
			got := now[i] - before[i]
			require.GreaterOrEqual(t, got, used(served(whole)), "%s: %v is lost", at, got)
			require.LessOrEqual(t, got, used(served(whole+1)), "%s: booked twice", at)
			require.LessOrEqual(t, used(served(whole+1))-got, slice)
		}
		before = now
	}
}

// bookedOptions are those of a worker with one server of two GPUs.
func bookedOptions() Options {
	o := Options{Class: "l40s"}
	o.Config.Servers = []ownserver.Server{{Name: "m", GPUs: 2}}
	o.Config.Training.Prices = map[string]float64{"l40s": 3.6}
	return o
}

// booked is the time of cold starts and without requests in the ledger, of one GPU. It checks that the price follows.
func booked(t *testing.T, path string) (out [2]time.Duration) {
	t.Helper()
	at, err := costs.Open(t.Context(), path)
	require.NoError(t, err)
	defer func() { require.NoError(t, at.Close()) }()
	got, err := at.Costs(t.Context(), money.CostQuery{By: []money.Dimension{"tenant", "kind"}})
	require.NoError(t, err)
	for _, g := range got.Groups {
		require.Equal(t, string(Account("l40s")), g.Values[0])
		i := map[string]int{kindColdStart: 0, kindIdle: 1}[g.Values[1]]
		out[i] = time.Duration(g.GPUMS) * time.Millisecond / 2
		require.Equal(t, g.GPUMS, g.SettledMicroUSD, "0.001 USD a second")
	}
	return out
}
