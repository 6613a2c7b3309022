package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.uber.org/zap"
	"google.golang.org/grpc"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/config"
	"github.com/cogniverse/cogflow/internal/config/frontdoor"
	"github.com/cogniverse/cogflow/internal/devserver"
	"github.com/cogniverse/cogflow/internal/notice"
	"github.com/cogniverse/cogflow/internal/program"
	"github.com/cogniverse/cogflow/workers/draining"
	"github.com/cogniverse/cogflow/workers/polling"
	"github.com/cogniverse/cogflow/workers/telemetry"
	"github.com/cogniverse/cogflow/workflows"
)

const (
	// aliveEvery is how often workers tell the server their slots, for cogflow pools.
	aliveEvery = 10 * time.Second
	// cachedWorkflows bounds the memory of idle workflows.
	cachedWorkflows = 256
)

// serve polls the queues of the pools until ctx ends, then drains.
func serve(ctx context.Context, c config.Config, getenv func(string) string, pools []pool, class string, logger *zap.Logger) (err error) {
	limit, err := drainLimit(ctx, setGraces(pools, c), c, getenv)
	if err != nil {
		return err
	}
	options, err := envconfig.LoadDefaultClientOptions()
	if err != nil {
		return fault.Wrap(fault.Input, "read the Temporal configuration", "", err)
	}
	structured := program.Structured(logger)
	slog.SetDefault(structured)
	if limit.Reason != "" {
		logger.Warn("the worker may be killed while it drains", zap.Stringer("drain", limit))
	}
	notices, err := draining.Open(ctx, c.Drain, structured)
	if err != nil {
		return err
	}
	options.ConnectionOptions.DialOptions = append(options.ConnectionOptions.DialOptions, grpc.WithChainUnaryInterceptor(notices.Tell))
	options.Logger = log.NewStructuredLogger(structured)
	t, err := telemetry.Open(telemetry.Options{Address: c.Telemetry, Version: version, Profiling: c.PProf, Getenv: getenv, Log: structured}, &options)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.Close()) }()
	options.WorkerHeartbeatInterval = aliveEvery
	options.FailureConverter = newFailures(program.Redactor(c, getenv))
	temporal, err := connect(ctx, options, logger)
	if err != nil {
		return err
	}
	defer temporal.Close()
	if slices.ContainsFunc(pools, func(p pool) bool { return p.name == workflows.QueueMain }) {
		// A workflow task that sets an unknown search attribute is retried for ever, so
		// missing attributes are an error at the start.
		if err := devserver.Register(ctx, temporal, cmp.Or(options.Namespace, client.DefaultNamespace)); err != nil {
			return fmt.Errorf("%w; an operator can do it: `cogflow health` prints the command", err)
		}
	}
	h, closeAll, err := wire(ctx, c, getenv, pools, class, temporal, frontdoor.Local(options.HostPort), t, limit)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeAll()) }()

	fatal := make(chan error, len(pools)+1)
	started, err := startPools(temporal, append(hostPool(h), pools...), class, h, notices, fatal)
	if err != nil {
		return err
	}
	var queues []string
	for _, p := range pools {
		logger.Info("serving", zap.String("queue", p.queue(class)), zap.Int("slots", p.slots))
		queues = append(queues, p.queue(class))
	}
	if err := t.Queues(telemetry.Service{WorkflowServiceClient: temporal.WorkflowService(), Namespace: cmp.Or(options.Namespace, client.DefaultNamespace)}, queues); err != nil {
		stopAll(started)
		return err
	}
	logger.Info("ready")
	t.Ready()
	leaving := make(chan notice.Notice, 1)
	defer notices.Watch(ctx, func(n notice.Notice) { leaving <- n })()
	select {
	case <-ctx.Done():
		logger.Info("draining: no new paid calls", zap.Duration("at_most", limit.Needs))
	case n := <-leaving:
		logger.Warn("draining: this host will be taken away; no new paid calls", zap.Stringer("notice", n), zap.Duration("at_most", limit.Needs))
	case err = <-fatal:
	}
	t.NotReady("draining")
	stopAll(started)
	return err
}

// startPools starts polling for every pool, or for none.
func startPools(temporal client.Client, pools []pool, class string, h implementations, notices *draining.Notices, fatal chan<- error) ([]worker.Worker, error) {
	worker.SetStickyWorkflowCacheSize(cachedWorkflows)
	var started []worker.Worker
	for _, p := range pools {
		w := worker.New(temporal, p.queue(class), workerOptions(p, notices, fatal))
		p.register(w, h)
		if err := w.Start(); err != nil {
			stopAll(started)
			return nil, fault.Wrap(fault.Transport, "serve queue", p.queue(class), err)
		}
		started = append(started, w)
	}
	return started, nil
}

func workerOptions(p pool, notices *draining.Notices, fatal chan<- error) worker.Options {
	return polling.Options(polling.Queue{
		Slots: p.slots, Tuner: p.tuner, Plugins: p.plugins, Workflows: p.name == workflows.QueueMain, Grace: p.grace, Bound: notices.Bound, Build: version,
		Fatal: func(err error) { fatal <- err },
	})
}

// stopAll drains the workers concurrently; each waits for its activities.
func stopAll(workers []worker.Worker) {
	done := make(chan struct{})
	for _, w := range workers {
		go func() { w.Stop(); done <- struct{}{} }()
	}
	for range workers {
		<-done
	}
}
