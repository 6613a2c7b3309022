package programs

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/cogniverse/cogflow/activities/registry"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/format"
	"github.com/cogniverse/cogflow/internal/cli/transfer"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/workflows/optimize"
)

// exportedFiles are the files of a program: the two that DSPy loads, and the program file for
// `optimize --program`.
func exportedFiles() []string { return []string{"program.json", "state.json", "source.json"} }

// servingFile holds the active version and the canary in the format of Cogniverse's agents.
const servingFile = "artefact_state.json"

const exportOp = "export program"

func (a app) exportCommand() *cobra.Command {
	var in optimize.ProgramInput
	var to, key string
	cmd := &cobra.Command{
		Use:   "export NAME[@VERSION]",
		Short: "Write the files that DSPy loads",
		Long: `Export writes program.json (for DSPy's load), state.json (for load_state) and source.json
(for optimize --program) into a new directory, and checks size and SHA-256 against the manifest. The
directory appears when it is complete. Existing files are never overwritten.

While the program has a canary, canary/ holds its files, and artefact_state.json names both
versions and the share. With --key only the version that this key gets is written.`,
		Example: `  cogflow programs export agentic-router --to ./router
  cogflow programs export agentic-router@3 --json
  cogflow programs export agentic-router --key session-17`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.CompleteFirst(a.versions(&in.Common)),
		RunE: func(cmd *cobra.Command, args []string) error {
			d, _, err := a.programFor(cmd, in, args[0], key)
			if err != nil {
				return err
			}
			w, err := files(d)
			if err != nil {
				return err
			}
			if _, version, _ := cli.ParseRef(args[0]); version == 0 && key == "" && d.Canary != nil {
				if err := a.addCanary(cmd.Context(), in, d, &w); err != nil {
					return err
				}
			}
			if to == "" {
				to = fmt.Sprintf("%s-%d", d.Name, d.Version)
			}
			done, err := transfer.Download(cmd.Context(), a.App, w, to)
			if err != nil {
				return err
			}
			if a.JSON {
				return a.PrintJSON(done)
			}
			a.Say("%s: %s, %s, %s, every SHA-256 matches the manifest", done.Path, cli.Ref(d.Name, d.Version),
				format.Count(done.Files, "file", "files"), format.Bytes(done.Bytes))
			return nil
		},
	}
	tenantFlag(cmd, &in.Common)
	cmd.Flags().StringVar(&to, "to", "", "new directory (default: NAME-VERSION)")
	keyFlag(cmd, &key)
	return cmd
}

func files(d registry.ProgramDetail) (transfer.Published, error) {
	w := transfer.Published{Op: exportOp, Name: d.Name, Version: d.Version, Prefix: d.Prefix}
	for _, name := range exportedFiles() {
		i := slices.IndexFunc(d.Files, func(f training.CheckpointFile) bool { return f.Name == name })
		if i < 0 {
			return w, fault.New(fault.Input, w.Op, cli.Ref(d.Name, d.Version), "its manifest does not list "+name)
		}
		w.Files = append(w.Files, d.Files[i])
	}
	return w, nil
}

// addCanary adds the files of the canary, and servingFile, to the files of the active version.
func (a app) addCanary(ctx context.Context, in optimize.ProgramInput, active registry.ProgramDetail, w *transfer.Published) error {
	d, _, err := a.showProgram(ctx, in, cli.Ref(active.Canary.Name, active.Canary.Version))
	if err != nil {
		return err
	}
	canary, err := files(d)
	if err != nil {
		return err
	}
	canary.Under = "canary"
	text, err := json.MarshalIndent(serving{
		Active:  serves{active.Active.Version, active.Active.Since, 0},
		Canary:  serves{active.Canary.Version, active.Canary.Since, active.Canary.Share},
		Retired: []serves{},
	}, "", "  ")
	w.Beside, w.Notes = []transfer.Published{canary}, map[string][]byte{servingFile: append(text, '\n')}
	return err
}

// serving is the content of servingFile, with Cogniverse's keys.
type serving struct {
	Active  serves   `json:"active"`
	Canary  serves   `json:"canary"`
	Retired []serves `json:"retired"`
}

type serves struct {
	Version int       `json:"version"`
	Since   time.Time `json:"promoted_at"`
	Share   int       `json:"traffic_pct,omitempty"`
}
