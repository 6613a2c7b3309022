package jobs

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cogniverse/cogflow/workflows/catalog"

	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/format"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/workflows"
)

// jobsQuery finds jobs: neither child workflows nor short workflows such as searches.
func jobsQuery() string {
	var jobs []string
	for _, t := range catalog.Types() {
		if t.Job {
			jobs = append(jobs, "'"+t.Name+"'")
		}
	}
	return "TaskQueue = '" + workflows.QueueMain + "' AND ParentWorkflowId IS NULL AND WorkflowType IN (" + strings.Join(jobs, ", ") + ")"
}

// kinds returns the workflow types, which are the values of `list --kind`.
func kinds() (names []string) {
	for _, t := range catalog.Types() {
		names = append(names, t.Name)
	}
	return names
}

// statuses maps the values of --status to those of the server.
func statuses() map[string]string {
	return map[string]string{
		"running": "Running", "paused": "Paused", "completed": "Completed", "failed": "Failed", "cancelled": "Canceled",
		"terminated": "Terminated", "timed-out": "TimedOut",
	}
}

// execution is one workflow as `list` and `status` print it.
type execution struct {
	WorkflowID string     `json:"workflow_id"`
	RunID      string     `json:"run_id"`
	Kind       string     `json:"kind"`
	Name       string     `json:"name,omitempty"` // of the source, the adapter or the program; empty = unknown
	DryRun     bool       `json:"dry_run,omitempty"`
	Status     string     `json:"status"`
	Started    time.Time  `json:"started"`
	Closed     *time.Time `json:"closed,omitempty"`
	UI         string     `json:"ui"`
	Doing      string     `json:"doing,omitempty"` // progress of a running job; only in `status`
}

type executionList struct {
	Workflows []execution `json:"workflows"`
}

func (a app) listCommand() *cobra.Command {
	var kind, owner, status string
	var limit int
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List jobs, running ones first",
		Long: `List shows workflows of cogflow, running ones first, then the newest. Without filters it omits
the videos of a library, the runs of a sweep and short workflows such as searches. NAME is the name of
the source, the adapter or the program, and for a run of a sweep its settings. Jobs that other programs
start have the name that their memo "name" gives.`,
		Example: `  cogflow list --kind IngestVideo --status failed
  cogflow list --tenant acme --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := cli.CheckRange("limit", limit, 1, 10_000); err != nil {
				return err
			}
			query, err := listQuery(kind, owner, status)
			if err != nil {
				return err
			}
			c, err := a.Connect(cmd.Context())
			if err != nil {
				return err
			}
			all, err := a.executions(cmd.Context(), c, query, limit)
			if err != nil {
				return err
			}
			if a.JSON {
				return a.PrintJSON(executionList{all})
			}
			a.printExecutions(all, time.Now())
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&kind, "kind", "", "workflow type: "+strings.Join(kinds(), ", "))
	f.StringVar(&owner, "tenant", "", "list only this tenant")
	f.StringVar(&status, "status", "", "running, paused, completed, failed, cancelled, terminated or timed-out")
	f.IntVar(&limit, "limit", 50, "maximum number of rows, 1 to 10000")
	cli.OfferWords(cmd, "kind", kinds()...)
	cli.OfferWords(cmd, "status", slices.Sorted(maps.Keys(statuses()))...)
	return cmd
}

func listQuery(kind, owner, status string) (string, error) {
	parts := []string{jobsQuery()}
	if kind != "" {
		i := slices.IndexFunc(kinds(), func(k string) bool { return strings.EqualFold(k, kind) })
		if i < 0 {
			return "", cli.Usage("unknown --kind %q: use one of %s", kind, strings.Join(kinds(), ", "))
		}
		parts = []string{fmt.Sprintf("TaskQueue = '%s' AND WorkflowType = '%s'", workflows.QueueMain, kinds()[i])}
	}
	if owner != "" {
		t, err := tenant.Parse(owner)
		if err != nil {
			return "", cli.Usage("%v", err)
		}
		parts = append(parts, fmt.Sprintf("%s = '%s'", workflows.AttrTenant, t))
	}
	if status != "" {
		s, ok := statuses()[strings.ToLower(status)]
		if !ok {
			return "", cli.Usage("unknown --status %q: use running, paused, completed, failed, cancelled, terminated or timed-out", status)
		}
		parts = append(parts, fmt.Sprintf("ExecutionStatus = '%s'", s))
	}
	return strings.Join(parts, " AND "), nil
}

// executions lists at most limit workflows that match a visibility query.
func (a app) executions(ctx context.Context, c client.Client, query string, limit int) ([]execution, error) {
	all := []execution{}
	for token := []byte(nil); len(all) < limit; {
		r, err := c.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
			Query: query, PageSize: int32(min(limit-len(all), 500)), NextPageToken: token,
		})
		if err != nil {
			return nil, err
		}
		for _, e := range r.GetExecutions() {
			all = append(all, a.execution(e))
		}
		if token = r.GetNextPageToken(); len(token) == 0 {
			break
		}
	}
	return all, nil
}

func (a app) execution(e *workflowpb.WorkflowExecutionInfo) execution {
	id, run := e.GetExecution().GetWorkflowId(), e.GetExecution().GetRunId()
	out := execution{
		WorkflowID: id, RunID: run, Kind: e.GetType().GetName(), Status: cli.StatusText(e.GetStatus()),
		Started: e.GetStartTime().AsTime(), UI: a.Where.Link(id, run), DryRun: isDryRun(e), Name: nameOf(e),
	}
	if e.GetCloseTime() != nil {
		closed := e.GetCloseTime().AsTime()
		out.Closed = &closed
	}
	return out
}

func (a app) printExecutions(all []execution, now time.Time) {
	if len(all) == 0 {
		a.Say("No jobs.")
		return
	}
	rows := make([][]string, len(all))
	for i, e := range all {
		took := now.Sub(e.Started)
		if e.Closed != nil {
			took = e.Closed.Sub(e.Started)
		}
		rows[i] = []string{e.Status, e.kindText(), format.OrDash(e.Name), e.WorkflowID, format.Ago(e.Started, now), format.Span(took)}
	}
	a.Table([]cli.Column{
		{Name: "status"}, {Name: "kind"}, {Name: "name", Flex: true}, {Name: "id", Below: true}, {Name: "started"}, {Name: "took", Right: true},
	}, rows)
}

// isDryRun reports whether a run is marked as a dry run. This build marks dry runs at their
// start; earlier builds did not.
func isDryRun(e *workflowpb.WorkflowExecutionInfo) bool {
	stage := ""
	payload := e.GetSearchAttributes().GetIndexedFields()[workflows.AttrStage]
	return payload != nil && converter.GetDefaultDataConverter().FromPayload(payload, &stage) == nil && stage == workflows.StageDryRun
}

// kindText is the kind of a run, with a mark for dry runs.
func (e execution) kindText() string {
	if e.DryRun {
		return e.Kind + " (dry run)"
	}
	return e.Kind
}
