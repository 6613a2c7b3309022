package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/gateway/keys"
	"github.com/cogniverse/cogflow/internal/porttest"
)

// guarded is a gateway in a process of its own, with a listener that requires keys.
type guarded struct {
	*victim
	t       *testing.T
	dir     string
	address string
}

func startGuarded(t *testing.T) *guarded {
	t.Helper()
	g := &guarded{t: t, dir: t.TempDir(), address: "127.0.0.1:" + porttest.Free(t)}
	file := filepath.Join(g.dir, "config.json")
	require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, `{"cogflow":{"ledger":"%s/ledger.db","store":"file://%[1]s/store","telemetry":"off","gateway":{"listeners":{"keyed":{"address":%q}}}}}`,
		g.dir, g.address), 0o600))
	g.victim = &victim{t: t, name: "gateway", program: os.Args[0], env: []string{roleOf + "=gateway", "COGNIVERSE_CONFIG=" + file}, log: filepath.Join(g.dir, "log")}
	g.start()
	t.Cleanup(func() { g.end(syscall.SIGTERM) })
	require.Eventually(t, func() bool { return g.ready() > 0 }, time.Minute, 10*time.Millisecond)
	return g
}

// memory is the most that the process has had in memory, in bytes.
func (g *guarded) memory() int64 {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", g.cmd.Process.Pid))
	require.NoError(g.t, err)
	found := regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindSubmatch(status)
	require.NotNil(g.t, found)
	kb, err := strconv.ParseInt(string(found[1]), 10, 64)
	require.NoError(g.t, err)
	return kb << 10
}

// visitor is a client with an address of its own.
type visitor struct {
	*http.Client
	url string
}

func (g *guarded) from(address string) visitor {
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	transport := &http.Transport{MaxIdleConnsPerHost: 16, DialContext: func(ctx context.Context, network, to string) (net.Conn, error) {
		return dialer.DialContext(ctx, network, to)
	}}
	g.t.Cleanup(transport.CloseIdleConnections)
	return visitor{&http.Client{Transport: transport}, "http://" + g.address + "/v1/models"}
}

// ask returns the status of a request with a key; 0 = there was no answer.
func (c visitor) ask(ctx context.Context, key string) int {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url, nil)
	if err != nil {
		return 0
	}
	r.Header.Set("Authorization", "Bearer "+key)
	got, err := c.Do(r)
	if err != nil {
		return 0
	}
	defer got.Body.Close()
	if _, err := io.Copy(io.Discard, got.Body); err != nil { // then the connection is used again
		return 0
	}
	return got.StatusCode
}

// refusals are what the log says about refused keys: its lines, and all refusals that they stand for.
func (g *guarded) refusals() (lines, all int) {
	data, err := os.ReadFile(g.log)
	require.NoError(g.t, err)
	for line := range bytes.Lines(data) {
		var l struct {
			By     string
			Before int `json:"not_logged_before"`
		}
		if json.Unmarshal(line, &l) == nil && l.By == "key" {
			lines++
			all += 1 + l.Before
		}
	}
	return lines, all
}

// TestSoakWrongKeys sends many wrong keys from one address, 100,000 with COGFLOW_SOAK=1. They are refused, and
// the gateway needs neither more memory nor more lines of its log for them. Callers with a valid key are
// served meanwhile, also from that address.
func TestSoakWrongKeys(t *testing.T) {
	t.Parallel()
	tries, most := 4_000, int64(64<<20)
	if os.Getenv("COGFLOW_SOAK") != "" {
		tries = 100_000
	}
	g := startGuarded(t)
	store, err := keys.OpenExisting(t.Context(), filepath.Join(g.dir, "ledger.db"))
	require.NoError(t, err)
	valid, _, err := store.Create(t.Context(), "acme", "", 0)
	require.NoError(t, err)
	require.NoError(t, store.Close())

	attacker, neighbour, other := g.from("127.0.0.1"), g.from("127.0.0.1"), g.from("127.0.0.2")
	var served atomic.Int64
	var working sync.WaitGroup
	ctx, stop := context.WithCancel(t.Context())
	for _, c := range []visitor{neighbour, other} {
		working.Go(func() {
			for ctx.Err() == nil {
				if status := c.ask(ctx, valid); status != http.StatusOK && ctx.Err() == nil {
					t.Errorf("a valid key is answered with status %d", status)
					return
				}
				served.Add(1)
			}
		})
	}

	wrong := func(i int) string {
		switch i % 4 {
		case 0:
			return "sk-wrong-" + strconv.Itoa(i) // of another service
		case 1:
			return strings.ToLower(keys.New())
		default:
			return keys.New() // only the database knows that it is wrong
		}
	}
	var refused, limited atomic.Int64
	flood := func(from, to int) {
		const callers = 8
		var next atomic.Int64
		next.Store(int64(from))
		var work sync.WaitGroup
		for range callers {
			work.Go(func() {
				for i := int(next.Add(1) - 1); i < to; i = int(next.Add(1) - 1) {
					switch status := attacker.ask(t.Context(), wrong(i)); status {
					case http.StatusUnauthorized:
						refused.Add(1)
					case http.StatusTooManyRequests:
						limited.Add(1)
					default:
						t.Errorf("a wrong key is answered with status %d", status)
					}
				}
			})
		}
		work.Wait()
	}
	began := time.Now()
	flood(0, tries/4)
	warm := g.memory()
	require.Equal(t, http.StatusUnauthorized, g.from("127.0.0.3").ask(t.Context(), "wrong"), "another address has tries of its own")
	flood(tries/4, tries)
	took, grown := time.Since(began), g.memory()-warm
	stop()
	working.Wait()

	// The address is told of a wrong key again when it has a try again, and then the log names all.
	total := tries + 1
	require.Eventually(t, func() bool {
		total++
		return attacker.ask(t.Context(), "wrong") == http.StatusUnauthorized
	}, time.Minute, 10*time.Millisecond)
	lines, all := 0, 0
	require.Eventually(t, func() bool { lines, all = g.refusals(); return all == total }, time.Minute, 10*time.Millisecond, "the log counts every wrong key")
	t.Logf("%d wrong keys in %.1f s: %d with status 401, %d with 429, %d lines of the log; memory grew by %d MiB to %d MiB; %d requests with a valid key",
		tries, took.Seconds(), refused.Load(), limited.Load(), lines, grown>>20, (warm+grown)>>20, served.Load())
	require.GreaterOrEqual(t, refused.Load(), int64(60), "the first ones are told why")
	require.Greater(t, limited.Load(), int64(tries/2))
	require.LessOrEqual(t, lines, 60+int(time.Since(began).Seconds())+3, "60 lines, and one more each second")
	require.Less(t, grown, most)
	require.Positive(t, served.Load())

	log, err := os.ReadFile(g.log)
	require.NoError(t, err)
	for _, of := range []string{"cgf_", "sk-wrong-"} { // all keys begin so
		require.Zero(t, bytes.Count(log, []byte(of)), "a key is in the log")
	}
}
