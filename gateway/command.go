package main

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"github.com/cogniverse/cogflow/internal/config"
	"github.com/cogniverse/cogflow/internal/program"
	"github.com/cogniverse/cogflow/safetext"
)

// run is main with explicit arguments and environment, so that tests can call it.
func run(ctx context.Context, args []string, getenv func(string) string, stderr io.Writer) error {
	var level string
	cmd := &cobra.Command{
		Use:   "cogflow-gateway",
		Short: "Serve models over HTTP",
		Long: "cogflow-gateway serves OpenAI's API for the model servers of cogflow.endpoints. Without listeners in\n" +
			"the configuration it serves 127.0.0.1:8090 for the tenant default, without keys. The configuration is\n" +
			"COGNIVERSE_CONFIG and COGFLOW_… variables (see `cogflow config show`).",
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return start(cmd.Context(), level, getenv, stderr)
		},
	}
	cmd.Flags().StringVar(&level, "log-level", "info", "debug, info, warn or error")
	cmd.Args = func(cmd *cobra.Command, args []string) error { return program.Usage(cobra.NoArgs(cmd, args)) }
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return program.Usage(err) })
	cmd.SetArgs(args)
	cmd.SetOut(stderr)
	cmd.SetErr(stderr)
	return cmd.ExecuteContext(ctx)
}

func start(ctx context.Context, level string, getenv func(string) string, stderr io.Writer) error {
	c, err := config.Load(getenv)
	if err != nil {
		return err
	}
	logger, err := program.NewLogger(level, safetext.Log{To: stderr, Redactor: program.Redactor(c, getenv)})
	if err != nil {
		return program.Usage(err)
	}
	defer logger.Sync() //nolint:errcheck // stderr cannot be synced everywhere
	return serve(ctx, c, getenv, program.Structured(logger))
}
