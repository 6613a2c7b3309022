package main

import (
	"context"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cogniverse/cogflow/internal/config"
	"github.com/cogniverse/cogflow/internal/logfile"
	"github.com/cogniverse/cogflow/internal/program"
	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/workers/gpus"
)

// flags are the flags of the command line.
type flags struct {
	pools     []string
	gpu       string
	dev       bool
	noSandbox bool
	logLevel  string
}

// run is main with explicit arguments and environment, so that tests can call it.
func run(ctx context.Context, args []string, getenv func(string) string, stderr io.Writer) error {
	var f flags
	cmd := &cobra.Command{
		Use:   "cogflow-worker",
		Short: "Serve cogflow's task queues",
		Long: "cogflow-worker polls Temporal for the work of its pools. The Temporal server is named\n" +
			"by TEMPORAL_ADDRESS and the other variables of the temporal CLI, or by temporal.toml.\n" +
			"The configuration is COGNIVERSE_CONFIG and COGFLOW_… variables (see `cogflow config show`).",
		Example: "  cogflow-worker --dev                              # everything on this machine\n" +
			"  cogflow-worker --pools media,index                # on a CPU host\n" +
			"  cogflow-worker --pools describe,embed --gpu l40s  # beside a model server",
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.start(cmd.Context(), args, getenv, stderr)
		},
	}
	cmd.Flags().StringSliceVar(&f.pools, "pools", []string{"all"}, "pools to serve: "+strings.Join(poolNames(), ", ")+" or all")
	cmd.Flags().StringVar(&f.gpu, "gpu", "auto", "GPU class of this host's model queues: auto, none or a class such as l40s")
	cmd.Flags().BoolVar(&f.dev, "dev", false, "also run a Temporal dev server with its Web UI, and restart the worker when it dies")
	cmd.Flags().BoolVar(&f.noSandbox, "no-sandbox", false, "decode media and run metric commands and training without bubblewrap: for trusted input only")
	cmd.Flags().Bool("require-sandbox", true, "")
	if err := cmd.Flags().MarkDeprecated("require-sandbox", "the sandbox is required by default; use --no-sandbox to turn it off"); err != nil {
		return err
	}
	cmd.Flags().StringVar(&f.logLevel, "log-level", "info", "debug, info, warn or error")
	cmd.Args = func(cmd *cobra.Command, args []string) error { return program.Usage(cobra.NoArgs(cmd, args)) }
	cmd.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return program.Usage(err) })
	cmd.SetArgs(args)
	cmd.SetOut(stderr)
	cmd.SetErr(stderr)
	return cmd.ExecuteContext(ctx)
}

func (f flags) start(ctx context.Context, args []string, getenv func(string) string, stderr io.Writer) error {
	logger, err := program.NewLogger(f.logLevel, stderr)
	if err != nil {
		return program.Usage(err)
	}
	defer logger.Sync() //nolint:errcheck // stderr cannot be synced everywhere
	c, err := config.Load(getenv)
	if err != nil {
		return err
	}
	outs := []io.Writer{safetext.Log{To: stderr, Redactor: program.Redactor(c, getenv)}}
	if c.Logs != "" && !f.dev { // with --dev the worker process writes the log
		file, err := logfile.Open(c.Logs)
		if err != nil {
			return unusable("open the log in", c.Logs, "cogflow.logs or COGFLOW_LOGS", err)
		}
		defer file.Close()
		outs = append(outs, safetext.Log{To: file, Redactor: program.Redactor(c, getenv)})
	}
	if logger, err = program.NewLogger(f.logLevel, outs...); err != nil {
		return program.Usage(err)
	}
	c.NoSandbox = c.NoSandbox || f.noSandbox
	if c.NoSandbox {
		logger.Warn("untrusted media are decoded, and metric commands and training run, WITHOUT a sandbox (--no-sandbox)")
	}
	if f.dev {
		return supervise(ctx, args, getenv, c, stderr, logger)
	}
	pools, err := choosePools(f.pools)
	if err != nil {
		return err
	}
	class, err := gpus.Class(ctx, f.gpu, gpus.Open)
	if err != nil {
		return err
	}
	return serve(ctx, c, getenv, pools, class, logger)
}
