// Package models is the part of the command line that shows, starts and stops model servers on
// demand. It asks the worker processes that own them, through Temporal.
package models

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/fleet"
	"github.com/cogniverse/cogflow/internal/workerlist"
	"github.com/cogniverse/cogflow/workflows"
)

type app struct{ *cli.App }

// Feature returns the commands of the package.
func Feature(a *cli.App) cli.Feature {
	f := app{a}
	cmd := &cobra.Command{
		Use:   "models",
		Short: "Show, start or stop model servers on demand",
		Long: `Workers start the model servers of cogflow.servers when requests need them, and stop them when they
are idle. These commands ask the worker processes that have such servers. MODEL is the name of a
server, or of a model that it serves.

They need a server that lists workers (version 1.29 with frontend.ListWorkersEnabled and
frontend.WorkerHeartbeatsEnabled; make up sets them).`,
	}
	cmd.AddCommand(f.listCommand(), f.statusCommand(), f.warmCommand(), f.releaseCommand(), f.logsCommand())
	return cli.Feature{Commands: []*cobra.Command{cmd}}
}

// hostFlag adds the flag that narrows a command to one host.
func hostFlag(cmd *cobra.Command, host *string) {
	cmd.Flags().StringVar(host, "host", "", "only this host")
}

// answer is the output of list and status.
type answer struct {
	Servers []fleet.Server `json:"servers"`
	// Unserved are servers of the configuration here that no worker process has.
	Unserved []string `json:"unserved,omitempty"`
	Silent   []string `json:"silent,omitempty"` // worker processes that do not answer
	// Problem is why no worker process could be asked, and what to do. Unserved are then of unknown state.
	Problem string `json:"problem,omitempty"`
}

// ask asks all worker processes of a host ("" = of all hosts). server is "" for all servers.
func (a app) ask(ctx context.Context, server, host string) (answer, error) {
	c, err := a.Connect(ctx)
	if err != nil {
		return answer{}, err
	}
	all, listed, err := workerlist.List(ctx, c, a.Where.Namespace)
	if err == nil && !listed {
		err = workerlist.ErrNotListed()
	}
	if err != nil {
		return answer{}, err
	}
	queues := workerlist.HostQueues(all)
	if host != "" {
		queues = slices.DeleteFunc(queues, func(queue string) bool { return !strings.HasPrefix(queue, workflows.HostQueue(host, "")) })
	}
	r, err := fleet.Hosts(ctx, a.App, c, queues, workflows.ModelServersInput{Common: workflows.Common{Priority: 1}})
	if err != nil {
		return answer{}, err
	}
	out := answer{Servers: fleet.Servers(r.Hosts, server), Silent: r.Silent, Problem: r.Problem}
	if host == "" {
		out.Unserved, err = a.unserved(out.Servers, server)
	}
	return out, err
}

// unserved are the configured servers that no worker process has.
func (a app) unserved(known []fleet.Server, only string) (out []string, err error) {
	cfg, err := a.Config()
	if err != nil {
		return nil, err
	}
	for _, s := range cfg.Servers {
		has := slices.ContainsFunc(known, func(one fleet.Server) bool { return one.Server == s.Name })
		if !has && (only == "" || only == s.Name) {
			out = append(out, s.Name)
		}
	}
	return out, nil
}

// one asks about one model, which at least one worker process must have.
func (a app) one(ctx context.Context, model, host string) (answer, error) {
	out, err := a.ask(ctx, model, host)
	switch {
	case err != nil || len(out.Servers) > 0:
		return out, err
	case out.Problem != "":
		return out, fmt.Errorf("the state of model server %q is unknown: %s", model, out.Problem)
	}
	at := ""
	if host != "" {
		at = " on host " + host
	}
	var silent string
	if len(out.Silent) > 0 {
		silent = "; these do not answer: " + strings.Join(out.Silent, ", ")
	}
	return out, fmt.Errorf("no worker process%s has a model server %q; `cogflow models list` shows all%s", at, model, silent)
}

// job is the start of a short workflow about servers.
func job(kind, what string, in workflows.ModelServersInput) cli.Job {
	return cli.Job{Kind: kind, ID: "models-" + uuid.NewString(), Common: in.Common, Summary: what, Input: in}
}
