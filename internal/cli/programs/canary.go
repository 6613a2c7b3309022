package programs

import (
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/cogniverse/cogflow/activities/registry"
	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/workflows/optimize"
)

func (a app) canaryCommand() *cobra.Command {
	var in optimize.ProgramInput
	var off bool
	cmd := &cobra.Command{
		Use:   "canary NAME[@VERSION] --share PERCENT",
		Short: "Start or stop a canary",
		Long: `Canary gives a version (default: the latest) to a share of all keys, which are ids of requests,
sessions or users. The same key always gets the same version. A key that gets the canary keeps it
when the share grows; export and show accept --key. A program has at most one canary; a new one
replaces it.

--off ends the canary. So does every change of the active version: promote, rollback, or an
optimization that promotes its result. A version that is not better than the default requires
--force.`,
		Example: `  cogflow programs canary agentic-router@4 --share 10
  cogflow programs canary agentic-router@4 --share 50
  cogflow programs promote agentic-router@4          # or: cogflow programs canary agentic-router --off`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.CompleteFirst(a.versions(&in.Common)),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if in.Name, in.Version, err = cli.ParseRef(args[0]); err != nil {
				return err
			}
			said := cmd.Flags().Changed("share")
			switch {
			case off && in.Share != 0:
				return cli.Usage("--off and --share cannot be combined: --off ends the canary")
			case !off && !said:
				return cli.Usage("--share must be the percentage of keys that get %s; --off ends a canary", args[0])
			case in.Share != 0:
				if err := training.CheckShare(in.Share); err != nil {
					return cli.Usage("--share: %v", err)
				}
			}
			return a.changeProgram(cmd.Context(), "CanaryProgram", "canary of "+args[0], in)
		},
	}
	tenantFlag(cmd, &in.Common)
	cmd.Flags().IntVar(&in.Share, "share", 0, "percentage of keys that get the canary, 1 to 100; 0 ends the canary")
	cmd.Flags().BoolVar(&off, "off", false, "end the canary: every key gets the active version")
	cmd.Flags().BoolVar(&in.Force, "force", false, "allow a version that is not better than the default")
	return cmd
}

func keyFlag(cmd *cobra.Command, key *string) {
	cmd.Flags().StringVar(key, "key", "", "id of a request, session or user; selects the version that this id gets")
}

// programFor returns the version that text refers to, or that a key gets. The version of a key
// is chosen here, not in a workflow, so that no history contains an id of a session.
func (a app) programFor(cmd *cobra.Command, in optimize.ProgramInput, text, key string) (registry.ProgramDetail, json.RawMessage, error) {
	ctx := cmd.Context()
	if !cmd.Flags().Changed("key") {
		return a.showProgram(ctx, in, text)
	}
	name, version, err := cli.ParseRef(text)
	switch {
	case err != nil:
		return registry.ProgramDetail{}, nil, err
	case key == "":
		return registry.ProgramDetail{}, nil, cli.Usage("--key must be the id of a request, session or user; it is empty")
	case version != 0:
		return registry.ProgramDetail{}, nil, cli.Usage("--key selects the version of %s and cannot be combined with @%d", name, version)
	}
	d, raw, err := a.showProgram(ctx, in, name)
	if err != nil || !d.Canary.Takes(key) {
		return d, raw, err
	}
	return a.showProgram(ctx, in, cli.Ref(name, d.Canary.Version))
}

func status(status string, share int) string {
	if share == 0 {
		return status
	}
	return fmt.Sprintf("%s, %d %%", status, share)
}

func canaryText(c *training.Canary) string {
	return fmt.Sprintf("%s, for %d %% of all keys", cli.Ref(c.Name, c.Version), c.Share)
}
