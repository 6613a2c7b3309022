package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// roleOf names what the test binary is besides tests: a process of a benchmark or of TestKill.
const roleOf = "COGFLOW_BENCH_ROLE"

// behind is the address of the server behind a proxy.
const behind = "COGFLOW_BENCH_BEHIND"

// inRole is what this process does, if it is not one of tests.
func inRole() (did bool) {
	switch os.Getenv(roleOf) {
	case "gateway":
		main()
	case "server":
		modelServer()
	case "proxy":
		reverseProxy(os.Getenv(behind))
	case "scripted":
		scriptedServer()
	default:
		return false
	}
	return true
}

// modelServer is the bare server: it answers at once, always the same.
func modelServer() {
	l := listens()
	whole := []byte(answered)
	all := [][]byte{[]byte(events(delta("hello"))), []byte(events(delta("you"))), []byte(events(last)), []byte(events(tokens)), []byte(events("[DONE]"))}
	panic(http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var head [4096]byte
		var buffer [32 << 10]byte
		n := 0
		for {
			m, err := r.Body.Read(buffer[:])
			if n < len(head) {
				n += copy(head[n:], buffer[:m])
			}
			if err != nil {
				break
			}
		}
		if !bytes.Contains(head[:n], []byte(`"stream":true`)) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write(whole)
			return
		}
		w.Header().Set("Content-Type", streamed)
		control := http.NewResponseController(w)
		for bytes.Contains(head[:n], []byte(`"slow":true`)) {
			_, _ = w.Write(all[0])
			if control.Flush() != nil {
				return // the client has gone
			}
			<-time.After(time.Second)
		}
		for _, event := range all {
			_, _ = w.Write(event)
			_ = control.Flush() // a client that goes away reads nothing
		}
	})))
}

// reverseProxy is what Go's own library puts before a server: the least that another process on the way
// costs on this machine.
func reverseProxy(address string) {
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: address})
	proxy.Transport = &http.Transport{MaxIdleConnsPerHost: 1024} // as many connections as the gateway keeps
	panic(http.Serve(listens(), proxy))                          //nolint:gosec // of a benchmark
}

func listens() net.Listener {
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Fprintf(os.Stderr, "\"ready\" %s\n", l.Addr())
	return l
}

// process is a server of a benchmark, with a process of its own.
type process struct {
	cmd     *exec.Cmd
	out     *output
	address string
}

// starts starts the test binary in a role.
func starts(b *testing.B, role string, env ...string) *process {
	b.Helper()
	p := &process{cmd: exec.CommandContext(b.Context(), os.Args[0]), out: &output{}} //nolint:gosec // this binary
	p.cmd.Env = append(append(os.Environ(), roleOf+"="+role), env...)
	p.cmd.Stderr = p.out
	p.begin(b, func() bool { return strings.Contains(p.out.String(), `"ready"`) })
	found := regexp.MustCompile(`127\.0\.0\.1:\d+`).FindString(p.out.String())
	require.NotEmpty(b, found, p.out.String())
	p.address = found
	return p
}

func (p *process) begin(b *testing.B, ready func() bool) {
	b.Helper()
	require.NoError(b, p.cmd.Start())
	b.Cleanup(func() {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		err := p.cmd.Wait()
		if b.Failed() {
			b.Logf("%v: %v: %.4000s", p.cmd.Args, err, p.out.String())
		}
	})
	require.Eventually(b, ready, 3*time.Minute, 10*time.Millisecond)
}

// cpu is the CPU time of the process so far.
func (p *process) cpu(b *testing.B) time.Duration {
	b.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	require.NoError(b, err)
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')'):]))
	var ticks int64
	for _, f := range fields[12:14] { // utime, stime
		n, err := strconv.ParseInt(f, 10, 64)
		require.NoError(b, err)
		ticks += n
	}
	return time.Duration(ticks) * (time.Second / 100)
}

// memory is what the process has in memory, in MB.
func (p *process) memory(b *testing.B) float64 {
	b.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	require.NoError(b, err)
	found := regexp.MustCompile(`VmRSS:\s+(\d+) kB`).FindSubmatch(status)
	require.NotNil(b, found)
	kb, err := strconv.ParseFloat(string(found[1]), 64)
	require.NoError(b, err)
	return kb / 1024
}
