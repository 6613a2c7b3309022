// Package health is the part of the command line that checks the configuration, the Temporal
// server and the task queues. Through a worker it also checks the tools, endpoints, store and
// index. It changes nothing, and does not depend on any pipeline.
package health

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/fleet"
	"github.com/cogniverse/cogflow/internal/cli/format"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows"
)

type app struct{ *cli.App }

// Feature returns the commands of the package.
func Feature(a *cli.App) cli.Feature {
	f := app{a}
	return cli.Feature{
		Commands: []*cobra.Command{f.command()},
	}
}

// check is one row of `health`.
type check struct {
	Part   string `json:"part"`
	Status string `json:"status"` // "ok", "warn", "fail"
	Detail string `json:"detail"`
}

type checks struct {
	Checks []check `json:"checks"`
}

func (c *checks) add(part, status, format string, args ...any) {
	c.Checks = append(c.Checks, check{part, status, fmt.Sprintf(format, args...)})
}

func (c *checks) failed() bool {
	for _, row := range c.Checks {
		if row.Status == "fail" {
			return true
		}
	}
	return false
}

func (a app) command() *cobra.Command {
	var gpu []string
	var ask bool
	cmd := &cobra.Command{
		Use:   "health",
		Short: "Check the server, the workers and everything they use",
		Long: `Health checks the Temporal server, its namespace and search attributes, and the workers of each
queue with their tools, sandbox, store, index and endpoints. It checks the queues that the
configuration names, those of the GPU classes in --gpu, and every other queue with workers. It ends
with exit code 1 if anything fails.`,
		Example: "  cogflow health\n  cogflow health --gpu l40s,h100\n  cogflow health --ask",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := cli.CheckGPU(gpu); err != nil {
				return err
			}
			all, err := a.health(cmd.Context(), gpu, ask)
			if err != nil {
				return err
			}
			if err := a.printChecks(all); err != nil {
				return err
			}
			if all.failed() {
				return &cli.ExitError{Code: cli.ExitFailed}
			}
			return nil
		},
	}
	cmd.Flags().StringSliceVar(&gpu, "gpu", nil, "GPU classes whose queues must have workers, such as l40s,h100")
	cmd.Flags().BoolVar(&ask, "ask", false, "ask each chat model one small question, which is paid, and show which parameters it accepts")
	cli.OfferWords(cmd, "gpu", video.GPUClasses()...)
	return cmd
}

func (a app) printChecks(all checks) error {
	if a.JSON {
		return a.PrintJSON(all)
	}
	rows := make([][]string, len(all.Checks))
	for i, c := range all.Checks {
		rows[i] = []string{c.Status, c.Part, c.Detail}
	}
	a.Table([]cli.Column{{Name: "status"}, {Name: "part"}, {Name: "detail", Wrap: true}}, rows)
	return nil
}

// health checks the configuration, then the server, then workers. It stops at a failed check
// on which the later checks depend.
func (a app) health(ctx context.Context, gpu []string, ask bool) (checks, error) {
	var all checks
	if _, err := a.Config(); err != nil {
		all.add("configuration", "fail", "%v", err)
		return all, nil
	}
	all.add("configuration", "ok", "no problems")
	began := time.Now()
	c, err := a.Connect(ctx)
	if ctx.Err() != nil {
		return all, ctx.Err()
	}
	if err != nil {
		all.add("temporal", "fail", "%v", err)
		return all, nil
	}
	connected := time.Since(began)
	began = time.Now()
	_, err = c.WorkflowService().DescribeNamespace(ctx, &workflowservice.DescribeNamespaceRequest{Namespace: a.Where.Namespace})
	all.add("temporal", "ok", "%s, connected in %s, answers in %s", a.Where.Address, connected.Round(time.Millisecond), time.Since(began).Round(time.Millisecond))
	if err != nil {
		all.add("namespace", "fail", "%s: %v", a.Where.Namespace, err)
		return all, nil
	}
	all.add("namespace", "ok", "%s", a.Where.Namespace)
	a.checkAttributes(ctx, c, &all)
	queues, err := a.checkPools(ctx, c, &all, gpu)
	if err != nil {
		return all, err
	}
	if len(queues) > 0 {
		err = a.askWorker(ctx, c, &all, queues, ask)
	}
	return all, err
}

