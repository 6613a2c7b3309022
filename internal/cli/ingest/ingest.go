// Package ingest is the part of the command line that starts ingestion, shows its progress
// and results, and lists the profiles. It does not depend on search, training or
// optimization. Workers open the videos.
package ingest

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/submit"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows/ingest"
)

type app struct{ *cli.App }

// Feature returns the commands of the package, and how its kinds of jobs are shown.
func Feature(a *cli.App) cli.Feature {
	f := app{a}
	return cli.Feature{
		Commands: []*cobra.Command{f.command(), f.profilesCommand()},
		Kinds:    f.kinds(),
	}
}

func (a app) command() *cobra.Command {
	var in ingest.LibraryInput
	var id string
	var wait cli.Waiting
	cmd := &cobra.Command{
		Use:   "ingest SOURCE",
		Short: "Ingest a folder, a prefix, a manifest or one video for search",
		Long: `Ingest extracts, describes, embeds and indexes the frames of every video of SOURCE: a directory,
a video file, an s3:// prefix or a manifest with one URI per line. Videos that were ingested
before with the same settings cost nothing. A bad video does not stop the others; it is reported
with its stage and reason.

The job runs on workers and continues when this command ends. Starting it again while it runs
attaches to it.`,
		Example: `  cogflow ingest ~/videos --recursive
  cogflow ingest talk.mp4 --profile local_preview
  cogflow ingest s3://bucket/prefix --tenant acme --budget 20 --detach
  cogflow ingest film.mkv --sampling shots
  cogflow ingest ~/videos --dry-run --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("concurrency") {
				if err := cli.CheckRange("concurrency", in.Concurrency, 1, ingest.MaxConcurrency); err != nil {
					return err
				}
			}
			if in.Sampling != "" {
				if err := cli.CheckOneOf("sampling", in.Sampling, strategies()); err != nil {
					return err
				}
			}
			source, err := absolute(args[0])
			if err == nil {
				err = a.CheckProfile(in.Profile)
			}
			if err == nil && a.Local() {
				err = checkPath(source, in.Recursive)
			}
			if err != nil {
				return err
			}
			in.Source = source
			return a.ingest(cmd.Context(), in, id, wait)
		},
	}
	f := cmd.Flags()
	cli.CommonFlags(cmd, &in.Common)
	f.StringVar(&in.Profile, "profile", "", "ingestion profile (default: the active one)")
	f.StringVar(&in.Sampling, "sampling", "", "strategy in place of the profile's: fps, keyframes, scene, segments or shots")
	f.BoolVar(&in.Recursive, "recursive", false, "include folders below a directory")
	f.IntVar(&in.MaxVideos, "max-videos", 0, "maximum number of videos; 0 = all")
	f.IntVar(&in.Concurrency, "concurrency", 0, "maximum number of concurrent videos (default 4)")
	f.BoolVar(&in.Force, "force", false, "extract and index again; stored captions are reused")
	f.BoolVar(&in.DryRun, "dry-run", false, "count and estimate, write nothing; a dry run has its own workflow id")
	f.StringVar(&id, "id", "", "workflow id (default: derived from tenant, profile and source)")
	wait.Flags(cmd, true)
	a.CompleteProfiles(cmd)
	cli.OfferWords(cmd, "sampling", strategies()...)
	return cmd
}

func strategies() (out []string) {
	for _, s := range video.Strategies() {
		out = append(out, string(s))
	}
	return out
}

// absolute makes a local path absolute, because a worker has another working directory. URIs
// stay unchanged.
func absolute(source string) (string, error) {
	switch {
	case source == "":
		return "", cli.Usage("SOURCE is empty")
	case !utf8.ValidString(source):
		return "", cli.Usage("the name %q is not UTF-8 and cannot be sent: rename the file or ingest its directory", source)
	case strings.Contains(source, "://"):
		scheme, _, _ := strings.Cut(source, "://")
		if !slices.Contains([]string{"file", "s3", "https", "upload"}, scheme) {
			return "", cli.Usage("%s:// sources are not supported; use a path, file://, s3:// or https://", scheme)
		}
		return source, nil
	}
	return filepath.Abs(source)
}

// checkPath finds mistakes in a path before the start, if the worker runs on this machine.
func checkPath(source string, recursive bool) error {
	if strings.Contains(source, "://") {
		return nil
	}
	entries, err := os.ReadDir(source)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return cli.Usage("%s does not exist", source)
	case err != nil || recursive: // a file, or a directory that only the worker may read
		return nil //nolint:nilerr // the worker reports the error
	}
	folders := 0
	for _, e := range entries {
		if !e.IsDir() {
			return nil
		}
		folders++
	}
	if folders > 0 {
		return cli.Usage("%s contains only folders; add --recursive to ingest the videos in them", source)
	}
	return cli.Usage("%s is empty", source)
}

func (a app) ingest(ctx context.Context, in ingest.LibraryInput, id string, wait cli.Waiting) error {
	if err := cli.Normalize(&in.Common); err != nil {
		return err
	}
	cfg, err := a.Config()
	if err != nil {
		return err
	}
	job := submit.Library(in, cfg.Active())
	job.ID = cmp.Or(id, job.ID)
	return a.Launch(ctx, job, wait)
}

func (a app) kinds() map[string]cli.Kind {
	return map[string]cli.Kind{
		"IngestLibrary": {Progress: libraryProgress, Result: cli.Result(a.printLibrary)},
		"IngestVideo":   {Progress: videoProgress, Result: cli.Result(a.printVideo)},
	}
}
