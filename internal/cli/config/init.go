package config

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/config"
	"github.com/cogniverse/cogflow/video"
)

// schemaName is the schema file beside a configuration; editors use it.
const schemaName = "cogflow.schema.json"

// initialized is the output of `init --json`.
type initialized struct {
	File    string   `json:"file"`
	Schema  string   `json:"schema"`
	Profile string   `json:"profile"` // active profile
	Next    []string `json:"next"`    // next commands
}

func (a app) initCommand() *cobra.Command {
	var in answers
	var force, yes bool
	cmd := &cobra.Command{
		Use:   "init [FILE]",
		Short: "Write a first configuration",
		Long: `Init asks where your model, store and index are, and writes a configuration that is valid
(default FILE: ` + config.DefaultFile + `). It asks for the name of the variable that holds a key, never for the key.

Flags answer questions beforehand. Answers can also come from standard input, one a line; an
empty line, and every line after the end, takes the default. With --yes nothing is asked.`,
		Example: `  cogflow init
  cogflow init --yes --model-url https://vllm.example.org/v1 --model Qwen/Qwen2-VL-2B-Instruct --key-env VLM_API_KEY
  cogflow init staging.json --yes --store "s3://cogflow?region=eu-west-1" --index http://vespa:8080`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			file := config.DefaultFile
			if len(args) == 1 {
				file = args[0]
			}
			if _, err := os.Stat(file); !force && !errors.Is(err, fs.ErrNotExist) {
				return cli.Usage("%s exists; --force replaces it", file)
			}
			ask := in.questions()
			if !yes {
				if err := a.ask(cmd.Context(), ask, cmd.Flags().Changed); err != nil {
					return err
				}
			}
			for _, q := range ask {
				if err := q.check(*q.to); err != nil {
					return cli.Usage("--%s: %v", q.flag, err)
				}
			}
			return a.begin(file, in)
		},
	}
	for _, q := range in.questions() {
		cmd.Flags().StringVar(q.to, q.flag, "", q.help)
	}
	cmd.Flags().BoolVar(&force, "force", false, "replace FILE if it exists")
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "ask nothing: use the defaults for everything without a flag")
	cli.OfferWords(cmd, "gpu", video.GPUClasses()...)
	return cmd
}

// begin writes the configuration and the schema, and prints the next commands.
func (a app) begin(file string, in answers) error {
	text, err := json.MarshalIndent(in.file(), "", "  ")
	if err != nil {
		return err
	}
	dir := filepath.Dir(file)
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // other users can read a configuration: it has no secrets
		return fault.Disk("write configuration", file, err)
	}
	schema, err := config.SchemaJSON()
	if err != nil {
		return err
	}
	profile, err := put(file, append(text, '\n'))
	if err != nil {
		return err
	}
	beside := filepath.Join(dir, schemaName)
	if err := os.WriteFile(beside, append(schema, '\n'), 0o644); err != nil { //nolint:gosec // as above
		return fault.Disk("write schema", beside, err)
	}
	r := initialized{File: file, Schema: beside, Profile: profile, Next: a.next(file, in)}
	if a.JSON {
		return a.PrintJSON(r)
	}
	a.Say("Wrote %s and its schema for editors, %s.\n", file, beside)
	a.Say("Next:")
	for _, command := range r.Next {
		a.Say("  %s", command)
	}
	return nil
}

// put writes the configuration only if config.Load accepts it. It returns the active profile.
func put(file string, text []byte) (profile string, err error) {
	temporary, err := os.CreateTemp(filepath.Dir(file), ".cogflow-*.json")
	if err != nil {
		return "", fault.Disk("write configuration", file, err)
	}
	defer func() { _ = os.Remove(temporary.Name()) }() // fails after the rename, when no temporary file is left
	_, err = temporary.Write(text)
	if err = errors.Join(err, temporary.Chmod(0o644), temporary.Close()); err != nil {
		return "", fault.Disk("write configuration", file, err)
	}
	c, err := config.Load(func(name string) string {
		return map[string]string{config.EnvFile: temporary.Name()}[name]
	})
	if err == nil {
		_, err = c.Profile("")
	}
	if err != nil {
		return "", cli.Usage("%s", strings.ReplaceAll(err.Error(), temporary.Name(), file))
	}
	return c.Active(), fault.Disk("write configuration", file, os.Rename(temporary.Name(), file))
}

// next returns the commands to run next.
func (a app) next(file string, in answers) (commands []string) {
	if filepath.Clean(file) != config.DefaultFile {
		path, err := filepath.Abs(file)
		if err != nil {
			path = file
		}
		commands = append(commands, "export "+config.EnvFile+"="+path)
	}
	if in.key != "" && a.Getenv(in.key) == "" {
		commands = append(commands, "export "+in.key+"=…   # the key; set it where the worker starts")
	}
	return append(commands, "cogflow config check", "make up", "cogflow health", "cogflow ingest FOLDER")
}
