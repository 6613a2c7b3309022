package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"

	"go.temporal.io/sdk/client"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/config"
	"github.com/cogniverse/cogflow/internal/gateway/api"
	"github.com/cogniverse/cogflow/internal/submit"
	"github.com/cogniverse/cogflow/internal/workerlist"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/workers/ondemand"
	"github.com/cogniverse/cogflow/workflows"
)

// host lets the workers of this host start model servers on demand. They own these servers: they
// book their time and lease their GPUs.
type host struct {
	temporal  client.Client
	namespace string
	log       *slog.Logger
}

// servers are the model servers on demand, as the broker uses them.
func servers(c config.Config, getenv func(string) string, h host) (*ondemand.Servers, error) {
	return ondemand.New(ondemand.Options{Config: c, Getenv: getenv, Ask: h.start})
}

// without reports that a worker process does not have the server. All processes with GPUs are asked.
func without(err error) bool { return strings.Contains(err.Error(), ondemand.FindOp+" ") }

const startOp = "start model server"

// start lets a worker of this host start a server, and returns when it is ready.
func (h host) start(ctx context.Context, server string) error {
	all, listed, err := workerlist.List(ctx, h.temporal, h.namespace)
	if err == nil && !listed {
		err = workerlist.ErrNotListed()
	}
	if err != nil {
		return cold(ctx, server, "the workers of this host cannot be found", err)
	}
	name, _ := ondemand.Queue()
	last := cold(ctx, server, "no worker of this host starts model servers now", nil)
	for _, queue := range workerlist.HostQueues(all) {
		if !strings.HasPrefix(queue, workflows.HostQueue(name, "")) {
			continue
		}
		_, err := h.warm(ctx, queue, server)
		if err == nil || ctx.Err() != nil {
			return err
		}
		if !without(err) { // the process that has the server knows why
			last = err
		}
	}
	return last
}

// order has worker processes do something with a server. It goes on when nothing waits for it any more, and
// the same order meanwhile is the same one.
func (h host) order(ctx context.Context, kind, verb, server string, queues []string, out any) error {
	common := workflows.Common{Tenant: string(tenant.Default), Priority: 1}
	j := submit.Job{
		Kind: kind, ID: "gateway-" + verb + "/" + strings.TrimPrefix(queues[0], "host/") + "/" + server,
		Common: common, Summary: verb + " model server " + server + " for the gateway",
		Input: workflows.ModelServersInput{Common: common, Queues: queues, Server: server},
	}
	run, err := h.temporal.ExecuteWorkflow(ctx, j.Options(), j.Kind, j.Input)
	if err == nil {
		err = run.Get(ctx, out)
	}
	return err
}

// warm has one worker process start a server.
func (h host) warm(ctx context.Context, queue, server string) (activities.Warmed, error) {
	var out workflows.WarmModelServerResult
	err := h.order(ctx, "WarmModelServer", "warm", server, []string{queue}, &out)
	switch {
	case err == nil && len(out.Ready) > 0:
		return out.Ready[0], nil
	case ctx.Err() != nil:
		return activities.Warmed{}, err
	}
	if !without(err) {
		h.log.Warn("model server did not start", "server", server, "queue", queue, "error", workflows.Reason(err))
	}
	reason := workflows.Reason(err)
	if _, own, ok := strings.Cut(reason, startOp+" "+strconv.Quote(server)+": "); ok {
		reason = own
	}
	if class := fault.Class(workflows.ClassOf(err)); (class == fault.Input || class == fault.Auth) && !without(err) {
		return activities.Warmed{}, money.NeverSent(&fault.Error{Class: fault.Input, Op: startOp, Subject: server, Reason: reason, Err: unstartable{server, reason}})
	}
	return activities.Warmed{}, cold(ctx, server, reason, nil)
}

// unstartable is the name of a server whose start fails until a person acts. Waiting does not help a request.
type unstartable struct{ server, reason string }

func (u unstartable) Error() string {
	return "`cogflow models status " + u.server + "` shows its state"
}

// Unwrap makes the gateway ask other servers, and then answer as for an endpoint that is configured wrongly.
func (u unstartable) Unwrap() []error {
	message := fmt.Sprintf("%s %q: %s; %s", startOp, u.server, u.reason, u)
	return []error{fault.ErrNotServed, &api.Error{Status: http.StatusBadGateway, Code: "upstream_failed", Message: message}}
}

// cold is the failure of a start: the caller can do nothing about it, and another server may answer.
func cold(ctx context.Context, server, reason string, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return money.NeverSent(&fault.Error{Class: fault.Transport, Op: startOp, Subject: server, Reason: reason, Err: err})
}
