package models

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/internal/cli/format"
)

// server is a model server of one host.
type server struct {
	Host    string `json:"host"`
	Process int    `json:"process"` // the worker process that owns it, or would start it
	Class   string `json:"class"`
	activities.ModelServer

	queues []string // of the processes of the host that have it, the owner first
}

// merge makes one entry for each server and host of what the processes of a host say.
func merge(hosts []activities.WorkerHost, only string) []server {
	out := []server{}
	for _, h := range hosts {
		for _, s := range h.Servers {
			if only != "" && s.Server != only && !slices.Contains(s.Models, only) {
				continue
			}
			next := server{Host: h.Host, Process: h.Process, Class: h.Class, ModelServer: s, queues: []string{h.Queue}}
			at := slices.IndexFunc(out, func(o server) bool { return o.Host == h.Host && o.Server == s.Server })
			if at < 0 {
				out = append(out, next)
				continue
			}
			out[at] = together(out[at], next)
		}
	}
	slices.SortFunc(out, func(a, b server) int { return cmp.Or(cmp.Compare(a.Server, b.Server), cmp.Compare(a.Host, b.Host)) })
	return out
}

// ranks order the states of one server in several processes: the owner knows most.
var ranks = map[string]int{ //nolint:gochecknoglobals // a constant
	stateBusy: 9, stateIdle: 8, stateStopping: 7, stateBooting: 6, stateReady: 5, stateWaiting: 4, stateBackingOff: 3, stateFailed: 2, stateAsleep: 1,
}

const (
	stateBusy       = "busy"
	stateIdle       = "idle"
	stateStopping   = "stopping"
	stateBooting    = "booting"
	stateReady      = "ready"
	stateWaiting    = "waiting"
	stateBackingOff = "backing_off"
	stateFailed     = "failed"
	stateAsleep     = "asleep"
	stateUnusable   = "unusable"
)

func together(a, b server) server {
	if ranks[b.State] > ranks[a.State] {
		a, b = b, a
	}
	a.queues = append(a.queues, b.queues...)
	a.Requests += b.Requests
	a.Starts += b.Starts
	a.Failures += b.Failures
	a.Boot += b.Boot
	a.Idle += b.Idle
	if a.State == stateIdle && a.Requests > 0 { // those of another process
		a.State, a.Left, a.Limit = stateBusy, 0, 0
	}
	return a
}

// state is the state in words, with its numbers.
func (s server) state() string {
	seconds := func(v float64) string { return format.Span(time.Duration(v) * time.Second) }
	switch s.State {
	case stateBooting:
		return fmt.Sprintf("booting, %s of at most %s", seconds(s.Seconds), seconds(s.Limit))
	case stateBusy:
		return "busy, " + format.Count(s.Requests, "request", "requests")
	case stateIdle:
		return "idle, stops in " + seconds(s.Left)
	case stateBackingOff:
		return "backing off, starts again after " + seconds(s.Left)
	case stateReady:
		return "ready, of a worker that does not answer"
	}
	return s.State
}
