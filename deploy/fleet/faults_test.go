//go:build linux

package fleet

import (
	"math/rand/v2"
	"slices"
	"syscall"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/deploy/fleet/hosttest"
)

// fault is a kind of fault. strike breaks something, and repair ends that.
type fault struct {
	name   string
	on     []string // hosts, of which one is chosen; nil = any host with a worker
	lasts  time.Duration
	strike func(f *fleet, on site)
	repair func(f *fleet, on site)
}

// minute is how long a network is cut and a worker is stopped: longer than the heartbeats of
// activities, the leases of the ledger and the keepalive of connections.
const minute = time.Minute

const (
	killTheHost = "kill the host"
	cutNetwork  = "cut the network of the host"
	crashServer = "crash PostgreSQL"
	restart     = "restart PostgreSQL"
)

func kinds() []fault {
	databases := []string{temporalDB, ledgerDB}
	return []fault{
		{name: killTheHost, lasts: 3 * time.Second, strike: (*fleet).killHost, repair: (*fleet).bootHost},
		{name: cutNetwork, lasts: minute, strike: link(hosttest.Link{Cut: true}), repair: link(hosttest.Link{})},
		{name: "delay and lose packets of the host", lasts: minute / 2, strike: link(hosttest.Link{Delay: 40 * time.Millisecond, Loss: 0.05}), repair: link(hosttest.Link{})},
		{name: "stop the worker", lasts: minute, strike: send(syscall.SIGSTOP), repair: send(syscall.SIGCONT)},
		{name: "drain the worker", strike: (*fleet).drainWorker, repair: (*fleet).startWorker},
		{name: crashServer, on: []string{temporalDB}, lasts: 5 * time.Second, strike: (*fleet).crashDatabase, repair: (*fleet).startDatabase},
		{name: crashServer, on: []string{ledgerDB}, lasts: 5 * time.Second, strike: (*fleet).crashDatabase, repair: (*fleet).startDatabase},
		{name: restart, on: databases, strike: (*fleet).stopDatabase, repair: (*fleet).startDatabase},
	}
}

// injury is a fault that strikes a host at a time.
type injury struct {
	fault

	host  site
	until time.Time
}

// plan chooses n faults and their hosts. Every kind comes before one comes again, and so does
// every host with a worker.
func (f *fleet) plan(n int) (all []injury) {
	random := rand.New(rand.NewPCG(f.seed, 2)) //nolint:gosec // a test
	workers := slices.DeleteFunc(sites(), func(s site) bool { return s.pool == "" })
	for hosts := []site(nil); len(all) < n; {
		chosen := kinds()
		random.Shuffle(len(chosen), func(i, j int) { chosen[i], chosen[j] = chosen[j], chosen[i] })
		for _, k := range chosen[:min(len(chosen), n-len(all))] {
			if k.on != nil {
				all = append(all, injury{fault: k, host: site{name: k.on[random.IntN(len(k.on))]}})
				continue
			}
			if len(hosts) == 0 {
				hosts = slices.Clone(workers)
				random.Shuffle(len(hosts), func(i, j int) { hosts[i], hosts[j] = hosts[j], hosts[i] })
			}
			all = append(all, injury{fault: k, host: hosts[0]})
			hosts = hosts[1:]
		}
	}
	return all
}

// related reports whether two faults may not overlap: those of one host, and those of the Temporal
// server and its database, without which the server does not start.
func related(a, b site) bool {
	temporal := []string{control, temporalDB}
	return a.name == b.name || slices.Contains(temporal, a.name) && slices.Contains(temporal, b.name)
}

// breakThings injects faults while jobs run. Up to three things are broken at once.
func (f *fleet) breakThings(all []injury) {
	f.t.Helper()
	const atOnce, apart = 3, 8 * time.Second
	f.latency.Store(int64(time.Second / 2)) // so that calls are in flight when something breaks
	var open []injury
	next := time.Now().Add(apart)
	for len(all) > 0 || len(open) > 0 {
		now := time.Now()
		open = slices.DeleteFunc(open, func(in injury) bool {
			if !now.After(in.until) {
				return false
			}
			in.repair(f, in.host)
			f.logf("%s: repaired: %s", in.host.name, in.name)
			return true
		})
		first := slices.IndexFunc(all, func(in injury) bool {
			return !slices.ContainsFunc(open, func(o injury) bool { return related(o.host, in.host) })
		})
		if first >= 0 && len(open) < atOnce && now.After(next) && (f.calls(all[first].host) || now.After(next.Add(2*apart))) {
			in := all[first]
			f.logf("%s: %s, %s", in.host.name, in.name, in.lasts)
			in.strike(f, in.host)
			in.until, next = time.Now().Add(in.lasts), time.Now().Add(apart)
			open, all = append(open, in), slices.Delete(all, first, first+1)
		}
		f.pass(200 * time.Millisecond)
	}
}

