package root

import (
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/cogniverse/cogflow/internal/cli"
)

// build describes this build, from the information that the toolchain adds.
type build struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Modified bool   `json:"modified,omitempty"` // the build has uncommitted changes
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func thisBuild(version string) build {
	b := build{Version: version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if v := info.Main.Version; version == "dev" && v != "" && v != "(devel)" {
		b.Version = v // go install
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			b.Revision = s.Value
		case "vcs.modified":
			b.Modified = s.Value == "true"
		}
	}
	return b
}

func versionCommand(a *cli.App) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Long:    "Version prints the version of this build and its libraries.",
		Example: "  cogflow version --json",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			b := thisBuild(a.Version)
			if a.JSON {
				return a.PrintJSON(b)
			}
			a.Say("cogflow %s (%s, %s)", b.Version, b.Go, b.Platform)
			return nil
		},
	}
}
