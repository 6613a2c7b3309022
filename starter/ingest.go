package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/workflows"
)

// waiting is how a command that starts or watches long work behaves.
type waiting struct {
	detach bool
	cancel bool // --cancel-on-interrupt
}

func (w *waiting) flags(cmd *cobra.Command, detach bool) {
	if detach {
		cmd.Flags().BoolVar(&w.detach, "detach", false, "start the job and return at once")
	}
	cmd.Flags().BoolVar(&w.cancel, "cancel-on-interrupt", false, "Ctrl-C cancels the job too")
}

func (a *app) ingestCommand() *cobra.Command {
	var in workflows.IngestLibraryInput
	var id string
	var wait waiting
	cmd := &cobra.Command{
		Use:   "ingest SOURCE",
		Short: "Ingest a folder, a prefix, a manifest or one video for search",
		Long: `Ingest looks at every video of SOURCE: a directory, a video file, an s3:// prefix or a
manifest with one URI a line. It extracts frames, describes, embeds and indexes them.
Videos that were ingested before with the same settings cost nothing. One bad video does
not stop the others; it is reported with its stage and reason.

The job runs on workers and goes on when this command ends. Starting it again while it
runs attaches to it.`,
		Example: `  cogflow ingest ~/videos --recursive
  cogflow ingest talk.mp4 --profile local_preview
  cogflow ingest s3://bucket/prefix --tenant acme --budget 20 --detach
  cogflow ingest ~/videos --dry-run --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			source, err := absolute(args[0])
			if err != nil {
				return err
			}
			in.Source = source
			return a.ingest(cmd.Context(), in, id, wait)
		},
	}
	f := cmd.Flags()
	commonFlags(cmd, &in.Common)
	f.StringVar(&in.Profile, "profile", "", "recipe to ingest with (default: the active one)")
	f.BoolVar(&in.Recursive, "recursive", false, "descend into directories")
	f.IntVar(&in.MaxVideos, "max-videos", 0, "stop after so many videos; 0 = all")
	f.IntVar(&in.Concurrency, "concurrency", 0, "videos at a time (default 4)")
	f.BoolVar(&in.Force, "force", false, "extract and index again what is there already")
	f.BoolVar(&in.DryRun, "dry-run", false, "count and estimate, write nothing")
	f.StringVar(&id, "id", "", "workflow id (default: made from tenant, profile and source)")
	wait.flags(cmd, true)
	a.completeProfiles(cmd)
	return cmd
}

func commonFlags(cmd *cobra.Command, c *workflows.Common) {
	cmd.Flags().StringVar(&c.Tenant, "tenant", "", `owner of data and spend, "acme" or "org:tenant" (default "default")`)
	cmd.Flags().Float64Var(&c.BudgetUSD, "budget", 0, "hard limit in USD; 0 = none")
	cmd.Flags().IntVar(&c.Priority, "priority", 0, "1 (first) to 5 (default 3)")
}

// normal fills in the defaults that ids, priorities and attributes need.
func normal(c *workflows.Common) error {
	t, err := tenant.Parse(c.Tenant)
	if err != nil {
		return usage("%v", err)
	}
	c.Tenant = string(t)
	if c.Priority == 0 {
		c.Priority = 3
	}
	if c.Priority < 1 || c.Priority > 5 {
		return usage("--priority wants 1 to 5")
	}
	return checkBudget(c.BudgetUSD)
}

func checkBudget(usd float64) error {
	if err := money.CheckLimit(usd); err != nil {
		return usage("--budget: %v", err)
	}
	return nil
}

// absolute makes a local path independent of our directory: a worker has
// another one. URIs pass unchanged.
func absolute(source string) (string, error) {
	switch {
	case source == "":
		return "", usage("SOURCE is empty")
	case !utf8.ValidString(source):
		return "", usage("the name %q is not UTF-8 and cannot be sent: rename the file or ingest its directory", source)
	case strings.Contains(source, "://"):
		return source, nil
	}
	return filepath.Abs(source)
}

func ingestID(t, profile, source string) string {
	sum := sha256.Sum256([]byte(source))
	return fmt.Sprintf("ingest-%s-%s-%s", t, profile, hex.EncodeToString(sum[:])[:12])
}

func (a *app) ingest(ctx context.Context, in workflows.IngestLibraryInput, id string, wait waiting) error {
	if err := normal(&in.Common); err != nil {
		return err
	}
	cfg, err := a.config()
	if err != nil {
		return err
	}
	profile := in.Profile
	if profile == "" {
		profile = cfg.Active()
	}
	if id == "" {
		id = ingestID(in.Tenant, profile, in.Source)
	}
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	run, attached, err := a.start(ctx, c, job{
		kind: "IngestLibrary", id: id, common: in.Common, profile: profile,
		summary: "ingest " + in.Source,
		details: fmt.Sprintf("Tenant `%s`, profile `%s`, source `%s`.", in.Tenant, profile, strings.ReplaceAll(clean(in.Source), "`", "'")),
		input:   in,
	})
	if err != nil {
		return err
	}
	return a.began(ctx, c, run, "IngestLibrary", attached, wait)
}

// began says what runs now and, unless detached, waits for it.
func (a *app) began(ctx context.Context, c client.Client, run client.WorkflowRun, kind string, attached bool, wait waiting) error {
	link := a.where.link(run.GetID(), run.GetRunID())
	switch {
	case attached:
		a.note("%s is running already, with the settings it was started with; attached to it.", run.GetID())
	case !a.quiet:
		a.note("Started %s", run.GetID())
	}
	if !a.quiet || attached {
		a.note("Web UI: %s", link)
	}
	if wait.detach {
		return a.detached(run.GetID(), run.GetRunID())
	}
	return a.finish(ctx, c, run, kind, wait)
}

func (a *app) detached(id, runID string) error {
	if a.json {
		return a.printJSON(started{WorkflowID: id, RunID: runID, UI: a.where.link(id, runID)})
	}
	a.say("%s", id)
	return nil
}

// finish watches a job to its end and prints its result.
func (a *app) finish(ctx context.Context, c client.Client, run client.WorkflowRun, kind string, wait waiting) error {
	a.job = run.GetID()
	raw, err := a.follow(ctx, c, run, a.view())
	if ctx.Err() != nil {
		return a.left(c, run.GetID(), wait)
	}
	if err != nil {
		return err
	}
	return a.result(kind, run.GetID(), raw)
}

func (a *app) left(c client.Client, id string, wait waiting) error {
	if !wait.cancel {
		return interrupted("stopped watching; the job goes on. cogflow watch %s shows it again, cogflow cancel %s ends it.", id, id)
	}
	if err := cancelSoon(c, id); err != nil {
		return interrupted("stopped watching; cancelling failed: %v", err)
	}
	return interrupted("cancelled; cogflow redrive %s finishes it.", id)
}

// result prints what a finished job returned; failed items make exit code 3.
func (a *app) result(kind, id string, raw json.RawMessage) error {
	var counts struct {
		Failed int `json:"failed"`
	}
	if err := json.Unmarshal(raw, &counts); err != nil {
		return fmt.Errorf("read the result of %s: %w", id, err)
	}
	var err error
	if a.json {
		err = a.printJSON(raw)
	} else {
		err = a.printResult(kind, id, raw)
	}
	if err != nil {
		return err
	}
	if counts.Failed > 0 {
		return &exitError{code: exitPartial}
	}
	return nil
}
