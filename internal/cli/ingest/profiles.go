package ingest

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/config"
	"github.com/cogniverse/cogflow/video"
)

// profileList is the output of `profiles --json`.
type profileList struct {
	Active      string           `json:"active"`
	Profiles    []video.Profile  `json:"profiles"`
	NotRunnable []config.Foreign `json:"not_runnable"` // from Cogniverse's backend.profiles
}

func (a app) profilesCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "profiles",
		Short: "List ingestion profiles",
		Long: `Profiles lists the ingestion profiles of this configuration: how frames are sampled and which
models describe and embed them. The one marked * is the default. Profiles of Cogniverse whose
models have no endpoint are listed with what is missing.`,
		Example: "  cogflow profiles",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			c, err := a.Config()
			if err != nil {
				return err
			}
			if a.JSON {
				return a.PrintJSON(profileList{Active: c.Active(), Profiles: c.Profiles(), NotRunnable: c.Foreign()})
			}
			a.printProfiles(c)
			return nil
		},
	}
}

func (a app) printProfiles(c config.Config) {
	mark := func(name string) string {
		if name == c.Active() {
			return "*"
		}
		return ""
	}
	var rows [][]string
	for _, p := range c.Profiles() {
		state := "ready"
		if p.Describe.Preview || p.Embed.Preview {
			state = "ready (preview models)"
		}
		rows = append(rows, []string{mark(p.Name), p.Name, sampling(p.Sampling), p.Describe.Model, p.Embed.Model, state})
	}
	for _, f := range c.Foreign() {
		rows = append(rows, []string{mark(f.Name), f.Name, "-", "-", f.Model, f.Missing()})
	}
	a.Table([]cli.Column{{Name: ""}, {Name: "profile"}, {Name: "frames"}, {Name: "describe"}, {Name: "embed"}, {Name: "state", Flex: true}}, rows)
}

func sampling(s video.Sampling) string {
	switch s.Strategy {
	case video.FixedRate:
		return fmt.Sprintf("%g fps", s.FPS)
	case video.Segments:
		return fmt.Sprintf("segments of %gs", float64(s.WindowMS)/1000)
	default:
		return fmt.Sprintf("%s, every %gs at least", s.Strategy, float64(s.MaxGapMS)/1000)
	}
}
