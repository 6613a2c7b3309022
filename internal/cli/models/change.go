package models

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/fleet"
	"github.com/cogniverse/cogflow/internal/cli/format"
	"github.com/cogniverse/cogflow/workflows"
)

func (a app) warmCommand() *cobra.Command {
	var host string
	cmd := &cobra.Command{
		Use:   "warm MODEL",
		Short: "Start a model server before the first request, and wait until it is ready",
		Long: `Warm starts a server as a request does: it waits for a free GPU, starts the server and waits until it
is ready. The server stops as usual when it was idle for a while. If several hosts have it, warm
starts it on one of them: where it runs already, else on the first in the list. An interrupt ends the
wait, but not a start whose process runs already.`,
		Example: "  cogflow models warm qwen\n  cogflow models warm qwen --host gpu-2",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			out, err := a.one(cmd.Context(), args[0], host)
			if err != nil {
				return err
			}
			on, err := fleet.Best(out.Servers)
			if err != nil {
				return err
			}
			return a.warm(cmd.Context(), on)
		},
	}
	hostFlag(cmd, &host)
	return cmd
}

func (a app) warm(ctx context.Context, on fleet.Server) error {
	in := workflows.ModelServersInput{Common: workflows.Common{Priority: 1}, Queues: on.Queues[:1], Server: on.Server}
	if err := cli.Normalize(&in.Common); err != nil {
		return err
	}
	c, err := a.Connect(ctx)
	if err != nil {
		return err
	}
	run, _, err := a.Start(ctx, c, job("WarmModelServer", "start model server "+on.Server, in))
	if err != nil {
		return err
	}
	var r workflows.WarmModelServerResult
	watching, stop := context.WithCancel(ctx)
	defer stop()
	go a.watch(watching, c, run.GetID())
	err = run.Get(ctx, &r)
	if ctx.Err() != nil {
		return errors.Join(ctx.Err(), cli.CancelSoon(c, run.GetID()))
	}
	if err != nil {
		return err
	}
	if a.JSON {
		return a.PrintJSON(r)
	}
	for _, one := range r.Ready {
		a.Say("%s on %s is ready after %s", one.Server, one.Host, format.Span(time.Duration(one.Waited*float64(time.Second))))
	}
	return nil
}

const (
	watchEvery = time.Second
	sayEvery   = 5 * time.Second
)

// watch says what a start waits for.
func (a app) watch(ctx context.Context, c client.Client, id string) {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	var said time.Time
	for !a.Quiet {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		d, err := c.DescribeWorkflow(ctx, id, "")
		if err != nil || time.Since(said) < sayEvery { // the wait for the result reports an outage
			continue
		}
		for _, p := range d.RawResponse.GetPendingActivities() {
			for _, w := range activities.ReadBeat(p.GetHeartbeatDetails()).Waits {
				a.Note("%s", w.Text)
				said = time.Now()
			}
		}
	}
}

func (a app) releaseCommand() *cobra.Command {
	var host string
	cmd := &cobra.Command{
		Use:   "release MODEL",
		Short: "Drain and stop a model server now",
		Long: `Release stops a server on all its hosts, and its GPUs are free for other work. Requests in progress
have a minute to end; what is left then is made again. Requests that come later start the server again. A server that is
starting for a request is not stopped.`,
		Example: "  cogflow models release qwen\n  cogflow models release qwen --host gpu-2",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			out, err := a.one(cmd.Context(), args[0], host)
			if err != nil {
				return err
			}
			return a.release(cmd.Context(), out.Servers)
		},
	}
	hostFlag(cmd, &host)
	return cmd
}

func (a app) release(ctx context.Context, all []fleet.Server) error {
	r := workflows.ReleaseModelServerResult{Released: []activities.ReleasedServer{}}
	for _, s := range all {
		in := workflows.ModelServersInput{Common: workflows.Common{Priority: 1}, Queues: s.Queues, Server: s.Server}
		if err := cli.Normalize(&in.Common); err != nil {
			return err
		}
		var one workflows.ReleaseModelServerResult
		if _, err := a.Ask(ctx, job("ReleaseModelServer", "stop model server "+s.Server, in), &one); err != nil {
			return err
		}
		r.Released = append(r.Released, fleet.Released(one.Released))
	}
	if a.JSON {
		return a.PrintJSON(r)
	}
	for _, one := range r.Released {
		switch {
		case one.Cut > 0:
			a.Say("%s on %s is stopped; %s did not end in time and are made again", one.Server, one.Host, format.Count(one.Cut, "request", "requests"))
		case fleet.Rank(one.Was) <= fleet.Rank(fleet.StateBackingOff):
			a.Say("%s on %s did not run", one.Server, one.Host)
		default:
			a.Say("%s on %s is stopped", one.Server, one.Host)
		}
	}
	return nil
}

// lines reads the last lines of a server.
func (a app) lines(ctx context.Context, s fleet.Server, n int) (out []log, err error) {
	c, err := a.Connect(ctx)
	if err != nil {
		return nil, err
	}
	r, err := fleet.Hosts(ctx, a.App, c, s.Queues[:1], workflows.ModelServersInput{Common: workflows.Common{Priority: 1}, Server: s.Server, Lines: n})
	if err != nil {
		return nil, err
	}
	if problems := r.Problems(); len(r.Hosts) == 0 && len(problems) > 0 {
		return nil, errors.New(problems[0])
	}
	for _, h := range r.Hosts {
		out = append(out, log{Host: h.Host, Server: s.Server, File: h.LogFile, Lines: append([]string{}, h.Log...)})
	}
	return out, nil
}
