package jobs

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/submit"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/job"
)

// reported is the output of `report --json`.
type reported struct {
	WorkflowID string `json:"workflow_id"`
	Report     string `json:"report"`         // object key
	Path       string `json:"path,omitempty"` // of the file, if the store is local
	Bytes      int64  `json:"bytes"`
}

func (a app) reportCommand() *cobra.Command {
	var open bool
	cmd := &cobra.Command{
		Use:   "report ID",
		Short: "Find or open the report of a finished job",
		Long: `Report prints the path of a job's HTML report, which is one file. For an ingest it has a contact
sheet with captions and timestamps, stage timings and failures. For training it has the curves, the
comparison with the base model and the lineage. For an optimization it has the scores by trial, the
prompt before and after, and the rows that changed.`,
		Example:           "  cogflow report ingest-default-local_preview-0123456789ab --open",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeJobs(),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := a.findReport(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			if open {
				if err := cli.OpenFile(cmd.Context(), r.Path); err != nil {
					return err
				}
			}
			if a.JSON {
				return a.PrintJSON(r)
			}
			a.Say("%s", r.Path)
			return nil
		},
	}
	cmd.Flags().BoolVar(&open, "open", false, "open the report in the browser")
	return cmd
}

func (a app) findReport(ctx context.Context, id string) (reported, error) {
	c, err := a.Connect(ctx)
	if err != nil {
		return reported{}, err
	}
	d, err := c.DescribeWorkflow(ctx, id, "")
	if err != nil {
		return reported{}, err
	}
	info := d.RawResponse.GetWorkflowExecutionInfo()
	if !workflows.Closed(d.Status) && !isDryRun(info) {
		return reported{}, fmt.Errorf("%s is not finished: cogflow watch shows it", id)
	}
	var last ended
	if workflows.Closed(d.Status) {
		if last, err = resultOf(ctx, c, id, info.GetExecution().GetRunId()); err != nil {
			return reported{}, err
		}
	}
	if last.dryRun() || isDryRun(info) {
		if last, err = a.beforeDryRuns(ctx, c, id, info.GetExecution().GetRunId()); err != nil {
			return reported{}, err
		}
	}
	if last.Report == "" {
		return reported{}, fmt.Errorf("%s (%s) has no report", id, d.WorkflowType.Name)
	}
	return a.locate(ctx, id, last.Report)
}

// ended has the fields of a result that determine its report, for all kinds of jobs.
type ended struct {
	Report   string          `json:"report"`
	Status   string          `json:"status"`   // of a training run or an optimization
	Estimate json.RawMessage `json:"estimate"` // of a dry run of a library
}

// dryRun also recognizes dry runs of earlier builds, which have the ids of their jobs.
func (e ended) dryRun() bool { return e.Status == job.StatusDryRun || len(e.Estimate) > 0 }

func resultOf(ctx context.Context, c client.Client, id, run string) (e ended, err error) {
	var raw json.RawMessage
	if err := c.GetWorkflow(ctx, id, run).Get(ctx, &raw); err != nil {
		return e, err
	}
	if err := json.Unmarshal(raw, &e); err != nil {
		return e, fmt.Errorf("read the result of %s: %w", id, err)
	}
	return e, nil
}

// beforeDryRuns returns the result of the latest completed run with this id that was not a
// dry run.
func (a app) beforeDryRuns(ctx context.Context, c client.Client, id, dryRun string) (ended, error) {
	runs, err := a.executions(ctx, c, "WorkflowId = "+quoted(id)+" AND ExecutionStatus = 'Completed'", earlierRuns)
	if err != nil {
		return ended{}, err
	}
	for _, e := range runs {
		if e.DryRun || e.RunID == dryRun {
			continue
		}
		if r, err := resultOf(ctx, c, id, e.RunID); err != nil || !r.dryRun() {
			return r, err
		}
	}
	if of := submit.JobOf(id); of != "" {
		return ended{}, fmt.Errorf("%s is a dry run, which has no report: cogflow report %s shows the report of the job", id, of)
	}
	return ended{}, fmt.Errorf("%s is a dry run, which has no report", id)
}

// earlierRuns is the maximum number of runs of an id that are searched, the newest first.
const earlierRuns = 50

// quoted formats a text as a value of a visibility query.
func quoted(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(text) + "'"
}

// locate finds a report in the configured store.
func (a app) locate(ctx context.Context, id, key string) (reported, error) {
	cfg, err := a.Config()
	if err != nil {
		return reported{}, err
	}
	store, err := a.Store(ctx)
	if err != nil {
		return reported{}, err
	}
	info, err := store.Stat(ctx, key)
	if err != nil {
		return reported{}, fmt.Errorf("find report %q in %s (is it the worker's store? see cogflow config show): %w", key, cfg.Redacted().Store, err)
	}
	u, err := url.Parse(cfg.Store)
	if err != nil {
		return reported{}, err
	}
	return reported{WorkflowID: id, Report: key, Path: filepath.Join(u.Path, filepath.FromSlash(key)), Bytes: info.Size}, nil
}
