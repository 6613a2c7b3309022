package cli

import (
	"context"
	"errors"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// errPlanned ends a command at the start of its job, when the job is only planned.
var errPlanned = errors.New("the job is planned")

// plan receives the job that a command would start.
type plan struct{ job Job }

// take notes the job instead of a start.
func (p *plan) take(j Job) error {
	p.job = j
	return errPlanned
}

// Planning reports whether a job is only planned. It is stored until it starts, so it should be
// small.
func (a *App) Planning() bool { return a.plan != nil }

// Plan runs a command up to the start of its job and returns the job, which something else
// starts later. So a job has the same checks however it is started. tree makes the commands;
// allow may refuse a command after its flags are parsed and before it runs.
func (a *App) Plan(ctx context.Context, tree func(*App) *cobra.Command, args []string, allow func(cmd *cobra.Command) error) (Job, error) {
	inner := &App{Process: a.Process, Quiet: a.Quiet, Debug: a.Debug, target: a.target, plan: &plan{}}
	inner.In, inner.Out = strings.NewReader(""), io.Discard
	root := tree(inner)
	inner.AddFlags(root)
	root.SilenceErrors, root.SilenceUsage = true, true
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error {
		inner.parsed = true
		if err := ownFlagsOnly(cmd); err != nil {
			return err
		}
		return allow(cmd)
	}
	root.SetIn(inner.In)
	root.SetOut(inner.Out)
	root.SetErr(inner.Err)
	root.SetArgs(args)
	plainErrors(root)
	cmd, err := root.ExecuteContextC(ctx)
	_, usage := errors.AsType[*ExitError](err)
	switch {
	case errors.Is(err, errPlanned):
		return inner.plan.job, nil
	case err == nil:
		return Job{}, Usage("`%s` starts no job", cmd.CommandPath())
	case usage || !inner.parsed:
		if _, path, ok := strings.Cut(cmd.CommandPath(), " "); ok {
			return Job{}, Usage("%s: %v", path, err)
		}
		return Job{}, Usage("%v", err)
	}
	return Job{}, err
}

// ownFlagsOnly refuses the flags that all commands have, because they belong to the command that
// plans.
func ownFlagsOnly(cmd *cobra.Command) (err error) {
	cmd.InheritedFlags().VisitAll(func(f *pflag.Flag) {
		if f.Changed && err == nil {
			err = Usage("--%s is a flag of the whole command line: write it before `--`", f.Name)
		}
	})
	return err
}
