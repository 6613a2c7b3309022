//go:build linux

package hosttest_test

import (
	"io"
	"net/http"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/deploy/fleet/hosttest"
)

// two are hosts of which the first connects to the second, which serves a page, and a third that
// may connect to neither.
func two(t *testing.T) (n *hosttest.Network, client, server, stranger *hosttest.Host) {
	t.Helper()
	if why := hosttest.Missing(); why != "" {
		t.Skip(why)
	}
	n = hosttest.New(t, 1)
	server = n.Add(hosttest.Options{Name: "server"})
	client = n.Add(hosttest.Options{Name: "client", Reaches: []string{"server"}})
	stranger = n.Add(hosttest.Options{Name: "stranger"})
	page := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "hello")
	})}
	listener := server.Listen(80)
	go func() { _ = page.Serve(listener) }()
	return n, client, server, stranger
}

func curl(h *hosttest.Host, seconds string) hosttest.Output {
	return h.Run(hosttest.Command{Path: "/usr/bin/curl", Args: []string{"-sS", "--max-time", seconds, "http://server/"}})
}

func TestNetwork(t *testing.T) {
	t.Parallel()
	n, client, server, stranger := two(t)
	require.Equal(t, hosttest.Output{Stdout: "hello"}, curl(client, "30"))

	const timedOut = 28
	deadline := time.Now().Add(time.Minute)
	for n.Refused()["stranger -> server:80"] == 0 { // on a busy machine, a second can pass before a packet is sent
		require.True(t, time.Now().Before(deadline), n.Refused())
		require.Equal(t, timedOut, curl(stranger, "1").Code)
	}
	require.NotContains(t, n.Refused(), "client -> server:80")

	n.SetLink(server, hosttest.Link{Cut: true})
	require.Equal(t, timedOut, curl(client, "1").Code)
	n.SetLink(server, hosttest.Link{Delay: 30 * time.Millisecond, Loss: 0.1})
	began := time.Now()
	require.Equal(t, "hello", curl(client, "60").Stdout)
	require.GreaterOrEqual(t, time.Since(began), 4*30*time.Millisecond, "a connection and a request")
}

func TestHost(t *testing.T) {
	t.Parallel()
	_, client, server, _ := two(t)
	shell := func(h *hosttest.Host, script string) hosttest.Output {
		return h.Run(hosttest.Command{Path: "/bin/sh", Args: []string{"-c", script}})
	}
	client.Write("own", "a file of the client")
	require.Equal(t, "a file of the client", shell(client, "cat /srv/own").Stdout)
	require.NotZero(t, shell(server, "cat /srv/own").Code, "each host has its own disk")
	require.Equal(t, "client\n", shell(client, "id -un; ls -A /root; ls -A /home").Stdout)
	require.Zero(t, shell(client, "echo x > /tmp/shared && echo x > /dev/shm/shared").Code)
	require.Empty(t, shell(server, "ls /tmp /dev/shm | grep shared").Stdout)
	require.NotZero(t, shell(client, "touch /opt/x || touch /etc/hosts").Code)
	require.Equal(t, "HOME LANG PATH PWD TMPDIR USER", shell(client, "env | sed 's/=.*//' | grep -v _ | sort | xargs | tr -d '\n'").Stdout)

	p := client.Start(hosttest.Command{Name: "sleep", Path: "/bin/sh", Args: []string{"-c", "setsid sleep 1000 & sleep 1000"}})
	require.Eventually(t, func() bool { return len(client.Processes()) == 3 }, time.Minute, 5*time.Millisecond)
	p.Signal(syscall.SIGSTOP)
	client.Kill()
	<-p.Done()
	require.Empty(t, client.Processes())
	require.FileExists(t, client.Dir+"/own", "the disk stays")
	_, err := os.Stat(server.Dir)
	require.NoError(t, err)
}
