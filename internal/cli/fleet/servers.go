package fleet

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/internal/cli/format"
)

// Server is a model server on demand of one host.
type Server struct {
	Host    string `json:"host"`
	Process int    `json:"process"` // the worker process that owns it, or would start it
	Class   string `json:"class"`
	activities.ModelServer

	// Used and Total are the memory of all GPUs that it has leased. Used has also what others use of them.
	Used  *int64 `json:"devices_memory_used_bytes,omitempty"` // null = it has no GPU, or the driver does not say
	Total int64  `json:"devices_memory_bytes,omitempty"`

	// Queues are those of the processes of the host that have it, the owner first.
	Queues []string `json:"-"`
}

// Servers makes one entry for each server and host of what the processes of a host say.
func Servers(hosts []activities.WorkerHost, only string) []Server {
	out := []Server{}
	for _, h := range hosts {
		for _, s := range h.Servers {
			if only != "" && s.Server != only && !slices.Contains(s.Models, only) {
				continue
			}
			next := Server{Host: h.Host, Process: h.Process, Class: h.Class, ModelServer: s, Queues: []string{h.Queue}}
			next.memory(h.GPUs)
			at := slices.IndexFunc(out, func(o Server) bool { return o.Host == h.Host && o.Server == s.Server })
			if at < 0 {
				out = append(out, next)
				continue
			}
			out[at] = together(out[at], next)
		}
	}
	slices.SortFunc(out, func(a, b Server) int { return cmp.Or(cmp.Compare(a.Server, b.Server), cmp.Compare(a.Host, b.Host)) })
	return out
}

// memory sums up the memory of the GPUs that the server has leased.
func (s *Server) memory(gpus []activities.HostGPU) {
	var used int64
	known := true
	for _, g := range gpus {
		if slices.Contains(s.Devices, g.UUID) {
			s.Total += g.Total
			if g.Used == nil {
				known = false
				continue
			}
			used += *g.Used
		}
	}
	if s.Total > 0 && known {
		s.Used = &used
	}
}

// MemoryText is the memory of its GPUs that is used; "–" = it has none now.
func (s Server) MemoryText() string { return memoryText(s.Used, s.Total) }

// Rank orders the states of one server in several processes: the owner knows most.
func Rank(state string) int { return ranks[state] }

var ranks = map[string]int{ //nolint:gochecknoglobals // a constant
	StateBusy: 9, StateIdle: 8, StateStopping: 7, StateBooting: 6, StateReady: 5, StateWaiting: 4, StateBackingOff: 3, StateFailed: 2, StateAsleep: 1,
}

// The states of servers.
const (
	StateBusy       = "busy"
	StateIdle       = "idle"
	StateStopping   = "stopping"
	StateBooting    = "booting"
	StateReady      = "ready"
	StateWaiting    = "waiting"
	StateBackingOff = "backing_off"
	StateFailed     = "failed"
	StateAsleep     = "asleep"
	StateUnusable   = "unusable"
)

func together(a, b Server) Server {
	if ranks[b.State] > ranks[a.State] {
		a, b = b, a
	}
	a.Queues = append(a.Queues, b.Queues...)
	a.Requests += b.Requests
	a.Starts += b.Starts
	a.Failures += b.Failures
	a.Boot += b.Boot
	a.Idle += b.Idle
	if a.State == StateIdle && a.Requests > 0 { // those of another process
		a.State, a.Left, a.Limit = StateBusy, 0, 0
	}
	return a
}

// StateText is the state in words, with its numbers.
func (s Server) StateText() string {
	seconds := func(v float64) string { return format.Span(time.Duration(v) * time.Second) }
	switch s.State {
	case StateBooting:
		return fmt.Sprintf("booting, %s of at most %s", seconds(s.Seconds), seconds(s.Limit))
	case StateBusy:
		return "busy, " + format.Count(s.Requests, "request", "requests")
	case StateIdle:
		return "idle, stops in " + seconds(s.Left)
	case StateBackingOff:
		return "backing off, starts again after " + seconds(s.Left)
	case StateReady:
		return "ready, of a worker that does not answer"
	}
	return s.State
}
