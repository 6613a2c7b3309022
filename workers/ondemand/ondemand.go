// Package ondemand builds the model servers that a worker starts when they are needed, from
// its configuration. It knows no pool and no activity.
package ondemand

import (
	"context"
	"crypto/rand"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/config"
	"github.com/cogniverse/cogflow/internal/config/ownserver"
	"github.com/cogniverse/cogflow/internal/lease"
	"github.com/cogniverse/cogflow/internal/modelserver"
	"github.com/cogniverse/cogflow/panics"
	"github.com/cogniverse/cogflow/safetext"
)

// Options of New.
type Options struct {
	Config config.Config
	Getenv func(string) string
	Class  string                       // GPU class of the worker
	GPUs   func() (*lease.Table, error) // of this host; shared with training

	// Devices lists the GPUs of this host with their memory. nil = it has none.
	Devices func(ctx context.Context) ([]activities.HostGPU, error)

	Redactor *safetext.Redactor // of texts that enter histories
	Ledger   Ledger             // books the time of servers with GPUs

	// Ask lets another process of this host start servers, which needs neither Class, GPUs nor Ledger;
	// see modelserver.Options.
	Ask func(ctx context.Context, name string) error

	// Restore loads the active adapters of a base model into its server. nil = no server has
	// adapters.
	Restore func(ctx context.Context, base string) error

	outward func() ([]string, error) // addresses that other hosts reach; nil = those of this host
	backoff func(failures int) time.Duration
}

// Servers are the model servers of a worker. nil has none.
type Servers struct {
	Options
	manager    *modelserver.Manager
	byEndpoint map[string]string // name of the server by the server of an endpoint
	specs      map[string]modelserver.Spec
	locks      lease.Locks
	books      *books
	stop       chan struct{}
	loop       panics.Group
}

// instance tells worker processes with the same number on hosts of the same name apart, such as
// containers.
var instance = strings.ToLower(rand.Text()[:6]) //nolint:gochecknoglobals // of the process

// askPause is the time between attempts to let another process start a server.
const askPause = time.Second

// LogDir is the folder with the output of servers.
const LogDir = "model-servers"

// New makes the servers of a configuration. It starts none.
func New(o Options) (*Servers, error) {
	if len(o.Config.Servers) == 0 {
		return nil, nil //nolint:nilnil // nil has no servers
	}
	program, err := os.Executable()
	if err != nil {
		return nil, fault.Wrap(fault.Input, "find the worker's program", "", err)
	}
	locks, err := lease.HostLocks()
	if err != nil {
		return nil, err
	}
	if o.outward == nil {
		o.outward = outward
	}
	out := &Servers{Options: o, byEndpoint: map[string]string{}, specs: map[string]modelserver.Spec{}, locks: locks}
	for _, e := range o.Config.Endpoints {
		if e.OwnServer != "" {
			out.byEndpoint[e.Server()] = e.OwnServer
		}
	}
	for _, s := range o.Config.Servers {
		out.specs[s.Name] = out.spec(s)
	}
	managed := modelserver.Options{
		Servers: out.specs, GPUs: gpus{o.GPUs}, Locks: locks, Keeper: []string{program}, Logs: out.logs(), Ask: o.Ask, Backoff: o.backoff,
	}
	if o.Ask != nil {
		managed.Backoff = func(int) time.Duration { return askPause } // the process that is asked backs off
	}
	out.manager = modelserver.New(managed)
	out.books, out.stop = newBooks(o, out.manager.Usage, out.models), make(chan struct{})
	out.loop.Go(out.book)
	return out, nil
}

func (s *Servers) logs() string { return filepath.Join(s.Config.Scratch, LogDir) }

// passed are the variables of the worker that every server gets. None holds a key.
var passed = []string{"PATH", "HOME", "USER", "LANG", "TMPDIR", "LD_LIBRARY_PATH", "XDG_CACHE_HOME"} //nolint:gochecknoglobals // a constant