func (a app) checkAttributes(ctx context.Context, c client.Client, all *checks) {
	r, err := c.OperatorService().ListSearchAttributes(ctx, &operatorservice.ListSearchAttributesRequest{Namespace: a.Where.Namespace})
	if err != nil {
		// Not every account may list them; the start of a job reports missing ones.
		all.add("search attributes", "warn", "cannot be listed: %v", err)
		return
	}
	var missing []string
	for _, want := range []struct {
		name string
		kind enumspb.IndexedValueType
	}{
		{workflows.AttrTenant, enumspb.INDEXED_VALUE_TYPE_KEYWORD},
		{workflows.AttrKind, enumspb.INDEXED_VALUE_TYPE_KEYWORD},
		{workflows.AttrProfile, enumspb.INDEXED_VALUE_TYPE_KEYWORD},
		{workflows.AttrStage, enumspb.INDEXED_VALUE_TYPE_KEYWORD},
		{workflows.AttrFailed, enumspb.INDEXED_VALUE_TYPE_INT},
		{workflows.AttrCost, enumspb.INDEXED_VALUE_TYPE_DOUBLE},
	} {
		if r.GetCustomAttributes()[want.name] != want.kind {
			missing = append(missing, fmt.Sprintf("--name %s --type %s", want.name, want.kind))
		}
	}
	if len(missing) > 0 {
		all.add("search attributes", "fail", "missing: temporal operator search-attribute create %s", strings.Join(missing, " "))
		return
	}
	all.add("search attributes", "ok", "registered")
}

// checkPools checks the queues and returns those with workers, or none if no worker takes
// workflows. A GPU class without workers is only a warning if another class of the same stage
// has workers.
func (a app) checkPools(ctx context.Context, c client.Client, all *checks, gpu []string) (queues []string, err error) {
	f, err := fleet.Ask(ctx, a.App, c, gpu...)
	if err != nil {
		return nil, err
	}
	pools := f.Queues
	served := map[string]bool{} // stems of queues with a worker
	for _, p := range pools {
		if stem, _, classed := strings.Cut(p.Queue, "-"); classed && p.Workers > 0 {
			served[stem] = true
		}
	}
	for _, p := range pools {
		status, detail := "ok", format.Count(p.Workers, "worker", "workers")
		stem, class, classed := strings.Cut(p.Queue, "-")
		switch {
		case p.Workers > 0 && busy(p): // its worker has no slot for a check, too
			detail += fmt.Sprintf(", all %d slots are in use", p.Slots.Used)
		case p.Workers > 0:
			queues = append(queues, p.Queue)
		case classed && served[stem] && !slices.Contains(gpu, class):
			status, detail = "warn", "no worker serves it; another class of this stage has workers"
		default:
			status, detail = "fail", "no worker serves it: `make up` starts one here; a new worker needs some seconds"
		}
		if p.Backlog > 0 {
			detail += ", " + format.Count(int(p.Backlog), "task waits", "tasks wait")
		}
		all.add("queue "+p.Queue, status, "%s", detail)
	}
	if pools[0].Workers == 0 {
		return nil, nil // no worker would run the workflow
	}
	return queues, nil
}

// busy reports that no slot of a pool is free. Those of the main queue are for workflows.
func busy(q fleet.Queue) bool {
	return q.Queue != workflows.QueueMain && q.Slots != nil && q.Slots.Used > 0 && q.Slots.Free == 0
}

// These bound the time of the checks by a worker, without and with questions to models.
const (
	answerTimeout   = 10 * time.Second
	questionTimeout = 75 * time.Second
)

// askWorker runs the workflow CheckHealth on a worker and adds its checks.
func (a app) askWorker(ctx context.Context, c client.Client, all *checks, queues []string, ask bool) error {
	in := workflows.CheckHealthInput{Common: workflows.Common{Priority: 1}, Queues: queues, Ask: ask}
	timeout := a.Limit(answerTimeout)
	if ask {
		timeout = a.Limit(questionTimeout)
	}
	if err := cli.Normalize(&in.Common); err != nil {
		return err
	}
	run, _, err := a.Start(ctx, c, cli.Job{
		Kind: "CheckHealth", ID: "health-" + uuid.NewString(), Common: in.Common,
		Summary: "check health", Timeout: timeout, Input: in,
	})
	if err != nil {
		all.add("worker", "fail", "%s", cli.Explain(err).Message)
		return nil
	}
	var r workflows.CheckHealthResult
	wait, cancel := context.WithTimeout(ctx, timeout+time.Second)
	defer cancel()
	if err := run.Get(wait, &r); err != nil {
		if ctx.Err() != nil {
			return errors.Join(ctx.Err(), cli.CancelSoon(c, run.GetID()))
		}
		all.add("worker", "fail", "%s", cli.Explain(err).Message)
		return nil
	}
	a.Forget(ctx, c, "CheckHealth", run)
	for _, row := range r.Checks {
		all.merge(check{row.Part, row.Status, row.Detail})
	}
	return nil
}

// merge adds a check by a worker. A check of a pool is added to the row of its queue. That no worker
// of a queue takes the check is only a warning, because a worker polls it: work may use all its slots.
func (c *checks) merge(row check) {
	queue, isPool := strings.CutPrefix(row.Part, "pool ")
	for i := range c.Checks {
		if known := &c.Checks[i]; isPool && known.Part == "queue "+queue {
			if row.Status == "fail" && known.Status == "ok" {
				row.Status, row.Detail = "warn", "none took a check in time: work may use all slots, or the worker hangs"
			}
			known.Detail += ", " + row.Detail
			if known.Status == "ok" {
				known.Status = row.Status
			}
			return
		}
	}
	c.Checks = append(c.Checks, row)
}
