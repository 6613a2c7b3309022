// Package vespa is the part of the command line that generates, compares and deploys
// Vespa's application package. It uses neither the Temporal server nor documents.
package vespa

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/config"
	"github.com/cogniverse/cogflow/internal/vespa"
	"github.com/cogniverse/cogflow/tenant"
)

type app struct{ *cli.App }

// Feature returns the commands of the package.
func Feature(a *cli.App) cli.Feature {
	f := app{a}
	return cli.Feature{
		Commands: []*cobra.Command{f.command()},
	}
}

func (a app) command() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "vespa",
		Short: "Generate, compare and deploy the application package of Vespa",
		Long: `The package is generated from the configuration: one schema for each profile of each tenant in
cogflow.vespa.tenants. Deploy it before the first ingest, and after you added a profile or a tenant.
Then restart the workers of the pool index.`,
	}
	cmd.AddCommand(a.packageCommand(), a.diffCommand(), a.deployCommand())
	return cmd
}

// application generates the package of the configuration.
func (a app) application(o vespa.PackageOptions) (config.Config, []vespa.File, error) {
	c, err := a.Config()
	if err != nil {
		return c, nil, err
	}
	tenants := []tenant.ID{tenant.Default}
	if c.Vespa != nil {
		tenants = nil
		for _, t := range c.Vespa.Tenants {
			tenants = append(tenants, tenant.ID(t))
		}
	}
	files, err := vespa.Package(tenants, c.Profiles(), o)
	return c, files, err
}

func (a app) packageCommand() *cobra.Command {
	var o vespa.PackageOptions
	cmd := &cobra.Command{
		Use:     "package DIR",
		Short:   "Write the application package into a directory",
		Long:    "Package writes the files of the application package. Existing other files are not removed.",
		Example: "  cogflow vespa package deploy/vespa/app",
		Args:    cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			_, files, err := a.application(o)
			if err != nil {
				return err
			}
			for _, f := range files {
				name := filepath.Join(args[0], filepath.FromSlash(f.Path))
				if err := os.MkdirAll(filepath.Dir(name), 0o750); err != nil {
					return err
				}
				if err := os.WriteFile(name, f.Data, 0o600); err != nil {
					return err
				}
				a.Say("%s, %d bytes", name, len(f.Data))
			}
			return nil
		},
	}
	packageFlags(cmd, &o)
	return cmd
}

func packageFlags(cmd *cobra.Command, o *vespa.PackageOptions) {
	cmd.Flags().StringSliceVar(&o.Hosts, "hosts", nil, "hosts of the cluster, each with a container and a content node (default localhost)")
	cmd.Flags().IntVar(&o.Redundancy, "redundancy", 1, "copies of each document")
	cmd.Flags().StringSliceVar(&o.Allow, "allow", nil, "validation overrides, such as field-type-change")
	cmd.Flags().StringVar(&o.AllowUntil, "allow-until", "", "last day of the overrides, YYYY-MM-DD")
}

func (a app) diffCommand() *cobra.Command {
	var o vespa.PackageOptions
	cmd := &cobra.Command{
		Use:     "diff",
		Short:   "Show what a deployment would change",
		Long:    "Diff compares the package with the active one. It ends with exit code 3 if they differ.",
		Example: "  cogflow vespa diff",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			server, files, err := a.deployable(o)
			if err != nil {
				return err
			}
			changes, err := vespa.Diff(cmd.Context(), server, files)
			if err != nil {
				return err
			}
			if changes == nil {
				changes = []vespa.Change{}
			}
			if a.JSON {
				if err := a.PrintJSON(changes); err != nil {
					return err
				}
			} else {
				for _, c := range changes {
					a.Say("%-8s %s", c.Kind, c.Path)
				}
			}
			if len(changes) > 0 {
				return &cli.ExitError{Code: cli.ExitPartial}
			}
			a.Say("Nothing would change.")
			return nil
		},
	}
	packageFlags(cmd, &o)
	return cmd
}

func (a app) deployable(o vespa.PackageOptions) (server string, files []vespa.File, err error) {
	c, files, err := a.application(o)
	if err == nil && c.Vespa == nil {
		err = fault.New(fault.Input, "find vespa", "", `Vespa is not configured; set "backend": {"type": "vespa", "url": …}, or COGFLOW_VESPA_URL, and leave cogflow.index unset`)
	}
	if err != nil {
		return "", nil, err
	}
	return c.Vespa.ConfigURL, files, nil
}

func (a app) deployCommand() *cobra.Command {
	var o vespa.PackageOptions
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:     "deploy",
		Short:   "Deploy the application package",
		Long:    "Deploy generates the package, deploys it, and prints the actions that Vespa requires to complete it.",
		Example: "  cogflow vespa deploy --wait 3m",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			server, files, err := a.deployable(o)
			if err != nil {
				return err
			}
			done, err := deployWithRetry(cmd.Context(), server, files, timeout)
			if err != nil {
				return err
			}
			if a.JSON {
				return a.PrintJSON(done)
			}
			a.Say("deployed as session %s: %s", done.Session, done.Message)
			for what, actions := range map[string][]vespa.ChangeAction{"restart": done.Restart, "refeed": done.Refeed, "reindex": done.Reindex} {
				for _, action := range actions {
					a.Say("%s %s: %v", what, cmp.Or(action.DocumentType, action.ClusterName), action.Messages)
				}
			}
			return nil
		},
	}
	packageFlags(cmd, &o)
	cmd.Flags().DurationVar(&timeout, "wait", 0, "how long to wait for the config server")
	return cmd
}

// deployWithRetry retries while the config server is not reachable.
func deployWithRetry(ctx context.Context, server string, files []vespa.File, timeout time.Duration) (*vespa.Deployed, error) {
	const pause = 2 * time.Second
	end := time.Now().Add(timeout)
	for {
		done, err := vespa.Deploy(ctx, server, files)
		if fault.ClassOf(err) != fault.Transport || !time.Now().Before(end) {
			return done, err
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), fmt.Errorf("while waiting for the config server: %w", err))
		case <-time.After(pause):
		}
	}
}
