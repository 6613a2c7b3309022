package schedule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/format"
)

func (a app) showCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "show ID",
		Short: "Show a schedule, its runs, and what did not run",
		Long: `Show prints the settings and the input of a schedule, its next runs, its last ten runs with their
status and their page in the Web UI, and the runs that did not happen, with the reason.`,
		Example:           "  cogflow schedule show nightly\n  cogflow schedule show nightly --json",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeIDs(),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.Connect(cmd.Context())
			if err != nil {
				return err
			}
			r, err := a.read(cmd.Context(), c, args[0])
			if err != nil {
				return err
			}
			if a.JSON {
				return a.PrintJSON(r)
			}
			a.printReport(r, time.Now())
			return nil
		},
	}
}

// read describes a schedule with its runs.
func (a app) read(ctx context.Context, c client.Client, id string) (report, error) {
	d, err := a.describe(ctx, c, id)
	if err != nil {
		return report{}, err
	}
	r := a.report(id, d, time.Now())
	if err := a.complete(ctx, c, d, &r, r.Recent); err != nil {
		return r, err
	}
	for _, one := range r.Recent { // with overlap allow-all, the server does not list open runs
		if one.Status == "running" && !slices.ContainsFunc(r.Running, func(o run) bool { return o.RunID == one.RunID }) {
			r.Running = append(r.Running, one)
		}
	}
	return r, nil
}

// complete adds what takes further questions: the status of runs, and the days of clock changes.
func (a app) complete(ctx context.Context, c client.Client, d *workflowservice.DescribeScheduleResponse, r *report, runs []run) error {
	problems, err := a.clockProblems(ctx, c, r.ID, d.GetSchedule().GetSpec(), time.Now())
	r.Warnings = append(r.Warnings, problems...)
	return errors.Join(err, a.ask(ctx, c, runs))
}

// ask asks for the status of runs. The schedule notes the status of a run only while it waits for
// its end.
func (a app) ask(ctx context.Context, c client.Client, all []run) error {
	for i, one := range all {
		// The newest run of the id, because the run that was started may have been continued.
		w, err := c.DescribeWorkflow(ctx, one.WorkflowID, "")
		if _, gone := errors.AsType[*serviceerror.NotFound](err); gone {
			all[i].Status = "deleted" // after the retention period
		} else if err != nil {
			return err
		} else {
			all[i].Status = cli.StatusText(w.Status)
		}
	}
	return nil
}

// shownNext bounds the next runs that are printed.
const shownNext = 3

func (a app) printReport(r report, now time.Time) {
	line := func(name, text string) {
		if text != "" {
			a.Say("%-12s %s", name, text)
		}
	}
	zone := time.UTC
	if z, err := time.LoadLocation(r.TimeZone); err == nil {
		zone = z
	}
	at := func(t *time.Time) string {
		if t == nil {
			return ""
		}
		return t.In(zone).Format(time.RFC3339)
	}
	line("Schedule", r.ID+" ("+r.State+")")
	line("Note", r.Note)
	kind := r.Kind
	if !r.Cogflow {
		kind += " (not of cogflow)"
	}
	line("Starts", kind+" as "+r.WorkflowID+"-TIME")
	line("Tenant", r.Tenant)
	line("Input", oneLine(r.Input))
	for _, text := range r.Times {
		line("Times", text)
	}
	line("From", at(r.Start))
	line("To", at(r.End))
	policy := "overlap " + r.Overlap + ", catch-up " + spanWords(seconds(r.CatchUp))
	if r.Jitter > 0 {
		policy += ", jitter " + spanWords(seconds(r.Jitter))
	}
	if r.PauseOnFailure {
		policy += ", pause on failure"
	}
	line("Policy", policy)
	if r.RunsLeft != nil {
		line("Runs left", fmt.Sprint(*r.RunsLeft))
	}
	for i := range r.Next[:min(shownNext, len(r.Next))] {
		if r.State == "active" {
			line("Next", at(&r.Next[i])+" ("+until(r.Next[i], now)+")")
		}
	}
	line("Started", runs(r.Counts.Started)+r.waiting())
	for _, l := range r.Lost {
		line("Did not run", l.Text)
	}
	for _, w := range r.Warnings {
		line("Warning", w)
	}
	line("Web UI", r.UI)
	if len(r.Recent) == 0 {
		return
	}
	rows := make([][]string, len(r.Recent))
	for i := range rows {
		one := r.Recent[len(r.Recent)-1-i] // the newest first
		rows[i] = []string{at(one.Due), delay(one), one.Status, one.UI}
	}
	a.Say("")
	a.Table([]cli.Column{{Name: "due"}, {Name: "delay", Right: true}, {Name: "status"}, {Name: "web ui", Below: true}}, rows)
}

func (r report) waiting() string {
	if r.Counts.Buffered == 0 {
		return ""
	}
	return fmt.Sprintf("; %d waiting for an open run to end", r.Counts.Buffered)
}

// delay is the time between the due time of a run and its start.
func delay(r run) string {
	if r.Due == nil || r.Started == nil {
		return "-"
	}
	return format.Span(r.Started.Sub(*r.Due))
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// oneLine is a JSON value without line breaks.
func oneLine(raw json.RawMessage) string {
	var v any
	if cli.DecodeExact(raw, &v) != nil {
		return strings.TrimSpace(string(raw))
	}
	text, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(text)
}
