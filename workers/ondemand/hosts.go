package ondemand

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/config/ownserver"
	"github.com/cogniverse/cogflow/internal/modelserver"
	"github.com/cogniverse/cogflow/safetext"
)

// drainFor is how long a server that is released waits for its requests in progress.
const drainFor = time.Minute

// Activities are the activities about the servers of this worker process. A nil s has none.
func (s *Servers) Activities() *activities.Servers {
	if s == nil {
		return nil
	}
	return &activities.Servers{List: s.list, Warm: s.warm, Release: s.release}
}

// WithoutServers are the activities of a worker process without model servers: it tells the GPUs of its
// host. nil = it has none of these either.
func WithoutServers(class string, devices func(ctx context.Context) ([]activities.HostGPU, error)) *activities.Servers {
	if class == "cpu" {
		return nil
	}
	return (&Servers{Options: Options{Class: class, Devices: devices}}).Activities()
}

// FindOp is the operation in the fault of a worker process that does not have a server.
const FindOp = "find model server"

// find finds a server by its name, or by a model that it serves.
func (s *Servers) find(name string) (ownserver.Server, error) {
	all := s.Config.Servers
	at := slices.IndexFunc(all, func(one ownserver.Server) bool { return one.Name == name })
	if at < 0 {
		at = slices.IndexFunc(all, func(one ownserver.Server) bool { return slices.Contains(s.models(one.Name), name) })
	}
	if at < 0 {
		var names []string
		for _, one := range all {
			names = append(names, one.Name)
		}
		return ownserver.Server{}, fault.New(fault.Input, FindOp, name, "this worker has "+cmp.Or(strings.Join(names, ", "), "none"))
	}
	return all[at], nil
}

// models are the models that a server serves, as endpoints name them.
func (s *Servers) models(server string) (out []string) {
	for _, e := range s.Config.Endpoints {
		if e.OwnServer == server {
			out = append(out, e.Models...)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// readFor is how long a driver may take to list the GPUs. One that hangs must not hide the servers.
const readFor = 5 * time.Second

func (s *Servers) list(ctx context.Context, in activities.ServerInput) (activities.WorkerHost, error) {
	out := activities.WorkerHost{Host: hostname(), Process: os.Getpid(), Class: s.Class, Servers: []activities.ModelServer{}}
	all := s.Config.Servers
	if in.Server != "" {
		one, err := s.find(in.Server)
		if err != nil {
			return out, err
		}
		all = []ownserver.Server{one}
	}
	if s.Devices != nil {
		reading, stop := context.WithTimeoutCause(ctx, readFor, fault.New(fault.Capacity, "read the GPUs", "", "the driver did not answer within "+readFor.String()))
		defer stop()
		var err error
		if out.GPUs, err = s.Devices(reading); err != nil {
			out.Problem = safetext.Line(cmp.Or(context.Cause(reading), err).Error(), maxLine)
		}
	}
	for _, one := range all {
		out.Servers = append(out.Servers, s.describe(one))
		if in.Lines > 0 {
			lines, file, err := modelserver.LastLines(s.logs(), one.Name, in.Lines)
			if err != nil {
				return out, err
			}
			out.LogFile = file
			for _, line := range lines {
				out.Log = append(out.Log, s.Redactor.Line(line, maxLine))
			}
		}
	}
	return out, nil
}

const maxLine = 500

func (s *Servers) describe(c ownserver.Server) activities.ModelServer {
	now := s.manager.Status(c.Name)
	used := s.manager.Usage(c.Name)
	out := activities.ModelServer{
		Server: c.Name, Models: s.models(c.Name), Detail: now.Detail, Shared: now.Shared, Requests: now.Users, GPUs: c.GPUs, SetAside: now.SetAside,
		Memory: c.GPUBytes, Port: portOf(c.Ready), Starts: used.Starts, Failures: used.Failed, Boot: used.Boot.Seconds(), Idle: used.Idle.Seconds(),
	}
	if now.Devices != "" {
		out.Devices = strings.Split(now.Devices, ",")
	}
	if !now.Since.IsZero() {
		out.Since, out.Seconds = &now.Since, max(0, time.Since(now.Since).Seconds())
	}
	if !now.Until.IsZero() {
		out.Left = max(0, time.Until(now.Until).Seconds())
	}
	out.State = stateOf(now)
	switch out.State {
	case "booting":
		out.Limit = c.BootTimeout.Seconds()
	case "idle":
		out.Limit = c.Scaledown.Seconds()
	case "asleep":
		if missing := s.specs[c.Name].Missing; missing != nil {
			out.State, now.Err = "unusable", missing
		}
	}
	if now.Err != nil {
		out.Detail = now.Err.Error()
	}
	out.Detail = s.Redactor.Line(out.Detail, maxLine)
	return out
}

func stateOf(now modelserver.Status) string {
	switch now.State {
	case modelserver.Starting:
		return "waiting"
	case modelserver.Ready:
		switch {
		case now.Shared:
			return "ready"
		case now.Users > 0:
			return "busy"
		}
		return "idle"
	case modelserver.Failed:
		if now.Until.After(time.Now()) {
			return "backing_off"
		}
		return "failed"
	case modelserver.Stopped:
		return "asleep"
	case modelserver.Booting, modelserver.Stopping:
	}
	return string(now.State)
}

func (s *Servers) warm(ctx context.Context, name string, waits func(string)) (activities.Warmed, error) {
	one, err := s.find(name)
	if err != nil {
		return activities.Warmed{}, err
	}
	began := time.Now()
	release, err := s.manager.Use(ctx, one.Name, waits)
	if err != nil {
		return activities.Warmed{}, err
	}
	release()
	return activities.Warmed{Host: hostname(), Server: one.Name, Waited: time.Since(began).Seconds()}, nil
}

func (s *Servers) release(_ context.Context, name string) (activities.ReleasedServer, error) {
	one, err := s.find(name)
	if err != nil {
		return activities.ReleasedServer{}, err
	}
	out := activities.ReleasedServer{Host: hostname(), Server: one.Name, Was: stateOf(s.manager.Status(one.Name))}
	out.Cut, err = s.manager.Release(one.Name, drainFor)
	return out, err
}

// Queue is the name of this worker process in the name of its own task queue.
func Queue() (host, name string) { return hostname(), process() }

// process is the name of this worker process on its host.
func process() string { return fmt.Sprintf("%d-%s", os.Getpid(), instance) }

func hostname() string {
	name, err := os.Hostname()
	if err != nil {
		return "unknown"
	}
	return name
}

// portOf is the port of a URL that the configuration has checked.
func portOf(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return ""
	}
	return cmp.Or(u.Port(), "80")
}
