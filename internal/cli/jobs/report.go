package jobs

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/workflows"
)

// reported is what `report --json` prints.
type reported struct {
	WorkflowID string `json:"workflow_id"`
	Report     string `json:"report"`         // object key
	Path       string `json:"path,omitempty"` // where the file is, if the store is local
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
	if !workflows.Closed(d.Status) {
		return reported{}, fmt.Errorf("%s is not finished: cogflow watch shows it", id)
	}
	var raw json.RawMessage
	if err := c.GetWorkflow(ctx, id, "").Get(ctx, &raw); err != nil {
		return reported{}, err
	}
	var result struct {
		Report string `json:"report"`
	}
	if err := json.Unmarshal(raw, &result); err != nil || result.Report == "" {
		return reported{}, fmt.Errorf("%s (%s) made no report", id, d.WorkflowType.Name)
	}
	return a.locate(ctx, id, result.Report)
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
