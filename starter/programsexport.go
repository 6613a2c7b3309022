package main

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/workflows"
)

// exportedFiles are what a program is used with: DSPy's file, its state alone,
// and the program as `optimize --program` reads it.
func exportedFiles() []string { return []string{"program.json", "state.json", "source.json"} }

func (a *app) programsExportCommand() *cobra.Command {
	var in workflows.ProgramInput
	var to string
	cmd := &cobra.Command{
		Use:   "export NAME[@VERSION]",
		Short: "Write a program as DSPy loads it, every file checked",
		Long: `Export writes program.json (for DSPy's load), state.json (for load_state) and source.json
(for optimize --program) into a new directory and checks size and SHA-256 against the
manifest. The directory appears when all of it is there. What exists already is never
overwritten.`,
		Example: "  cogflow programs export agentic-router --to ./router\n  cogflow programs export agentic-router@3 --json",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			d, _, err := a.showProgram(cmd.Context(), in, args[0])
			if err != nil {
				return err
			}
			w := wares{op: "export program", name: d.Name, version: d.Version, prefix: d.Prefix}
			for _, name := range exportedFiles() {
				i := slices.IndexFunc(d.Files, func(f training.CheckpointFile) bool { return f.Name == name })
				if i < 0 {
					return fault.New(fault.Input, w.op, adapterRef(d.Name, d.Version), "its manifest names no "+name)
				}
				w.files = append(w.files, d.Files[i])
			}
			if to == "" {
				to = fmt.Sprintf("%s-%d", d.Name, d.Version)
			}
			done, err := a.download(cmd.Context(), w, to)
			if err != nil {
				return err
			}
			if a.json {
				return a.printJSON(done)
			}
			a.say("%s: %s, %s, every SHA-256 as the manifest has it", done.Path, count(done.Files, "file", "files"), bytesText(done.Bytes))
			return nil
		},
	}
	programTenant(cmd, &in.Common)
	cmd.Flags().StringVar(&to, "to", "", "new directory (default: NAME-VERSION)")
	return cmd
}
