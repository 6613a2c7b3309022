package main

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"image"
	"image/png"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/answer/zootest"
)

// both are the bare server and a gateway before it.
func both(b *testing.B) (bare, gateway *process) {
	b.Helper()
	bare = starts(b, "server")
	dir := b.TempDir()
	file := filepath.Join(dir, "config.json")
	require.NoError(b, os.WriteFile(file, fmt.Appendf(nil, `{"cogflow":{"ledger":"%s/ledger.db","store":"file://%s/store","gateway":{"address":"127.0.0.1:0","max_in_flight":4096},
		"endpoints":{"a":{"kind":"openai","url":"http://%s/v1","models":["m"],"input_usd_per_mtok":1,"output_usd_per_mtok":2,"max_in_flight":4096}}}}`,
		dir, dir, bare.address), 0o600))
	gateway = starts(b, "gateway", "COGNIVERSE_CONFIG="+file)
	return bare, gateway
}

const benchIt = 5 * time.Second // of each server in an iteration

const askWhole = `{"model":"m","messages":[{"role":"user","content":"Describe the picture in one sentence."}],"max_tokens":100}`

// BenchmarkRequests makes 500 requests a second at random times to the bare server and to the
// gateway, in turn.
//
//	added-p50, added-p99     how much later the gateway answers, in ms (goals 1 and 5)
//	steady-p50, steady-p99   the same of requests while the CPU was not slowed down; see speed
//	steady-%                 the share of these requests
//	cpu-us                   CPU time of the gateway for a request
func BenchmarkRequests(b *testing.B) {
	bare, gateway := both(b)
	compare(b, bare, gateway, 500, []byte(askWhole), lastByte)
}

// BenchmarkProxy is BenchmarkRequests with Go's reverse proxy in place of the gateway: what any process on the
// way adds on this machine.
func BenchmarkProxy(b *testing.B) {
	bare := starts(b, "server")
	compare(b, bare, starts(b, "proxy", behind+"="+bare.address), 500, []byte(askWhole), lastByte)
}

// BenchmarkFirstByte makes 200 streams a second: how much later their first byte comes (goal 2).
func BenchmarkFirstByte(b *testing.B) {
	bare, gateway := both(b)
	compare(b, bare, gateway, 200, []byte(askStream), firstByte)
}

// BenchmarkImages makes 50 requests a second with a body of 1 MB. Memory must not grow.
func BenchmarkImages(b *testing.B) {
	bare, gateway := both(b)
	noise := image.NewNRGBA(image.Rect(0, 0, 440, 440))
	_, _ = rand.Read(noise.Pix) // never fails
	var file bytes.Buffer
	require.NoError(b, png.Encode(&file, noise))
	body := `{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"What is it?"},{"type":"image_url","image_url":{"url":"data:image/png;base64,` + base64.StdEncoding.EncodeToString(file.Bytes()) + `"}}]}],"max_tokens":100}`
	compare(b, bare, gateway, 50, []byte(body), lastByte)
}

func compare(b *testing.B, bare, gateway *process, rate float64, body []byte, of func(took) time.Duration) {
	b.Helper()
	paced(b, post(gateway.address, body), rate, time.Second) // start connections
	var alone, through []took
	var spent time.Duration
	var memory []float64
	machine := sampleSpeed(b)
	for b.Loop() {
		alone = append(alone, paced(b, post(bare.address, body), rate, benchIt)...)
		before := gateway.cpu(b)
		through = append(through, paced(b, post(gateway.address, body), rate, benchIt)...)
		spent += gateway.cpu(b) - before
		memory = append(memory, gateway.memory(b))
	}
	require.NotEmpty(b, alone)
	require.NotEmpty(b, through)
	machine.end()
	steadyAlone, steadyThrough := machine.steady(alone), machine.steady(through)
	require.NotEmpty(b, steadyAlone)
	require.NotEmpty(b, steadyThrough)
	for _, q := range []float64{0.5, 0.9, 0.99, 0.999} {
		name := strings.TrimPrefix(strconv.FormatFloat(q, 'f', -1, 64), "0.")
		if len(name) == 1 {
			name += "0"
		}
		x, y := quantile(alone, of, q), quantile(through, of, q)
		b.ReportMetric(x, "bare-p"+name)
		b.ReportMetric(y-x, "added-p"+name)
		b.ReportMetric(quantile(steadyThrough, of, q)-quantile(steadyAlone, of, q), "steady-p"+name)
	}
	b.ReportMetric(100*float64(len(steadyAlone))/float64(len(alone)), "bare-steady-%")
	b.ReportMetric(100*float64(len(steadyThrough))/float64(len(through)), "steady-%")
	b.ReportMetric(float64(spent.Microseconds())/float64(len(through)), "cpu-us")
	b.ReportMetric(memory[0], "MB-first")
	b.ReportMetric(memory[len(memory)-1], "MB-last")
}

