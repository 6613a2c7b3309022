package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/workflows"
)

func (a *App) ingestCommand() *cobra.Command {
	var in workflows.IngestLibraryInput
	var id string
	var wait waiting
	cmd := &cobra.Command{
		Use:   "ingest SOURCE",
		Short: "Ingest a folder, a prefix, a manifest or one video for search",
		Long: `Ingest looks at every video of SOURCE: a directory, a video file, an s3:// prefix or a
manifest with one URI a line. It extracts frames, describes, embeds and indexes them.
Videos that were ingested before with the same settings cost nothing. One bad video does
not stop the others; it is reported with its stage and reason.

The job runs on workers and goes on when this command ends. Starting it again while it
runs attaches to it.`,
		Example: `  cogflow ingest ~/videos --recursive
  cogflow ingest talk.mp4 --profile local_preview
  cogflow ingest s3://bucket/prefix --tenant acme --budget 20 --detach
  cogflow ingest ~/videos --dry-run --json`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			source, err := absolute(args[0])
			if err != nil {
				return err
			}
			in.Source = source
			return a.ingest(cmd.Context(), in, id, wait)
		},
	}
	f := cmd.Flags()
	commonFlags(cmd, &in.Common)
	f.StringVar(&in.Profile, "profile", "", "recipe to ingest with (default: the active one)")
	f.BoolVar(&in.Recursive, "recursive", false, "descend into directories")
	f.IntVar(&in.MaxVideos, "max-videos", 0, "stop after so many videos; 0 = all")
	f.IntVar(&in.Concurrency, "concurrency", 0, "videos at a time (default 4)")
	f.BoolVar(&in.Force, "force", false, "extract and index again what is there already")
	f.BoolVar(&in.DryRun, "dry-run", false, "count and estimate, write nothing")
	f.StringVar(&id, "id", "", "workflow id (default: made from tenant, profile and source)")
	wait.flags(cmd, true)
	a.completeProfiles(cmd)
	return cmd
}

// absolute makes a local path independent of our directory: a worker has
// another one. URIs pass unchanged.
func absolute(source string) (string, error) {
	switch {
	case source == "":
		return "", usage("SOURCE is empty")
	case !utf8.ValidString(source):
		return "", usage("the name %q is not UTF-8 and cannot be sent: rename the file or ingest its directory", source)
	case strings.Contains(source, "://"):
		return source, nil
	}
	return filepath.Abs(source)
}

func ingestID(t, profile, source string) string {
	sum := sha256.Sum256([]byte(source))
	return fmt.Sprintf("ingest-%s-%s-%s", t, profile, hex.EncodeToString(sum[:])[:12])
}

func (a *App) ingest(ctx context.Context, in workflows.IngestLibraryInput, id string, wait waiting) error {
	if err := normal(&in.Common); err != nil {
		return err
	}
	cfg, err := a.config()
	if err != nil {
		return err
	}
	profile := in.Profile
	if profile == "" {
		profile = cfg.Active()
	}
	if id == "" {
		id = ingestID(in.Tenant, profile, in.Source)
	}
	c, err := a.connect(ctx)
	if err != nil {
		return err
	}
	run, attached, err := a.start(ctx, c, Job{
		Kind: "IngestLibrary", ID: id, Common: in.Common, Profile: profile,
		Summary: "ingest " + in.Source,
		Details: fmt.Sprintf("Tenant `%s`, profile `%s`, source `%s`.", in.Tenant, profile, strings.ReplaceAll(safetext.Clean(in.Source), "`", "'")),
		Input:   in,
	})
	if err != nil {
		return err
	}
	return a.began(ctx, c, run, "IngestLibrary", attached, wait)
}

func (a *App) ingestKinds() map[string]Kind {
	return map[string]Kind{
		"IngestLibrary": {Progress: a.libraryProgress, Result: Result(a.printLibrary)},
		"IngestVideo":   {Progress: a.videoProgress, Result: Result(a.printVideo)},
	}
}
