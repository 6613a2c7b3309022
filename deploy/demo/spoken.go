package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/cogniverse/cogflow/internal/clips"
	"github.com/cogniverse/cogflow/internal/devstack"
	"github.com/cogniverse/cogflow/internal/smallserver"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows/ingest"
)

// sentences are what the spoken clip says, and a question that shares no word with the first.
func sentences() (said []string, question string) {
	return []string{
		"The weather in the mountains is very cold tonight.",
		"Please wash your hands before you cook dinner.",
	}, "chilly evening up on a hill"
}

// spoken shows that words which are said are found by their meaning. It requires the models
// of `make small`, and says so where they are missing.
func (d *demo) spoken(ctx context.Context) error {
	d.say("Searching what is said")
	folder, installed := smallserver.Find()
	if !installed {
		fmt.Fprintln(d.out, "   `make small` adds models of speech and meaning (300 MB, no GPU). Then `make demo` also finds what is said in a clip.")
		return nil
	}
	if stack, _, err := devstack.Find("."); err != nil || stack.Environment["COGFLOW_SMALL_MODELS"] == "" {
		fmt.Fprintln(d.out, "   The running stack was started without the models of `make small`: start it again.")
		return err
	}
	said, question := sentences()
	dir := filepath.Join(stateDir, "demo-spoken")
	if err := speak(ctx, folder, dir, said); err != nil {
		return err
	}
	profile := video.LocalSmall().Name
	var r ingest.LibraryResult
	if code, err := d.cogflow(ctx, &r, "ingest", dir, "--profile", profile); err != nil || code != 0 {
		return fmt.Errorf("the spoken clip was not ingested: %v %w", r.Failures, err)
	}
	for _, sentence := range said {
		d.line("said", fmt.Sprintf("%q", sentence))
	}
	return d.search(ctx, search{query: question, profile: profile})
}

// speak makes the clip in dir, unless it is there.
func speak(ctx context.Context, embedder, dir string, said []string) error {
	clip := filepath.Join(dir, "spoken.mp4")
	if _, err := os.Stat(clip); err == nil {
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "cogflow-spoken-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	args := []string{"-m", "embedder.small.say"}
	var sounds []string
	for i, sentence := range said {
		sounds = append(sounds, filepath.Join(work, fmt.Sprintf("%d.wav", i)))
		args = append(args, sentence, sounds[i])
	}
	cmd := exec.CommandContext(ctx, filepath.Join("small", ".venv", "bin", "python"), args...)
	cmd.Dir, cmd.Env = embedder, append(os.Environ(), "PYTHONPATH=src")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("speak the sentences: %w: %s", err, out)
	}
	return clips.Spoken(ctx, "ffmpeg", clip, 12, sounds)
}