// BenchmarkOpenStreams has 2,000 streams open that get an event every second. Memory must not grow.
//
//	MB-first, MB-most, MB-last   what the gateway has in memory while they are open
//	MB-per-hour                  how fast that grows after the first quarter of the time: the slope of a straight line
//	cpu-us                       CPU time for an event
func BenchmarkOpenStreams(b *testing.B) {
	_, gateway := both(b)
	const streams = 2000
	body := []byte(strings.Replace(askStream, `"stream"`, `"slow":true,"stream"`, 1))
	empty := gateway.memory(b)
	var open []*caller
	for range streams {
		c, err := dial(b.Context(), gateway.address)
		require.NoError(b, err)
		_, err = c.Write(post(gateway.address, body).request)
		require.NoError(b, err)
		open = append(open, c)
	}
	for _, c := range open {
		_, err := c.head()
		require.NoError(b, err)
		b.Cleanup(func() { _ = c.Close() })
	}
	var memory []float64
	before := gateway.cpu(b)
	for _, c := range open {
		go func() { _, _ = io.Copy(io.Discard, c.read) }() // until it is closed
	}
	seconds := 0
	for b.Loop() {
		for range int(benchIt.Seconds()) {
			<-time.After(time.Second)
			memory = append(memory, gateway.memory(b))
			seconds++
		}
	}
	b.ReportMetric(empty, "MB-idle")
	b.ReportMetric(memory[0], "MB-first")
	b.ReportMetric(memory[len(memory)-1], "MB-last")
	b.ReportMetric(slices.Max(memory), "MB-most")
	b.ReportMetric(slope(memory[len(memory)/4:])*3600, "MB-per-hour")
	b.ReportMetric(float64((gateway.cpu(b)-before).Microseconds())/float64(seconds*streams), "cpu-us")
}

// slope is how much the values grow from one to the next, by the method of least squares.
func slope(values []float64) float64 {
	var x, y, xx, xy float64
	for i, v := range values {
		x, y, xx, xy = x+float64(i), y+v, xx+float64(i*i), xy+float64(i)*v
	}
	n := float64(len(values))
	return (n*xy - x*y) / (n*xx - x*x)
}

// BenchmarkLiteLLM compares with LiteLLM's proxy before the same server: requests per second of CPU
// time, of eight callers (goal: 10 times as many). `make bench-gateway` installs the proxy.
func BenchmarkLiteLLM(b *testing.B) {
	if os.Getenv("COGFLOW_LITELLM") == "" {
		b.Skip("run make bench-gateway, which installs the proxy")
	}
	program, err := filepath.Abs("../internal/answer/zootest/litellm/.venv/bin/litellm")
	require.NoError(b, err)
	bare, gateway := both(b)
	other := litellm(b, program, bare.address)
	ours, theirs := post(gateway.address, []byte(askWhole)), post(other.address, []byte(askWhole))
	for _, t := range []target{ours, theirs} {
		saturated(b, t, 8, 2*time.Second) // both have started everything
	}
	var n [2]int
	var spent, wall [2]time.Duration
	for b.Loop() {
		for i, p := range []*process{gateway, other} {
			before, start := p.cpu(b), time.Now()
			n[i] += saturated(b, []target{ours, theirs}[i], 8, benchIt)
			spent[i] += p.cpu(b) - before
			wall[i] += time.Since(start)
		}
	}
	perCore := func(i int) float64 { return float64(n[i]) / spent[i].Seconds() }
	b.ReportMetric(perCore(0), "req/core-s")
	b.ReportMetric(perCore(1), "litellm-req/core-s")
	b.ReportMetric(perCore(0)/perCore(1), "ratio")
	b.ReportMetric(float64(n[0])/wall[0].Seconds(), "req/s")
	b.ReportMetric(float64(n[1])/wall[1].Seconds(), "litellm-req/s")
}

// litellm starts LiteLLM's proxy with one process, no log of requests and no database.
func litellm(b *testing.B, program, server string) *process {
	b.Helper()
	file := filepath.Join(b.TempDir(), "config.yaml")
	require.NoError(b, os.WriteFile(file, fmt.Appendf(nil, `
model_list:
  - model_name: m
    litellm_params: {model: openai/m, api_base: http://%s/v1, api_key: sk-none, max_retries: 0, input_cost_per_token: 0.000001, output_cost_per_token: 0.000002}
litellm_settings: {num_retries: 0, telemetry: false}
general_settings: {master_key: sk-bench}
`, server), 0o600))
	l, err := (&net.ListenConfig{}).Listen(b.Context(), "tcp", "127.0.0.1:0")
	require.NoError(b, err)
	address := l.Addr().String()
	_, port, err := net.SplitHostPort(address)
	require.NoError(b, err)
	require.NoError(b, l.Close())
	p := &process{cmd: exec.CommandContext(b.Context(), program, "--config", file, "--host", "127.0.0.1", "--port", port), out: &output{}, address: address} //nolint:gosec // the proxy
	p.cmd.Env = append(os.Environ(), "LITELLM_LOCAL_MODEL_COST_MAP=True", "NO_DOCS=True", "LITELLM_LOG=ERROR")
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	p.begin(b, func() bool { return zootest.IsUp(b.Context(), "http://"+address+"/health/liveliness") })
	return p
}
