//go:build linux

// Package hosttest makes hosts for tests on one Linux machine. A host has a network of its own (a
// network namespace), a user of its own, a disk of its own, and sees no file of another host. A
// router in the process of the test connects the hosts. It passes only what the test allows, and
// it can lose, delay and cut.
//
// Everything is anonymous: when the process of the test ends, the kernel removes all of it.
package hosttest

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Network connects hosts.
type Network struct {
	tb   testing.TB
	base string // the directory of all disks

	mu      sync.Mutex
	hosts   map[netip.Addr]*Host
	random  *rand.Rand
	refused map[string]int // packets that no rule allows, by "from -> to"
	closed  bool
}

// Missing says what this machine lacks for hosts; empty = nothing.
func Missing() string {
	if os.Geteuid() != 0 {
		return "it makes network namespaces and users, which requires root"
	}
	if _, err := os.Stat(tunDevice); err != nil {
		return "the kernel has no TUN devices: " + err.Error()
	}
	return ""
}

// New makes a network without hosts. Losses depend on the seed and on the order of the packets.
func New(tb testing.TB, seed uint64) *Network {
	tb.Helper()
	require.Empty(tb, Missing())
	n := &Network{
		tb: tb, base: tb.TempDir(), hosts: map[netip.Addr]*Host{}, refused: map[string]int{},
		random: rand.New(rand.NewPCG(seed, 1)),
	}
	tb.Cleanup(n.close)
	return n
}

// Host returns the host with a name.
func (n *Network) Host(name string) *Host {
	n.tb.Helper()
	for _, h := range n.all() {
		if h.Name == name {
			return h
		}
	}
	require.Fail(n.tb, "no such host", name)
	return nil
}

func (n *Network) all() []*Host {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.SortedFunc(maps.Values(n.hosts), func(a, b *Host) int { return a.Address.Compare(b.Address) })
}

// Refused returns the packets that no rule allowed, by "from -> to".
func (n *Network) Refused() map[string]int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return maps.Clone(n.refused)
}

// Link is the state of the cable of a host.
type Link struct {
	Cut   bool
	Delay time.Duration // of each packet, in each direction
	Loss  float64       // share of the packets, in each direction
}

// SetLink changes the link of a host.
func (n *Network) SetLink(h *Host, l Link) {
	n.mu.Lock()
	defer n.mu.Unlock()
	h.link = l
}

// route delivers a packet that a host has sent, now, later or never.
func (n *Network) route(from *Host, packet []byte) {
	to, delay := n.decide(from, packet)
	switch {
	case to == nil:
	case delay == 0:
		to.deliver(packet)
	default:
		packet = slices.Clone(packet)
		time.AfterFunc(delay, func() { to.deliver(packet) })
	}
}

func (n *Network) decide(from *Host, packet []byte) (to *Host, delay time.Duration) {
	const version4, header = 4, 20
	if len(packet) < header || packet[0]>>4 != version4 {
		return nil, 0 // IPv6 looks for routers
	}
	address, _ := netip.AddrFromSlice(packet[16:20])
	n.mu.Lock()
	defer n.mu.Unlock()
	to = n.hosts[address]
	if to == nil || n.closed {
		return nil, 0
	}
	if !from.reaches[to.Name] && !to.reaches[from.Name] {
		n.refused[from.Name+" -> "+to.Name+portOf(packet)]++
		return nil, 0
	}
	for _, l := range []Link{from.link, to.link} {
		if l.Cut || l.Loss > 0 && n.random.Float64() < l.Loss {
			return nil, 0
		}
		delay += l.Delay
	}
	return to, delay
}

// portOf returns ":port" of a TCP or UDP packet's destination.
func portOf(packet []byte) string {
	at := int(packet[0]&0xf) * 4 // the header's length in words
	if len(packet) < at+4 {
		return ""
	}
	return fmt.Sprintf(":%d", binary.BigEndian.Uint16(packet[at+2:]))
}

func (n *Network) close() {
	n.mu.Lock()
	n.closed = true
	n.mu.Unlock()
	for _, h := range n.all() {
		h.Kill()
		h.disconnect()
	}
}
