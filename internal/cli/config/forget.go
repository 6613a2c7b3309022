package config

import (
	"github.com/spf13/cobra"

	"github.com/cogniverse/cogflow/internal/answer/params"
	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/limit/memory"
)

// forgotten is the output of `config forget --json`.
type forgotten struct {
	Forgotten []params.Refusal `json:"forgotten"`
	Limits    []memory.Record  `json:"limits"`
}

func (a app) forgetCommand() *cobra.Command {
	var endpoint, model, parameter string
	var all bool
	cmd := &cobra.Command{
		Use:   "forget",
		Short: "Forget which parameters models have refused, and how many calls servers take",
		Long: `Workers omit a parameter that a model has refused, such as temperature, for a day. Forget makes
them send it again within a minute. Workers also start with the number of concurrent calls that
they have learned for a server. Forget makes them discover it again; with --parameter it does not.
"cogflow config show" lists both.`,
		Example: "  cogflow config forget --model o-large\n  cogflow config forget --endpoint main --parameter temperature\n  cogflow config forget --all",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if all == (endpoint+model+parameter != "") {
				return cli.Usage("name what to forget by --endpoint, --model or --parameter, or use --all")
			}
			store, err := a.Store(cmd.Context())
			if err != nil {
				return err
			}
			is := func(want, got string) bool { return want == "" || want == got }
			removed, err := params.Forget(cmd.Context(), store, func(r params.Refusal) bool {
				return is(endpoint, r.Endpoint) && is(model, r.Model) && is(parameter, r.Parameter)
			})
			var limits []memory.Record
			if err == nil && parameter == "" {
				limits, err = memory.Forget(cmd.Context(), store, func(r memory.Record) bool {
					return is(endpoint, r.Endpoint) && is(model, r.Model)
				})
			}
			if err != nil {
				return err
			}
			if a.JSON {
				return a.PrintJSON(forgotten{append([]params.Refusal{}, removed...), append([]memory.Record{}, limits...)})
			}
			for _, r := range removed {
				a.Say("%s, %s: %s is sent again", r.Endpoint, r.Model, r.Parameter)
			}
			for _, r := range limits {
				a.Say("%s, %s: the limit of %d calls is discovered again", r.Endpoint, r.Model, r.Limit)
			}
			if len(removed)+len(limits) == 0 {
				a.Say("Nothing to forget.")
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&endpoint, "endpoint", "", "only of the endpoint with this `name`")
	cmd.Flags().StringVar(&model, "model", "", "only of the model with this `name`")
	cmd.Flags().StringVar(&parameter, "parameter", "", "only this parameter, by the `name` that config show lists")
	cmd.Flags().BoolVar(&all, "all", false, "everything, of all endpoints and models")
	return cmd
}