func (s *Servers) spec(of ownserver.Server) modelserver.Spec {
	out := modelserver.Spec{
		Command: of.Command, Ready: of.Ready, GPUs: of.GPUs, GPUBytes: of.GPUBytes, Scaledown: of.Scaledown, BootTimeout: of.BootTimeout, Check: inOrder(s.check(of), s.restore(of)),
	}
	refuse := func(class fault.Class, reason string) {
		out.Missing = fault.New(class, "start model server", of.Name, reason)
	}
	if s.Ask != nil {
		return out
	}
	if of.GPUs > 0 && s.Class == "cpu" {
		refuse(fault.Input, "it requires GPUs, and this worker has none; start the worker with the --gpu class of this host, or set gpus to 0")
	}
	for _, name := range passed {
		if value := s.Getenv(name); value != "" {
			out.Env = append(out.Env, name+"="+value)
		}
	}
	for _, name := range of.PassEnv {
		value := s.Getenv(name)
		if value == "" {
			refuse(fault.Auth, "the variable "+name+" of pass_env is not set in the environment of this worker")
		}
		out.Env = append(out.Env, name+"="+value)
	}
	for _, name := range slices.Sorted(maps.Keys(of.Env)) { // the last value of a name counts
		out.Env = append(out.Env, name+"="+of.Env[name])
	}
	if of.GPUs == 0 {
		out.Env = append(out.Env, "CUDA_VISIBLE_DEVICES=") // a GPU without a lease may be in use
	}
	return out
}

// inOrder makes one check of several; some may be nil.
func inOrder(all ...func(ctx context.Context) error) func(ctx context.Context) error {
	all = slices.DeleteFunc(all, func(one func(context.Context) error) bool { return one == nil })
	if len(all) == 0 {
		return nil
	}
	return func(ctx context.Context) error {
		for _, one := range all {
			if err := one(ctx); err != nil {
				return err
			}
		}
		return nil
	}
}

// Up is broker.Options.Up.
func (s *Servers) Up(ctx context.Context, endpoint string, waits func(string)) (release func(), err error) {
	if s == nil || s.byEndpoint[endpoint] == "" {
		return func() {}, nil
	}
	return s.manager.Use(ctx, s.byEndpoint[endpoint], waits)
}

// Asleep reports whether an endpoint cannot answer now because its server runs only on demand,
// and describes the server. The error is the reason why its last start failed.
func (s *Servers) Asleep(endpoint string) (detail string, asleep bool, err error) {
	if s == nil || s.byEndpoint[endpoint] == "" {
		return "", false, nil
	}
	one := s.manager.Status(s.byEndpoint[endpoint])
	switch one.State {
	case modelserver.Ready:
		return "", false, nil
	case modelserver.Stopped:
		detail = "model server " + one.Name + " is asleep; the first request starts it, or `cogflow models warm " + one.Name + "`"
	default:
		detail = "model server " + one.Name + ", which is started on demand: " + string(one.State)
		if one.Detail != "" {
			detail += "; " + one.Detail
		}
	}
	return detail, true, one.Err
}

// Reports says what all servers do; nil = there are none.
func (s *Servers) Reports() func() []modelserver.Report {
	if s == nil {
		return nil
	}
	return s.manager.Reports
}

// Close stops all servers and books their time.
func (s *Servers) Close() error {
	if s == nil {
		return nil
	}
	close(s.stop)
	err := errors.Join(s.loop.Wait(), s.manager.Close())
	return errors.Join(err, s.books.book(context.Background()))
}

// book books the time of servers until Close.
func (s *Servers) book() error {
	tick := time.NewTicker(slice)
	defer tick.Stop()
	for {
		select {
		case <-s.stop:
			return nil
		case <-tick.C:
			_ = s.books.book(context.Background()) // Unbooked says it, and the next slice has it
		}
	}
}

// Unbooked is why the time of servers could not be booked; nil = it is booked.
func (s *Servers) Unbooked() error {
	if s == nil {
		return nil
	}
	return s.books.problem()
}

// gpus are the GPUs of this host, which are found at the first lease.
type gpus struct {
	table func() (*lease.Table, error)
}

func (g gpus) Lease(ctx context.Context, ask lease.Ask) (lease.Lease, func(), error) {
	table, err := g.table()
	if err != nil {
		return lease.Lease{}, nil, err
	}
	return table.Take(ctx, ask)
}

func (g gpus) Wanted(devices string) (bool, error) {
	table, err := g.table()
	if err != nil {
		return false, err
	}
	return table.Wanted(lease.Lease{Devices: devices})
}
