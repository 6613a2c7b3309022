// Package videos is the part of the command line that lists, shows and deletes ingested
// videos through workers. It accesses neither the index nor the object store.
package videos

import (
	"bufio"
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/format"
	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows/ingest"
)

type app struct{ *cli.App }

// Feature returns the commands of the package.
func Feature(a *cli.App) cli.Feature {
	f := app{a}
	return cli.Feature{
		Commands: []*cobra.Command{f.command()},
	}
}

func (a app) command() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "videos",
		Short: "List, show or delete ingested videos",
		Long: `VIDEO is the name of a video as the list shows it, or the SHA-256 of its content, or the first 8
or more digits of that. It must name one video only.`,
	}
	cmd.AddCommand(a.listCommand(), a.showCommand(), a.deleteCommand())
	return cmd
}

// ownerFlags are the flags for the tenant and the profile.
func (a app) ownerFlags(cmd *cobra.Command, in *ingest.ListVideosInput) {
	cmd.Flags().StringVar(&in.Tenant, "tenant", "", `tenant that owns the videos (default "default")`)
	cmd.Flags().StringVar(&in.Profile, "profile", "", "limit to this profile (default: all)")
	a.CompleteProfiles(cmd)
}

func (a app) listCommand() *cobra.Command {
	var in ingest.ListVideosInput
	cmd := &cobra.Command{
		Use:     "list",
		Short:   "List ingested videos",
		Long:    "List shows the videos that search can find, by profile and name.",
		Example: "  cogflow videos list --tenant acme\n  cogflow videos list --offset 500 --limit 500 --json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := a.listVideos(cmd.Context(), in)
			if err != nil {
				return err
			}
			if a.JSON {
				return a.PrintJSON(r)
			}
			a.printVideos(r.Videos)
			return nil
		},
	}
	a.ownerFlags(cmd, &in)
	cmd.Flags().IntVar(&in.Offset, "offset", 0, "rows to skip")
	cmd.Flags().IntVar(&in.Limit, "limit", 100, "maximum number of rows, up to 500")
	return cmd
}

func (a app) listVideos(ctx context.Context, in ingest.ListVideosInput) (r ingest.ListVideosResult, err error) {
	if err := cli.Normalize(&in.Common); err != nil {
		return r, err
	}
	_, err = a.Ask(ctx, cli.Job{
		Kind: "ListVideos", ID: fmt.Sprintf("videos-%s-%s", in.Tenant, uuid.NewString()),
		Common: in.Common, Profile: in.Profile, Summary: "list videos", Input: in,
	}, &r)
	if r.Videos == nil {
		r.Videos = []video.Generation{}
	}
	return r, err
}

func (a app) printVideos(videos []video.Generation) {
	if len(videos) == 0 {
		a.Say("No videos.")
		return
	}
	rows := make([][]string, len(videos))
	for i, v := range videos {
		rows[i] = []string{a.Short(string(v.Video)), v.Profile, format.Clock(v.DurationMS), strconv.Itoa(v.Documents), v.Name}
		if a.Wide {
			rows[i] = append(rows[i], v.URI)
		}
	}
	columns := []cli.Column{{Name: "video"}, {Name: "profile"}, {Name: "length", Right: true}, {Name: "documents", Right: true}, {Name: "name", Flex: !a.Wide}}
	if a.Wide {
		columns = append(columns, cli.Column{Name: "uri"})
	}
	a.Table(columns, rows)
}

func (a app) showCommand() *cobra.Command {
	var in ingest.ListVideosInput
	cmd := &cobra.Command{
		Use:     "show VIDEO",
		Short:   "Show one ingested video",
		Long:    "Show prints the published documents of one video, per profile.",
		Example: "  cogflow videos show talk.mp4\n  cogflow videos show 0123456789ab",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			found, err := a.findVideo(cmd.Context(), in, args[0])
			if err != nil {
				return err
			}
			if a.JSON {
				return a.PrintJSON(ingest.ListVideosResult{Videos: found})
			}
			for _, v := range found {
				cli.WriteTable(a.Out, 0, []cli.Column{{Name: "video"}, {Name: ""}}, [][]string{
					{"id", string(v.Video)},
					{"name", v.Name},
					{"uri", v.URI},
					{"tenant", string(v.Tenant)},
					{"profile", v.Profile},
					{"length", format.Clock(v.DurationMS)},
					{"documents", strconv.Itoa(v.Documents)},
					{"generation", string(v.Generation)},
				})
			}
			return nil
		},
	}
	a.ownerFlags(cmd, &in)
	return cmd
}

