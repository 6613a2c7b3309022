package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"time"

	"github.com/cogniverse/cogflow/internal/clips"
	"github.com/cogniverse/cogflow/workflows/ingest"
)

type demo struct {
	out          io.Writer
	began        time.Time
	bin          string // folder of the programs
	videos       string // a directory; empty = the clips that the demo makes
	port, uiPort string // ports of the stack; empty = the defaults
	stay         bool   // on a terminal: leave the stack running at the end
}

func (d *demo) say(format string, args ...any) {
	fmt.Fprintf(d.out, "\n── "+format+" (after %s)\n", append(args, time.Since(d.began).Round(time.Second))...)
}

func (d *demo) line(name, value string) { fmt.Fprintf(d.out, "   %-15s %s\n", name, value) }

func (d *demo) ui() string {
	port := d.uiPort
	if port == "" {
		port = "8233"
	}
	return "http://127.0.0.1:" + port
}

const exitSomeFailed = 3 // of cogflow: finished, and some items failed

// cogflow runs the command line and decodes its JSON output; progress goes to the
// terminal. code is 0 or exitSomeFailed.
func (d *demo) cogflow(ctx context.Context, into any, args ...string) (code int, err error) {
	cmd := d.command(ctx, append(args, "--json")...)
	cmd.Stderr = os.Stderr
	answer, err := cmd.Output()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.ExitCode() == exitSomeFailed {
		code, err = exitSomeFailed, nil
	}
	switch {
	case ctx.Err() != nil:
		return 0, ctx.Err()
	case err != nil:
		return 0, fmt.Errorf("cogflow %s: %w", args[0], err)
	}
	if err := json.Unmarshal(answer, into); err != nil {
		return 0, fmt.Errorf("cogflow %s printed invalid JSON: %w", args[0], err)
	}
	return code, nil
}

func (d *demo) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, filepath.Join(d.bin, "cogflow"), args...)
	if d.port != "" {
		cmd.Env = append(os.Environ(), "TEMPORAL_ADDRESS=127.0.0.1:"+d.port, "COGFLOW_UI="+d.ui())
	}
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

func (d *demo) ingest(ctx context.Context, source string) (report string, err error) {
	var r ingest.LibraryResult
	code, err := d.cogflow(ctx, &r, "ingest", source)
	if err != nil {
		return "", err
	}
	d.line("videos", fmt.Sprintf("%d: %d indexed, %d unchanged, %d failed", r.Videos, r.Indexed, r.Unchanged, r.Failed))
	d.line("frames", fmt.Sprint(r.Frames))
	d.line("describe calls", fmt.Sprint(r.DescribeCalls))
	for _, f := range r.Failures {
		d.line("failed", fmt.Sprintf("%q at %s: %s", f.URI, f.Stage, f.Reason))
	}
	if code != 0 && d.videos == "" {
		return "", errors.New("a clip was not ingested")
	}
	return d.reportFile(ctx, r.Report)
}

// reportFile returns the path of <tenant>/reports/<workflow>/<run>.html.
func (d *demo) reportFile(ctx context.Context, key string) (string, error) {
	var r struct {
		Path string `json:"path"`
	}
	_, err := d.cogflow(ctx, &r, "report", path.Base(path.Dir(key)))
	return r.Path, err
}

// search is one query and, if the answer is known, the position of its first hit.
type search struct {
	query          string
	profile        string // empty: the active one
	clip           string // empty: any hit is correct
	fromMS, tillMS int64
}

// scripted are queries for the text cards of the clips.
func scripted() []search {
	wanted := map[string]string{
		"WELCOME TO BANGKOK": "welcome to bangkok",
		"STAGE SEPARATION":   "stage separation",
		"SPEED LIMIT 60":     "speed limit 60",
	}
	var all []search
	for _, clip := range clips.Scripts() {
		for i, scene := range clip.Scenes {
			if query := wanted[scene.Text]; query != "" {
				all = append(all, search{query: query, clip: clip.Name, fromMS: clip.StartMS(i), tillMS: clip.EndMS(i)})
			}
		}
	}
	return all
}

// generic are queries for which the preview models can find hits.
func generic() []search {
	return []search{{query: "bright colorful scene"}, {query: "dark scene"}, {query: "text on screen"}}
}

func (d *demo) search(ctx context.Context, s search) error {
	var r ingest.SearchResult
	args := []string{"search", s.query, "--limit", "3"}
	if s.profile != "" {
		args = append(args, "--profile", s.profile)
	}
	if _, err := d.cogflow(ctx, &r, args...); err != nil {
		return err
	}
	if len(r.Hits) == 0 {
		return fmt.Errorf("search %q found no hits", s.query)
	}
	best := r.Hits[0]
	at := time.Duration(best.PTSMS) * time.Millisecond
	fmt.Fprintf(d.out, "   %-24q %s at %s\n", s.query, best.Name, at.Round(100*time.Millisecond))
	if s.clip != "" && (path.Base(best.URI) != s.clip || best.PTSMS < s.fromMS || best.PTSMS >= s.tillMS) {
		return fmt.Errorf("search %q: want %s between %d and %d ms first, got %s at %d ms",
			s.query, s.clip, s.fromMS, s.tillMS, best.URI, best.PTSMS)
	}
	return nil
}
