package activities

import (
	"context"
	"time"

	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video/waits"
)

// ModelServer is the state of a model server on demand, as one worker process knows it.
type ModelServer struct {
	Server string   `json:"server"` // its name in the configuration
	Models []string `json:"models"` // that its endpoints name
	// State is asleep, waiting, booting, ready, busy, idle, stopping, backing_off, failed or unusable.
	State  string `json:"state"`
	Detail string `json:"detail,omitempty"` // what it waits for, or why it failed
	Shared bool   `json:"shared,omitempty"` // another worker process of the host owns it

	Requests int        `json:"requests,omitempty"` // in progress, of this worker process
	Since    *time.Time `json:"since,omitempty"`    // when the state began, by the clock of the worker
	Seconds  float64    `json:"seconds,omitempty"`  // how long the state lasts
	Left     float64    `json:"left_s,omitempty"`   // seconds until the end of the boot timeout, the stop of an idle server, or the next start
	Limit    float64    `json:"limit_s,omitempty"`  // the boot timeout of a server that boots, or scaledown of an idle one, in seconds

	GPUs     int      `json:"gpus"`                         // number of GPUs that it leases
	Devices  []string `json:"devices,omitempty"`            // GPUs that it has leased
	SetAside []string `json:"devices_set_aside,omitempty"`  // GPUs on which starts have failed
	Memory   int64    `json:"memory_bytes,omitempty"`       // of each GPU that it leases; 0 = the whole GPU
	Port     string   `json:"port"`                         // that it listens at
	Starts   int      `json:"starts,omitempty"`             // since the worker process began
	Failures int      `json:"failures,omitempty"`           // likewise: failed starts, and ends while it served
	Boot     float64  `json:"cold_start_seconds,omitempty"` // likewise: time to become ready, of all starts
	Idle     float64  `json:"idle_seconds,omitempty"`       // likewise: time without requests
}

// HostGPU is a GPU of a host, or a part of one.
type HostGPU struct {
	Name  string `json:"name"`                        // such as NVIDIA H100 80GB HBM3
	UUID  string `json:"uuid"`                        // as CUDA_VISIBLE_DEVICES names it
	Total int64  `json:"memory_bytes,omitempty"`      // 0 = the driver does not say
	Used  *int64 `json:"memory_used_bytes,omitempty"` // by all processes; null = the driver does not say
	Held  string `json:"held,omitempty"`              // who uses it; empty = it is free
	Aside string `json:"set_aside,omitempty"`         // why it gets no work; empty = it may be used
}

// WorkerHost is what one worker process knows of its host.
type WorkerHost struct {
	Host    string        `json:"host"`               // its name
	Queue   string        `json:"queue"`              // task queue of the process alone
	Process int           `json:"process"`            // number of the process on the host
	Class   string        `json:"class"`              // GPU class of its queues
	GPUs    []HostGPU     `json:"gpus,omitempty"`     // as the driver lists them
	Servers []ModelServer `json:"servers"`            // its model servers on demand
	Problem string        `json:"problem,omitempty"`  // why the GPUs could not be listed
	Log     []string      `json:"log,omitempty"`      // the last lines of a server, if they are asked for
	LogFile string        `json:"log_file,omitempty"` // path on the host
}

// ServerInput names a model server of a worker process.
type ServerInput struct {
	Server string `json:"server,omitempty"`    // name of the server, or a model that it serves; empty = all
	Lines  int    `json:"log_lines,omitempty"` // last lines of its output to return
}

// Owner is the default tenant: model servers belong to no tenant, and have no objects.
func (ServerInput) Owner() tenant.ID { return tenant.Default }

// Warmed is a server that was started, or was ready.
type Warmed struct {
	Host   string  `json:"host"`           // where it runs
	Server string  `json:"server"`         // its name in the configuration
	Waited float64 `json:"waited_seconds"` // until it was ready
}

// ReleasedServer is a server that was stopped.
type ReleasedServer struct {
	Host   string `json:"host"`          // of the worker process
	Server string `json:"server"`        // its name in the configuration
	Was    string `json:"was"`           // its state before
	Cut    int    `json:"cut,omitempty"` // requests in progress when the time to drain was over; they are made again
}

// Servers holds the activities about model servers on demand of one worker process.
type Servers struct {
	List    func(ctx context.Context, in ServerInput) (WorkerHost, error)
	Warm    func(ctx context.Context, server string, waits func(text string)) (Warmed, error)
	Release func(ctx context.Context, server string) (ReleasedServer, error)
}

// ModelServers describes the servers of this worker process.
func (a *Servers) ModelServers(ctx context.Context, in ServerInput) (WorkerHost, error) {
	return a.List(ctx, in)
}

// WarmModelServer starts a server as a request does, and waits until it is ready.
func (a *Servers) WarmModelServer(ctx context.Context, in ServerInput) (Warmed, error) {
	place := pulseOf(ctx).waits.Place()
	defer place.Clear()
	return a.Warm(ctx, in.Server, func(text string) {
		reason := waits.Reason{Code: waits.Server, On: in.Server, Text: text}
		if text == "" {
			reason = waits.Reason{}
		}
		place.Set(reason)
	})
}

// ReleaseModelServer drains and stops a server of this worker process.
func (a *Servers) ReleaseModelServer(ctx context.Context, in ServerInput) (ReleasedServer, error) {
	return a.Release(ctx, in.Server)
}
