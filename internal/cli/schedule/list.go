package schedule

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/format"
	"github.com/cogniverse/cogflow/tenant"
)

type reports struct {
	Schedules []report `json:"schedules"`
}

// Bounds of `list`: the list of the server has no counters, so each schedule is described.
const (
	describedAtOnce = 8
	pageSize        = 200
)

func (a app) listCommand() *cobra.Command {
	var owner string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List schedules with their next and last runs",
		Long: `List shows every schedule of the namespace: its times, its next run, its last run with its status,
and the runs that did not happen, with the reason. Schedules of workflow types that are not
cogflow's are marked.`,
		Example: "  cogflow schedule list\n  cogflow schedule list --tenant acme --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if owner != "" {
				if _, err := tenant.Parse(owner); err != nil {
					return cli.Usage("%v", err)
				}
			}
			c, err := a.Connect(cmd.Context())
			if err != nil {
				return err
			}
			all, err := a.all(cmd.Context(), c, owner)
			if err != nil {
				return err
			}
			if a.JSON {
				return a.PrintJSON(reports{all})
			}
			a.printList(all, time.Now())
			return nil
		},
	}
	cmd.Flags().StringVar(&owner, "tenant", "", "list only this tenant")
	return cmd
}

// all describes all schedules, of one tenant if it is given. The tenant is in the input, which
// all schedules have; only those that cogflow made have the search attribute.
func (a app) all(ctx context.Context, c client.Client, owner string) ([]report, error) {
	ids, err := a.ids(ctx, c, 0)
	if err != nil {
		return nil, err
	}
	found, errs := make([]*report, len(ids)), make([]error, len(ids))
	slots := make(chan struct{}, describedAtOnce)
	var wg sync.WaitGroup
	for i, id := range ids {
		wg.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			d, err := a.describe(ctx, c, id)
			if fault.ClassOf(err) == fault.Input { // deleted meanwhile
				return
			}
			if errs[i] = err; err == nil && !strings.HasPrefix(id, probes) {
				r := a.report(id, d, time.Now())
				found[i], errs[i] = &r, a.complete(ctx, c, d, &r, r.Recent[max(0, len(r.Recent)-1):])
			}
		})
	}
	wg.Wait()
	all := []report{}
	for _, r := range found {
		if r != nil && (owner == "" || r.Tenant == owner) {
			all = append(all, *r)
		}
	}
	slices.SortFunc(all, func(x, y report) int { return cmp.Compare(x.ID, y.ID) })
	return all, errors.Join(errs...)
}

// ids lists the ids of schedules; most = 0 means all.
func (a app) ids(ctx context.Context, c client.Client, most int) (all []string, err error) {
	for token := []byte(nil); ; {
		r, err := c.WorkflowService().ListSchedules(ctx, &workflowservice.ListSchedulesRequest{
			Namespace: a.Where.Namespace, MaximumPageSize: pageSize, NextPageToken: token,
		})
		if err != nil {
			return all, err
		}
		for _, s := range r.GetSchedules() {
			all = append(all, s.GetScheduleId())
		}
		if token = r.GetNextPageToken(); len(token) == 0 || most > 0 && len(all) >= most {
			return all, nil
		}
	}
}

func (a app) printList(all []report, now time.Time) {
	if len(all) == 0 {
		a.Say("No schedules. `cogflow schedule create --help` shows how to make one.")
		return
	}
	rows := make([][]string, len(all))
	for i, r := range all {
		kind := format.OrDash(r.Kind)
		if !r.Cogflow {
			kind += " (not of cogflow)"
		}
		times := strings.Join(r.Times, "; ")
		if r.Note != "" {
			times += " (" + r.Note + ")"
		}
		rows[i] = []string{r.ID, r.State, kind, format.OrDash(r.Tenant), times, r.nextText(now), r.lastText(now), format.OrDash(r.lostText())}
	}
	a.Table([]cli.Column{
		{Name: "id"}, {Name: "state"}, {Name: "kind"}, {Name: "tenant"}, {Name: "times", Flex: true}, {Name: "next"}, {Name: "last"}, {Name: "did not run", Below: true},
	}, rows)
	for _, r := range all {
		for _, l := range r.Lost {
			if l.Now {
				a.Say("%s: %s", r.ID, l.Text)
			}
		}
		for _, w := range r.Warnings {
			a.Say("%s: %s", r.ID, w)
		}
	}
}

// nextText is when the next run is due.
func (r report) nextText(now time.Time) string {
	if r.State != "active" {
		return "-"
	}
	return until(r.Next[0], now)
}

// lastText is the status of the last run, and when it started.
func (r report) lastText(now time.Time) string {
	if len(r.Recent) == 0 {
		return "-"
	}
	last := r.Recent[len(r.Recent)-1]
	return strings.TrimSpace(last.Status + " " + format.Ago(*last.Started, now))
}

// until formats the time from now to t.
func until(t, now time.Time) string {
	if !t.After(now) {
		return "now"
	}
	return "in " + format.Span(t.Sub(now).Truncate(time.Second))
}
