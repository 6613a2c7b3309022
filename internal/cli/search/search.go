// Package search is the part of the command line that searches ingested videos and measures
// search quality. Workers run the searches: this package does not open the index, and does not
// depend on ingestion.
package search

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/format"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows/ingest"
)

type app struct{ *cli.App }

// Feature returns the commands of the package.
func Feature(a *cli.App) cli.Feature {
	f := app{a}
	return cli.Feature{
		Commands: []*cobra.Command{f.searchCommand(), f.evalCommand()},
	}
}

func (a app) searchCommand() *cobra.Command {
	var in ingest.SearchInput
	var page pageFlags
	var filter filterFlags
	var example exampleFlags
	cmd := &cobra.Command{
		Use:   "search [WORDS…]",
		Short: "Find moments in ingested videos",
		Long: `Search finds the frames, segments and passages of speech whose captions, on-screen text, words or
embedding match WORDS best, within one tenant and profile. A preview model wrote the captions marked ~.

With --image it finds what looks like a picture, if the profile embeds pictures. With --like it finds
what is like a hit of an earlier search, by the id that --json prints. WORDS can be added to both.`,
		Example: `  cogflow search a red car on a bridge
  cogflow search sunset --tenant acme --limit 3 --json
  cogflow search "EXIT 12" --rank bm25
  cogflow search a red car --video talk.mp4 --from 1:30 --to 5m
  cogflow search sunset --group --limit 30
  cogflow search --image tram.jpg --profile frames
  cogflow search --like default:4c9184f37cff01bcdc32dc486ec36961:2000
  cogflow search sunset --open`,
		RunE: func(cmd *cobra.Command, args []string) error {
			in.Query = strings.Join(args, " ")
			var err error
			if in.Filter, err = filter.read(); err != nil {
				return err
			}
			if err := cli.Normalize(&in.Common); err != nil {
				return err
			}
			if err := example.read(&in, cmd.Flags().Changed("rank")); err != nil {
				return err
			}
			if err := cli.CheckOneOf("rank", in.Rank, ranks()); err != nil {
				return err
			}
			if err := cli.CheckRange("limit", in.Limit, 1, 1000); err != nil {
				return err
			}
			if err := a.CheckProfile(in.Profile); err != nil {
				return err
			}
			if err := a.store(cmd.Context(), example, in); err != nil {
				return err
			}
			var r ingest.SearchResult
			raw, err := a.Ask(cmd.Context(), cli.Job{
				Kind: "SearchVideos", ID: fmt.Sprintf("search-%s-%s", in.Tenant, uuid.NewString()),
				Common: in.Common, Profile: in.Profile, Summary: "search " + strconv.Quote(example.label(in)), Input: in,
			}, &r)
			if err != nil {
				return err
			}
			switch {
			case a.JSON && filter.group:
				err = a.PrintJSON(r.Groups())
			case a.JSON:
				err = a.PrintJSON(raw)
			case filter.group:
				a.printHits(byVideo(r))
			default:
				a.printHits(r.Hits)
			}
			if err != nil {
				return err
			}
			return a.page(cmd.Context(), page, in, example.label(in), r)
		},
	}
	f := cmd.Flags()
	f.StringVar(&in.Tenant, "tenant", "", `tenant that owns the videos (default "default")`)
	f.StringVar(&in.Profile, "profile", "", "profile to search (default: the active one)")
	f.IntVar(&in.Limit, "limit", 10, "maximum number of hits, 1 to 1000")
	f.StringVar(&in.Rank, "rank", "hybrid", "hybrid, bm25 or vector, which is used for an example without WORDS")
	f.StringVar(&page.file, "report", "", "write an HTML page with the frames of the hits to this file")
	f.BoolVar(&page.open, "open", false, "open that page in the browser; videos on this machine play from the hit")
	example.add(cmd, &in)
	filter.add(cmd)
	a.CompleteProfiles(cmd)
	cli.OfferWords(cmd, "rank", ranks()...)
	return cmd
}

func ranks() []string {
	return []string{string(video.RankHybrid), string(video.RankBM25), string(video.RankVector)}
}

func (a app) printHits(hits []video.Hit) {
	if len(hits) == 0 {
		a.Say("Nothing found.")
		return
	}
	rows, preview, said := make([][]string, len(hits)), false, false
	for i, h := range hits {
		caption := h.Caption
		if h.Preview {
			caption, preview = "~ "+caption, true
		}
		if h.Kind == video.SpeechDocument || h.Kind == video.AudioDocument {
			caption, said = "“"+h.Transcript+"”", true
		}
		rows[i] = []string{
			strconv.Itoa(i + 1), fmt.Sprintf("%.4f", h.Score),
			format.Clock(h.StartMS) + "–" + format.Clock(h.EndMS), h.Name, caption,
		}
	}
	a.Table([]cli.Column{
		{Name: "#", Right: true}, {Name: "score", Right: true}, {Name: "time"}, {Name: "video"}, {Name: "caption", Flex: true},
	}, rows)
	if preview {
		a.Say("~ caption by a built-in preview model")
	}
	if said {
		a.Say("“…” words that are said at that time")
	}
}
