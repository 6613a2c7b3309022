// Package keys is the part of the command line that creates, lists and revokes the API keys of
// tenants. It works on the keys beside the ledger that the configuration names.
package keys

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/format"
	"github.com/cogniverse/cogflow/internal/gateway/keys"
	"github.com/cogniverse/cogflow/tenant"
)

type app struct{ *cli.App }

// Feature returns the commands of the package.
func Feature(a *cli.App) cli.Feature {
	f := app{a}
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Manage the API keys of tenants",
		Long: `A key is what callers of cogflow-gateway send in the header Authorization: Bearer KEY. Its tenant is
that of their requests. Only the SHA-256 of a key is stored, beside the ledger that the configuration
names (COGFLOW_LEDGER). For a ledger in a file, run the commands on the host of the gateway.`,
	}
	cmd.AddCommand(f.create(), f.list(), f.revoke())
	return cli.Feature{Commands: []*cobra.Command{cmd}}
}

// with runs do on the keys and closes them.
func (a app) with(ctx context.Context, do func(s *keys.Store) error) error {
	cfg, err := a.Config()
	if err != nil {
		return err
	}
	s, err := keys.OpenExisting(ctx, cfg.Ledger)
	if err != nil {
		return err
	}
	return errors.Join(do(s), s.Close())
}

// created is the JSON output of create.
type created struct {
	keys.Key
	Secret string `json:"secret"` // the key itself
}

func (a app) create() *cobra.Command {
	var of, name string
	var life time.Duration
	cmd := &cobra.Command{
		Use:     "create",
		Short:   "Create a key",
		Long:    `Create prints a new key. It cannot be shown again.`,
		Example: "  cogflow keys create --tenant acme --name laptop\n  cogflow keys create --tenant uni:vision --expires 720h",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			t, err := parse(of)
			if err != nil {
				return err
			}
			if of == "" {
				return cli.Usage("--tenant is required")
			}
			if life < 0 {
				return cli.Usage("--expires must not be negative")
			}
			return a.with(cmd.Context(), func(s *keys.Store) error {
				secret, k, err := s.Create(cmd.Context(), t, name, life)
				if err != nil {
					return err
				}
				if a.JSON {
					return a.PrintJSON(created{k, secret})
				}
				a.Say("%s", secret)
				a.Note("Created %s of tenant %s. Store the key now; it cannot be shown again.", k.ID, k.Tenant)
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&of, "tenant", "", `tenant, "acme" or "org:tenant"`)
	cmd.Flags().StringVar(&name, "name", "", "what the key is for")
	cmd.Flags().DurationVar(&life, "expires", 0, "time until the key expires, such as 720h (default never)")
	return cmd
}

func parse(of string) (tenant.ID, error) {
	if of == "" {
		return "", nil
	}
	t, err := tenant.Parse(of)
	if err != nil {
		return "", cli.Usage("%v", err)
	}
	return t, nil
}

// listed is the JSON output of list.
type listed struct {
	Keys []keys.Key `json:"keys"`
}

func (a app) list() *cobra.Command {
	var of string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the keys, without their secrets",
		Long: `List shows the keys of a tenant, or of all tenants: who they belong to, when they were created, and
whether they are valid.`,
		Example: "  cogflow keys list\n  cogflow keys list --tenant acme",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			t, err := parse(of)
			if err != nil {
				return err
			}
			return a.with(cmd.Context(), func(s *keys.Store) error {
				all, err := s.List(cmd.Context(), t)
				if err != nil {
					return err
				}
				if a.JSON {
					return a.PrintJSON(listed{append([]keys.Key{}, all...)})
				}
				if len(all) == 0 {
					a.Say("No keys. Create one: cogflow keys create --tenant TENANT")
					return nil
				}
				now := time.Now()
				var rows [][]string
				for _, k := range all {
					rows = append(rows, []string{k.ID, string(k.Tenant), format.OrDash(k.Name), k.Created.Format("2006-01-02 15:04"), state(k, now)})
				}
				a.Table([]cli.Column{{Name: "KEY"}, {Name: "TENANT"}, {Name: "NAME", Flex: true}, {Name: "CREATED (UTC)"}, {Name: "STATE"}}, rows)
				return nil
			})
		},
	}
	cmd.Flags().StringVar(&of, "tenant", "", "only keys of this tenant")
	return cmd
}

func state(k keys.Key, now time.Time) string {
	switch {
	case !k.Revoked.IsZero():
		return "revoked"
	case !k.Valid(now):
		return "expired"
	case !k.Expires.IsZero():
		return "until " + k.Expires.Format("2006-01-02 15:04")
	}
	return "valid"
}

func (a app) revoke() *cobra.Command {
	return &cobra.Command{
		Use:     "revoke KEY_ID",
		Short:   "Revoke a key",
		Long:    `Revoke ends a key. Gateways refuse it after at most 5 seconds; requests in flight go on.`,
		Example: "  cogflow keys revoke key_ABCDEFGHIJKLMNOP",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.with(cmd.Context(), func(s *keys.Store) error {
				if err := s.Revoke(cmd.Context(), args[0]); err != nil {
					return err
				}
				if a.JSON {
					return a.PrintJSON(map[string]string{"revoked": args[0]})
				}
				a.Say("Revoked %s.", args[0])
				return nil
			})
		},
	}
}