// calls reports whether a host has calls in flight, if its pool makes any: a fault of an idle host
// shows little.
func (f *fleet) calls(s site) bool {
	kind := map[string]string{"describe": "describe", "transcribe": "transcribe", "embed": "embed", "lm": "complete"}[s.pool]
	if kind == "" {
		return true
	}
	open, err := f.ledgerDB.rows("SELECT key FROM cogflow.call WHERE ended_at IS NULL AND kind=$1 LIMIT 1", kind)
	return err == nil && len(open) > 0
}

func (f *fleet) killHost(on site) {
	f.workers[on.name] = nil // so that nobody starts it
	if on.name == control {
		f.temporal = nil
	}
	f.net.Host(on.name).Kill()
}

func (f *fleet) bootHost(on site) {
	if on.name == control {
		f.launchTemporal()
	}
	f.startWorker(on)
}

func link(l hosttest.Link) func(f *fleet, on site) {
	return func(f *fleet, on site) { f.net.SetLink(f.net.Host(on.name), l) }
}

func send(s syscall.Signal) func(f *fleet, on site) {
	return func(f *fleet, on site) { f.workers[on.name].Signal(s) }
}

// drainWorker ends a worker in order.
func (f *fleet) drainWorker(on site) {
	p := f.workers[on.name]
	f.workers[on.name] = nil
	p.Signal(syscall.SIGTERM)
	for end := time.Now().Add(2 * minute); !closed(p.Done()); {
		require.True(f.t, time.Now().Before(end), "%s does not drain: %s", on.name, p.Tail(3000))
		f.pass(200 * time.Millisecond)
	}
}

func (f *fleet) databaseOf(on site) *database {
	if on.name == temporalDB {
		return f.temporalDB
	}
	return f.ledgerDB
}

// crashDatabase ends a database like a power failure.
func (f *fleet) crashDatabase(on site) {
	d := f.databaseOf(on)
	d.host.Kill()
	<-d.process.Done()
}

// stopDatabase ends a database in order. It closes all connections.
func (f *fleet) stopDatabase(on site) {
	d := f.databaseOf(on)
	d.process.Signal(syscall.SIGINT)
	<-d.process.Done()
}

func (f *fleet) startDatabase(on site) { f.databaseOf(on).start() }

// pass lets time pass. Meanwhile what has ended by itself is started again, as a supervisor does: a
// worker that cannot reach the server while it starts, and a Temporal server that has lost its
// database.
func (f *fleet) pass(long time.Duration) {
	f.t.Helper()
	for end := time.Now().Add(long); ; {
		for _, s := range sites() {
			if p := f.workers[s.name]; s.pool != "" && p != nil && closed(p.Done()) && f.mayRestart(p) {
				f.startWorker(s)
			}
		}
		if f.temporal != nil && closed(f.temporal.Done()) && f.mayRestart(f.temporal) {
			f.launchTemporal()
		}
		f.tend()
		left := min(time.Until(end), 200*time.Millisecond)
		if left <= 0 {
			return
		}
		select {
		case <-time.After(left):
		case <-f.t.Context().Done():
			return
		}
	}
}

// mayRestart reports whether a program that has ended may start again: two seconds after it ended.
func (f *fleet) mayRestart(p *hosttest.Process) bool {
	f.t.Helper()
	if f.endedAt[p].IsZero() {
		f.endedAt[p] = time.Now()
		f.logf("%s has ended by itself: %s", p.Log, p.Tail(300))
		require.Less(f.t, len(f.endedAt), 300, "too many programs end by themselves")
	}
	return time.Since(f.endedAt[p]) > 2*time.Second
}
