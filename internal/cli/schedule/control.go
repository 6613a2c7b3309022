package schedule

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/spf13/cobra"
	schedulepb "go.temporal.io/api/schedule/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
)

// done is the JSON output of commands that change a schedule.
type done struct {
	ID   string `json:"schedule_id"`
	Done string `json:"done"` // "pause", "resume", …
	UI   string `json:"ui"`
}

// change makes a command that changes one schedule.
func (a app) change(cmd *cobra.Command, do func(ctx context.Context, c client.Client, id string) (text string, err error)) *cobra.Command {
	cmd.Args = cobra.ExactArgs(1)
	cmd.ValidArgsFunction = a.completeIDs()
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		c, err := a.Connect(cmd.Context())
		if err != nil {
			return err
		}
		text, err := do(cmd.Context(), c, args[0])
		if err != nil || text == "" {
			return err
		}
		if a.JSON {
			return a.PrintJSON(done{ID: args[0], Done: cmd.Name(), UI: a.Where.ScheduleLink(args[0])})
		}
		a.Say("%s", text)
		return nil
	}
	return cmd
}

func (a app) pauseCommand() *cobra.Command {
	var note string
	cmd := a.change(&cobra.Command{
		Use:   "pause ID",
		Short: "Start no more runs until resume",
		Long: `Pause starts no more runs. A run that is open goes on: cogflow pause and cogflow cancel control it.
Times that pass meanwhile are not made up for; cogflow schedule backfill runs them.`,
		Example: "  cogflow schedule pause nightly --note \"index is full\"",
	}, func(ctx context.Context, c client.Client, id string) (string, error) {
		if note == "" {
			note = "paused by cogflow schedule pause"
		}
		return "Paused " + id + ". cogflow schedule resume " + id + " continues it.", a.patch(ctx, c, id, &schedulepb.SchedulePatch{Pause: note})
	})
	cmd.Flags().StringVar(&note, "note", "", "reason, which list and show print")
	return cmd
}

// resumedNote takes the place of the reason of a pause, because the server requires a text. It is
// not shown.
const resumedNote = "resumed by cogflow schedule resume"

func (a app) resumeCommand() *cobra.Command {
	var note string
	cmd := a.change(&cobra.Command{
		Use:     "resume ID",
		Short:   "Continue a paused schedule",
		Long:    "Resume continues a schedule that was paused, by a person or after a failure, from the next time on.",
		Example: "  cogflow schedule resume nightly",
	}, func(ctx context.Context, c client.Client, id string) (string, error) {
		if note == "" {
			note = resumedNote
		}
		if err := a.patch(ctx, c, id, &schedulepb.SchedulePatch{Unpause: note}); err != nil {
			return "", err
		}
		d, err := a.describe(ctx, c, id)
		if err != nil {
			return "", err
		}
		return "Resumed " + id + "." + a.report(id, d, time.Now()).nextSentence(time.Now()), nil
	})
	cmd.Flags().StringVar(&note, "note", "", "text that list and show print")
	return cmd
}

func (a app) deleteCommand() *cobra.Command {
	return a.change(&cobra.Command{
		Use:     "delete ID",
		Short:   "Delete a schedule",
		Long:    "Delete removes a schedule and what it waits to start. A run that is open goes on: cogflow cancel ends it.",
		Example: "  cogflow schedule delete nightly",
	}, func(ctx context.Context, c client.Client, id string) (string, error) {
		d, err := a.describe(ctx, c, id)
		if err != nil {
			return "", err
		}
		_, err = c.WorkflowService().DeleteSchedule(ctx, &workflowservice.DeleteScheduleRequest{Namespace: a.Where.Namespace, ScheduleId: id, Identity: identity})
		text := "Deleted " + id + "."
		if open := a.report(id, d, time.Now()).Running; len(open) > 0 {
			var ids []string
			for _, r := range open {
				ids = append(ids, r.WorkflowID)
			}
			text += " Still running: " + strings.Join(ids, ", ") + "."
		}
		return text, missing(id, err)
	})
}

// nextSentence says when the next run is due.
func (r report) nextSentence(now time.Time) string {
	switch r.State {
	case "paused":
		return " It is paused: cogflow schedule resume " + r.ID + " starts it."
	case "ended":
		return " It has no further run."
	}
	return " Next run: " + r.Next[0].Format(time.RFC3339) + " (" + until(r.Next[0], now) + ")."
}

// created is the JSON output of `schedule create`.
type created struct {
	done
	Times     []string    `json:"times"`
	Next      []time.Time `json:"next"`
	Triggered *answer     `json:"triggered,omitempty"`
}

// created prints what a schedule is now, and starts a run if it is asked for.
func (a app) created(ctx context.Context, c client.Client, id, what string, trigger bool) error {
	r, err := a.read(ctx, c, id)
	if err != nil {
		return err
	}
	out := created{done: done{ID: id, Done: what, UI: r.UI}, Times: r.Times, Next: r.Next}
	var failed error
	if trigger {
		t, err := a.trigger(ctx, c, id, "")
		if out.Triggered = &t; err != nil {
			return err
		}
		failed = t.failure(id)
	}
	if a.JSON {
		return errors.Join(failed, a.PrintJSON(out))
	}
	verb := map[string]string{"create": "Created", "replace": "Replaced", "unchanged": "Unchanged:"}[what]
	a.Say("%s %s: %s.%s", verb, id, strings.Join(r.Times, "; "), r.nextSentence(time.Now()))
	for _, w := range r.Warnings {
		a.Note("Warning: %s", w)
	}
	if !a.Quiet {
		a.Note("Web UI: %s", r.UI)
	}
	if out.Triggered != nil && failed == nil {
		a.Say("%s", out.Triggered.text())
	}
	return failed
}

func (a app) completeIDs() cobra.CompletionFunc {
	return a.CompleteFirst(func(ctx context.Context, _ []string) ([]string, error) {
		c, err := a.Connect(ctx)
		if err != nil {
			return nil, err
		}
		return a.ids(ctx, c, pageSize)
	})
}
