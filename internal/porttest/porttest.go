// Package porttest chooses ports for servers of tests that cannot choose one themselves. It starts none.
package porttest

import (
	"net"
	"os"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// Host is where the ports are.
const Host = "127.0.0.1"

// last counts the ports that this process has asked for.
var last atomic.Int32 //nolint:gochecknoglobals // parallel tests get different ports

// Free returns a free port below those that the kernel gives to others, so that none of them takes it before its server does.
func Free(t testing.TB) (port string) {
	t.Helper()
	const from, ports, apart = 20000, 12000, 50
	for range ports {
		port = strconv.Itoa(from + (os.Getpid()*apart+int(last.Add(1)))%ports)
		if l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", net.JoinHostPort(Host, port)); err == nil {
			require.NoError(t, l.Close())
			return port
		}
	}
	require.Fail(t, "no port is free")
	return ""
}
