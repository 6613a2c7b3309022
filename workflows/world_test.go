package workflows_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/activities/ingest"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/blob"
	"github.com/cogniverse/cogflow/internal/broker"
	"github.com/cogniverse/cogflow/internal/ledger"
	"github.com/cogniverse/cogflow/internal/preview"
	"github.com/cogniverse/cogflow/workflows/catalog"
	"github.com/cogniverse/cogflow/workflows/flowtest"

	ingestreport "github.com/cogniverse/cogflow/internal/report/ingest"
	"github.com/cogniverse/cogflow/internal/sqlite"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/video/subtitles"
)

// world is everything around the workflows: real store, index, ledger and
// embedder, and videos that are text files with one line per frame.
type world struct {
	t         *testing.T
	dir       string
	ingest    *ingest.Activities
	profile   video.Profile
	subtitles string                                               // of every video, a transcript in JSON; empty = none
	blank     int                                                  // shots of every video that are left out
	sound     []string                                             // pieces of sound of every video; the text is what is said
	describe  func(r video.DescribeRequest) (video.Caption, error) // nil: the frame's own text

	mu    sync.Mutex
	calls map[string]int // by frame text
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), calls: map[string]int{}}
	store, err := blob.Open(t.Context(), "file://"+filepath.Join(w.dir, "store"))
	require.NoError(t, err)
	index, err := sqlite.Open(filepath.Join(w.dir, "index.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, index.Close()) })
	calls, err := ledger.Open(filepath.Join(w.dir, "ledger.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, calls.Close()) })
	w.profile = video.LocalPreview()
	w.profile.ChunkFrames = 4
	w.profile.Describe.CostMicroUSD = 1000
	w.ingest = &ingest.Activities{
		Store: store, Index: index, Ledger: calls, Broker: broker.New(broker.Options{Ledger: calls, Spread: time.Millisecond}), Embedder: preview.Embedder{},
		Sources: (*textVideos)(w), Media: (*textVideos)(w), Describer: (*textVideos)(w), Runs: noRuns{},
		Profiles: func(string) (video.Profile, error) { return w.profile, nil },
		Report:   ingestreport.Render, Thumb: func(jpeg []byte, _ int) ([]byte, error) { return jpeg, nil },
		Scratch: w.dir,
	}
	return w
}

// video writes a video of the given frames.
func (w *world) video(name string, frames ...string) {
	w.t.Helper()
	path := filepath.Join(w.dir, "library", name)
	require.NoError(w.t, os.MkdirAll(filepath.Dir(path), 0o700))
	require.NoError(w.t, os.WriteFile(path, []byte(strings.Join(frames, "\n")), 0o600))
}

func (w *world) library() string { return filepath.Join(w.dir, "library") }

// register registers workflow types as a worker does; all of them if none is named.
func register(r interface {
	RegisterWorkflowWithOptions(run any, options workflow.RegisterOptions)
}, names ...string,
) {
	for _, w := range catalog.Types() {
		if len(names) == 0 || slices.Contains(names, w.Name) {
			r.RegisterWorkflowWithOptions(w.Func, workflow.RegisterOptions{Name: w.Name})
		}
	}
}

// environment is a test environment with the real workflows and activities.
func (w *world) environment() *testsuite.TestWorkflowEnvironment {
	env := flowtest.NewEnvironment()
	env.RegisterActivity(w.ingest)
	register(env)
	return env
}

func (w *world) callsOf(frame string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.calls[frame]
}

func (w *world) search(query string) []video.Hit {
	w.t.Helper()
	hits, err := w.ingest.Index.Search(w.t.Context(), video.Query{
		Tenant: tenant.Default, Profile: w.profile.Name, Text: query, Limit: 10, Rank: video.RankBM25,
	})
	require.NoError(w.t, err)
	return hits
}

// textVideos is the world of text files.
type textVideos world

func (v *textVideos) List(_ context.Context, _ tenant.ID, source string, _ bool, yield func(string) error) (int, error) {
	entries, err := os.ReadDir(source)
	if err != nil {
		return 0, fault.Wrap(fault.Input, "list", source, err)
	}
	for _, e := range entries {
		if subtitles.IsName(e.Name()) {
			continue
		}
		if err := yield(filepath.Join(source, e.Name())); err != nil {
			return 0, err
		}
	}
	return 0, nil
}

func (v *textVideos) Beside(_ context.Context, _ tenant.ID, uri string) (name string, files []video.Neighbour, err error) {
	entries, err := os.ReadDir(filepath.Dir(uri))
	for _, e := range entries {
		files = append(files, video.Neighbour{URI: filepath.Join(filepath.Dir(uri), e.Name()), Name: e.Name(), Bytes: -1})
	}
	return filepath.Base(uri), files, err
}

func (v *textVideos) Open(_ context.Context, _ tenant.ID, uri string) (*os.File, string, error) {
	f, err := os.Open(uri)
	return f, filepath.Base(uri), fault.Wrap(fault.Input, "open video", uri, err)
}

func (v *textVideos) Version(ctx context.Context, t tenant.ID, uri string) (video.FileVersion, string, error) {
	f, name, err := v.Open(ctx, t, uri)
	if err != nil {
		return video.FileVersion{}, "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return video.FileVersion{}, "", err
	}
	return video.FileVersion{Bytes: info.Size(), Tag: info.ModTime().Format(time.RFC3339Nano)}, name, nil
}

func (v *textVideos) Peek(ctx context.Context, t tenant.ID, uri string, _ video.FileVersion) (*os.File, bool, error) {
	f, _, err := v.Open(ctx, t, uri)
	return f, true, err
}

func (v *textVideos) Keep(tenant.ID, string, video.ID, *os.File) {}

func (v *textVideos) Reopen(ctx context.Context, t tenant.ID, uri string, _ video.ID) (*os.File, string, error) {
	return v.Open(ctx, t, uri)
}

func (v *textVideos) Probe(_ context.Context, f *os.File) (video.Media, error) {
	info, err := f.Stat()
	if err != nil {
		return video.Media{}, err
	}
	if info.Size() == 0 {
		return video.Media{}, fault.New(fault.Input, "probe video", f.Name(), "the file is empty")
	}
	return video.Media{Format: "text", DurationMS: info.Size(), Width: 64, Height: 36, FPS: 1000, Subtitles: v.subtitles != ""}, nil
}

func (v *textVideos) Extract(_ context.Context, f *os.File, dir string, _ video.Sampling,
	emit func(video.Picture) error, progress func(int64),
) (video.Extraction, error) {
	data, err := os.ReadFile(f.Name())
	if err != nil {
		return video.Extraction{}, err
	}
	lines := strings.Split(string(data), "\n")
	if v.subtitles != "" {
		if err := os.WriteFile(filepath.Join(dir, "subtitles.json"), []byte(v.subtitles), 0o600); err != nil {
			return video.Extraction{}, err
		}
	}
	for i, piece := range v.sound {
		name := fmt.Sprintf("audio-%06d.flac", i)
		if err := os.WriteFile(filepath.Join(dir, name), []byte(piece), 0o600); err != nil {
			return video.Extraction{}, err
		}
	}
	for i, line := range lines {
		at := int64(i) * 1000
		sum := string(video.NewFingerprint("frame", line))
		frame := video.Frame{PTSMS: at, StartMS: at, EndMS: at + 1000, SHA256: sum, Bytes: len(line), Width: 64, Height: 36}
		if err := emit(video.Picture{Frame: frame, JPEG: []byte(line)}); err != nil {
			return video.Extraction{}, err
		}
		progress(at)
	}
	return video.Extraction{DurationMS: int64(len(lines)) * 1000, Blank: v.blank}, nil
}

func (v *textVideos) Limit(string) int { return 8 }

func (v *textVideos) Describe(_ context.Context, r video.DescribeRequest) (video.Caption, error) {
	v.mu.Lock()
	v.calls[string(r.JPEG)]++
	describe := v.describe
	v.mu.Unlock()
	if describe != nil {
		return describe(r)
	}
	return caption(r), nil
}

func caption(r video.DescribeRequest) video.Caption {
	text := string(bytes.ToLower(r.JPEG))
	return video.Caption{
		Text: fmt.Sprintf("A frame of %s.", text), Model: r.Stage.Model, Revision: "1", Preview: true, CostMicroUSD: 1000,
	}
}

// noRuns is a server without open workflows.
type noRuns struct{}

func (noRuns) VideoTenant(context.Context, string, string) (tenant.ID, error) { return "", nil }
func (noRuns) Running(context.Context, string, string) (bool, error)          { return false, nil }
func (noRuns) ChainRunning(context.Context, string, string) (bool, error)     { return false, nil }
func (noRuns) Signal(context.Context, string, string, string, any) error      { return nil }

// objects lists the keys of the store.
func (w *world) objects() []string {
	w.t.Helper()
	var keys []string
	require.NoError(w.t, w.ingest.Store.List(w.t.Context(), string(tenant.Default)+"/", func(o object.Info) error {
		keys = append(keys, o.Key)
		return nil
	}))
	return keys
}
