//go:build linux

package hosttest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/stretchr/testify/require"
)

// Disk is where a host sees its disk. Programs and what else a host is given are below Programs,
// where it can only read.
const (
	Disk     = "/srv"
	Programs = "/opt"
)

// Options describe a host.
type Options struct {
	Name    string
	Reaches []string          // names of the hosts to which it connects
	Files   map[string]string // path, below Programs if it is relative: to a file or folder of this machine
}

// Host is one host.
type Host struct {
	Name    string
	Address netip.Addr
	UID     int
	Dir     string // its disk, as the test sees it

	network   *Network
	namespace namespace
	cable     *os.File
	reaches   map[string]bool
	files     map[string]string
	link      Link // under network.mu
}

// users counts the hosts of this process.
var users atomic.Int32 //nolint:gochecknoglobals // networks of one process have different users

// newUser returns a user that no system has, and no other process that makes hosts.
func newUser() int {
	const beyondSystem, hosts = 1 << 16, 1 << 8
	return beyondSystem + os.Getpid()*hosts + int(users.Add(1))%hosts
}

// Add makes a host, with the next address and user.
func (n *Network) Add(o Options) *Host {
	n.tb.Helper()
	number := len(n.all()) + 1
	h := &Host{
		Name: o.Name, UID: newUser(), network: n, reaches: map[string]bool{}, files: o.Files,
		Address: netip.AddrFrom4([4]byte{10, 77, 0, byte(number)}), Dir: filepath.Join(n.base, o.Name),
	}
	for _, name := range o.Reaches {
		h.reaches[name] = true
	}
	tb := n.tb
	require.NoError(tb, os.Mkdir(h.Dir, 0o700))
	require.NoError(tb, os.Mkdir(filepath.Join(h.Dir, "tmp"), 0o700))
	for _, dir := range []string{h.Dir, filepath.Join(h.Dir, "tmp")} {
		require.NoError(tb, os.Chown(dir, h.UID, h.UID))
	}
	var err error
	h.namespace, err = newNamespace()
	require.NoError(tb, err)
	h.cable, err = h.namespace.connect(netip.PrefixFrom(h.Address, 24))
	require.NoError(tb, err)
	n.mu.Lock()
	n.hosts[h.Address] = h
	n.mu.Unlock()
	go h.forward()
	return h
}

// forward gives the packets of the host to the router until the host is disconnected.
func (h *Host) forward() {
	packet := make([]byte, 1<<16)
	for {
		size, err := h.cable.Read(packet)
		if err != nil {
			return
		}
		h.network.route(h, packet[:size])
	}
}

// deliver gives a packet to the host. A full queue loses packets, as in any network.
func (h *Host) deliver(packet []byte) { _, _ = h.cable.Write(packet) }

func (h *Host) disconnect() {
	_ = h.cable.Close()
	_ = h.namespace.file.Close()
}

// Write writes a file on the disk of the host, which only the host's user can read.
func (h *Host) Write(name, content string) (path string) {
	tb := h.network.tb
	tb.Helper()
	at := filepath.Join(h.Dir, name)
	require.NoError(tb, os.WriteFile(at, []byte(content), 0o600))
	require.NoError(tb, os.Chown(at, h.UID, h.UID))
	return filepath.Join(Disk, name)
}

// Listen listens on a port of the host, in the process of the test.
func (h *Host) Listen(port int) net.Listener {
	tb := h.network.tb
	tb.Helper()
	var l net.Listener
	err := h.namespace.within(func() (err error) {
		l, err = (&net.ListenConfig{}).Listen(tb.Context(), "tcp", fmt.Sprintf("%s:%d", h.Address, port))
		return err
	})
	require.NoError(tb, err)
	tb.Cleanup(func() { _ = l.Close() })
	return l
}

// Dial connects from the host, in the process of the test. The address must not need a resolver.
func (h *Host) Dial(ctx context.Context, network, address string) (c net.Conn, err error) {
	err = h.namespace.within(func() error {
		c, err = (&net.Dialer{}).DialContext(ctx, network, address)
		return err
	})
	return c, err
}

// killFor is how long killed processes may take to end. One that waits for a disk ends when the disk has answered.
const killFor = time.Minute

// Kill ends every process of the host at once, as a power failure does. Its disk stays.
func (h *Host) Kill() {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	// A process that is being killed can have started another one.
	for deadline := time.Now().Add(killFor); time.Now().Before(deadline); <-tick.C {
		processes := h.Processes()
		if len(processes) == 0 {
			return
		}
		for _, pid := range processes {
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
				h.network.tb.Errorf("kill process %d of %s: %v", pid, h.Name, err)
			}
		}
	}
	h.network.tb.Errorf("processes of %s do not end", h.Name)
}

// Processes returns the live processes of the host's user, or of a user inside one of its
// sandboxes.
func (h *Host) Processes() (all []int) {
	entries, err := filepath.Glob("/proc/[0-9]*/status")
	require.NoError(h.network.tb, err)
	for _, path := range entries {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		var pid int
		if strings.Contains(string(text), fmt.Sprintf("\nUid:\t%d\t", h.UID)) && !strings.Contains(string(text), "\nState:\tZ") {
			if _, err := fmt.Sscanf(path, "/proc/%d/status", &pid); err == nil {
				all = append(all, pid)
			}
		}
	}
	return all
}