const minPrefix = 8 // digits; a shorter prefix could easily match several videos

// findVideo returns the generations of the video with this name, id or id prefix.
func (a app) findVideo(ctx context.Context, in ingest.ListVideosInput, id string) ([]video.Generation, error) {
	if _, err := video.ParseID(id); err == nil {
		in.Video = id
	}
	digits := len(id) >= minPrefix && strings.Trim(id, "0123456789abcdef") == ""
	var found []video.Generation
	for in.Limit = 500; ; in.Offset += in.Limit {
		page, err := a.listVideos(ctx, in)
		if err != nil {
			return nil, err
		}
		for _, v := range page.Videos {
			if v.Name == id || digits && strings.HasPrefix(string(v.Video), id) {
				found = append(found, v)
			}
		}
		if len(page.Videos) < in.Limit {
			break
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("no ingested video %q; `cogflow videos list` shows the ingested videos", id)
	}
	for _, v := range found[1:] {
		if v.Video != found[0].Video {
			return nil, fmt.Errorf("%q matches several videos: %s and %s", id, found[0].Video, v.Video)
		}
	}
	return found, nil
}

func (a app) deleteCommand() *cobra.Command {
	var in ingest.ListVideosInput
	var yes bool
	cmd := &cobra.Command{
		Use:   "delete VIDEO",
		Short: "Delete an ingested video from the index and the store",
		Long: `Delete removes a video's documents, frames and manifests. Captions and embeddings stay, because
other videos may use them. The source file is never changed.`,
		Example: "  cogflow videos delete 0123456789ab --yes",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !yes && !cli.IsTerminal(a.In) {
				return cli.Usage("no terminal to ask for confirmation: confirm with --yes")
			}
			return a.deleteVideo(cmd.Context(), in, args[0], yes)
		},
	}
	a.ownerFlags(cmd, &in)
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask for confirmation")
	return cmd
}

func (a app) deleteVideo(ctx context.Context, in ingest.ListVideosInput, id string, yes bool) error {
	found, err := a.findVideo(ctx, in, id)
	if err != nil {
		return err
	}
	v := found[0]
	if !yes && !a.confirm(fmt.Sprintf("Delete %s (%s) of tenant %s? [y/N] ", v.Name, a.Short(string(v.Video)), v.Tenant)) {
		return &cli.ExitError{Code: cli.ExitFailed, Text: "nothing was deleted"}
	}
	remove := ingest.DeleteVideoInput{Common: in.Common, Video: string(v.Video), Profile: in.Profile}
	if err := cli.Normalize(&remove.Common); err != nil {
		return err
	}
	var r ingest.DeleteVideoResult
	raw, err := a.Ask(ctx, cli.Job{
		Kind: "DeleteVideo", ID: fmt.Sprintf("delete-%s-%s-%s", remove.Tenant, remove.Profile, v.Video[:cli.ShortDigits]),
		Common: remove.Common, Profile: in.Profile, Name: v.Name, Summary: "delete " + v.Name, Input: remove,
	}, &r)
	if err != nil {
		return err
	}
	if a.JSON {
		return a.PrintJSON(raw)
	}
	a.Say("Deleted %s: %s, %s.", v.Name, format.Count(r.Documents, "document", "documents"), format.Count(r.Objects, "object", "objects"))
	return nil
}

func (a app) confirm(question string) bool {
	fmt.Fprint(a.Err, safetext.Clean(question)+" ")
	answer, err := bufio.NewReader(a.In).ReadString('\n')
	return err == nil && strings.EqualFold(strings.TrimSpace(answer), "y")
}
