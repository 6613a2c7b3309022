// Command export writes the input of `make verify-vespa`, which checks it with Vespa's own
// code: the application package of each profile, and every request that the index sends
// while it stores, publishes, searches and removes a video, with the responses of the
// fake server.
//
//	export DIR          write packages and recordings
//	export -serve DIR   serve a fake and feed it, for the comparison of feeders
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"github.com/cogniverse/cogflow/internal/vespa"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	serving := flag.Bool("serve", false, "serve a fake Vespa and feed it until standard input ends")
	flag.Parse()
	err := errors.New("give one argument: a directory")
	if dir := flag.Arg(0); flag.NArg() == 1 {
		if *serving {
			err = serve(ctx, dir)
		} else {
			err = export(ctx, dir)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "export:", err)
		os.Exit(1)
	}
}

// profiles are Cogniverse's six, by name and dimensions, and cogflow's own; and
// each way to store an embedding at least once.
func profiles() []video.Profile {
	p := func(name string, dim int, multi bool, keep video.Keep) video.Profile {
		return video.Profile{Name: name, Embed: video.Stage{Model: name, Dim: dim, Multi: multi, Keep: keep}}.Normal()
	}
	return []video.Profile{
		p("video_colpali_smol500_mv_frame", 128, true, video.KeepBFloat16),
		p("video_colqwen_omni_mv_chunk_30s", 128, true, video.KeepBits),
		p("video_videoprism_base_mv_chunk_30s", 768, true, video.KeepBFloat16),
		p("video_videoprism_large_mv_chunk_30s", 1024, true, video.KeepBits),
		p("video_videoprism_lvt_base_sv_chunk_6s", 768, false, video.KeepFloat),
		p("video_videoprism_lvt_large_sv_chunk_6s", 1024, false, video.KeepBFloat16),
		video.LocalPreview(),
	}
}

// export writes one package per profile, and one with all profiles for tenants whose names
// differ only in a separator, on two hosts, with a validation override.
func export(ctx context.Context, dir string) error {
	const owner tenant.ID = "acme"
	if err := exportLinguistics(dir); err != nil {
		return err
	}
	for _, p := range profiles() {
		files, err := vespa.Package([]tenant.ID{owner}, []video.Profile{p}, vespa.PackageOptions{})
		if err != nil {
			return err
		}
		if err := write(filepath.Join(dir, "packages", p.Name), files); err != nil {
			return err
		}
		recorded, err := record(ctx, owner, p, files)
		if err != nil {
			return fmt.Errorf("profile %s: %w", p.Name, err)
		}
		data, err := json.MarshalIndent(recorded, "", " ")
		if err != nil {
			return err
		}
		if err := write(filepath.Join(dir, "recordings"), []vespa.File{{Path: p.Name + ".json", Data: data}}); err != nil {
			return err
		}
	}
	odd := video.Profile{Name: "odd", Embed: video.Stage{Model: "odd", Dim: 100}}.Normal() // without a field of bits
	all, err := vespa.Package([]tenant.ID{owner, "acme:eu", "acme_eu"}, append(profiles(), odd), vespa.PackageOptions{
		Hosts: []string{"vespa-0", "vespa-1"}, Redundancy: 2,
		Allow: []string{"field-type-change"}, AllowUntil: time.Now().AddDate(0, 0, 20).Format(time.DateOnly),
	})
	if err != nil {
		return err
	}
	return write(filepath.Join(dir, "packages", "all_of_three_tenants"), all)
}

func write(dir string, files []vespa.File) error {
	for _, f := range files {
		path := filepath.Join(dir, filepath.FromSlash(f.Path))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, f.Data, 0o644); err != nil {
			return err
		}
	}
	return nil
}
