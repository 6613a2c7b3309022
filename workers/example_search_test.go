package main

import (
	"bytes"
	"encoding/json"
	"image"
	"image/color"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/blob"
	"github.com/cogniverse/cogflow/internal/embed/embedtest"
	"github.com/cogniverse/cogflow/internal/vespa/vespatest"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows/ingest"
)

// TestSearchByExample searches by pictures and by hits, as a user does, on both indexes, with
// profiles that store one vector of a frame, many, and their bits.
func TestSearchByExample(t *testing.T) {
	t.Parallel()
	clips := colourClip(t)
	for _, backend := range []string{"embedded", "vespa"} {
		t.Run(backend, func(t *testing.T) {
			t.Parallel()
			e := newExampleSearch(t, backend == "vespa")
			e.s.worker(nil)
			for _, profile := range []string{"bits", "one", "patches", "captions"} {
				p := e.run("ingest", clips, "--profile", profile, "--json")
				require.Zero(t, p.code, p.stderr)
				require.Equal(t, 1, decode[ingest.LibraryResult](t, p.stdout).Indexed)
				if profile != "captions" {
					e.pictures(profile)
				}
				e.likeHits(profile)
			}
			p := e.run("search", "--image", e.green(), "--profile", "captions")
			require.NotZero(t, p.code)
			require.Contains(t, p.stderr, "search with a profile that embeds pictures: bits, one, patches")
		})
	}
}

type exampleSearch struct {
	t     *testing.T
	s     *stack
	embed *embedtest.Server
	run   func(args ...string) cliResult
}

func newExampleSearch(t *testing.T, onVespa bool) *exampleSearch {
	e := &exampleSearch{t: t, s: newStack(t, nil), embed: embedtest.Start(t)}
	frames := func(embed map[string]any) map[string]any {
		embed["of"] = "frame"
		return map[string]any{"sampling": map[string]any{"fps": 0.5, "dedup_distance": -1}, "embed": embed}
	}
	c := map[string]any{"cogflow": map[string]any{
		"endpoints": map[string]any{"embedder": map[string]any{"kind": "pooling", "url": e.embed.URL, "models": []string{"test/multi", "test/single"}}},
		"profiles": map[string]any{
			"bits":    frames(map[string]any{"model": "test/multi", "dim": 128, "multi": true, "keep": "bits"}),
			"patches": frames(map[string]any{"model": "test/multi", "dim": 128, "multi": true, "keep": "bfloat16"}),
			"one":     frames(map[string]any{"model": "test/single", "dim": 64}),
			"captions": map[string]any{
				"describe": map[string]any{"model": "cogflow/preview-describer"},
				"embed":    map[string]any{"model": "cogflow/preview-embedder", "dim": 256},
			},
		},
	}}
	file := filepath.Join(e.s.dir, "config.json")
	e.s.env = append(e.s.env, "COGNIVERSE_CONFIG="+file)
	models := &services{}
	if onVespa {
		models.vespa, models.at = vespatest.Start(t)
		c["backend"] = map[string]any{"type": "vespa", "url": models.at}
		c["cogflow"].(map[string]any)["vespa"] = map[string]any{"config_url": models.at}
		e.s.env = append(e.s.env, "COGFLOW_INDEX=") // replaces the index of the stack
	}
	text, err := json.Marshal(c)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, text, 0o600))
	if onVespa {
		models.deploy(t, file)
	}
	e.run = e.s.commandLine()
	return e
}

func (e *exampleSearch) hits(profile string, args ...string) []video.Hit {
	e.t.Helper()
	p := e.run(append([]string{"search", "--profile", profile, "--json"}, args...)...)
	require.Zero(e.t, p.code, p.stderr)
	return decode[ingest.SearchResult](e.t, p.stdout).Hits
}

// green is a file with a picture of a colour of the clip.
func (e *exampleSearch) green() string {
	m := image.NewRGBA(image.Rect(0, 0, 96, 54))
	for i := range 96 * 54 {
		m.SetRGBA(i%96, i/96, color.RGBA{20, 240, 20, 255})
	}
	var out bytes.Buffer
	require.NoError(e.t, png.Encode(&out, m))
	file := filepath.Join(e.t.TempDir(), "green.png")
	require.NoError(e.t, os.WriteFile(file, out.Bytes(), 0o600))
	return file
}

// pictures searches by a picture that is in no video, and by the stored frame of a hit.
func (e *exampleSearch) pictures(profile string) {
	e.t.Helper()
	t, before := e.t, e.embed.Answered()
	hits := e.hits(profile, "--image", e.green())
	require.Equal(t, int64(1), hits[0].PTSMS/4000, "%s: the green scene", profile)
	require.Equal(t, before+1, e.embed.Answered(), "%s: the picture is embedded", profile)
	late := e.hits(profile, "--image", e.green(), "--from", "8s", "--kind", "frame", "--video", "colours.mp4")
	require.NotEmpty(t, late)
	for _, h := range late {
		require.GreaterOrEqual(t, h.EndMS, int64(8000))
	}
	require.Equal(t, before+1, e.embed.Answered(), "%s: it is embedded once", profile)

	store, err := blob.Open(t.Context(), "file://"+filepath.Join(e.s.dir, "store"))
	require.NoError(t, err)
	blue := late[0]
	r, _, err := store.Get(t.Context(), blue.FrameKey)
	require.NoError(t, err)
	defer r.Close()
	jpeg, err := io.ReadAll(r)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "frame.jpg")
	require.NoError(t, os.WriteFile(file, jpeg, 0o600))
	require.Equal(t, int64(2), e.hits(profile, "--image", file)[0].PTSMS/4000, "%s: the blue scene", profile)
	require.Equal(t, before+1, e.embed.Answered(), "%s: a frame of a video is embedded already", profile)
}

// likeHits: each document is the first hit of a search by itself, without a call of a model.
func (e *exampleSearch) likeHits(profile string) {
	e.t.Helper()
	all := e.hits(profile, "colours", "--rank", "bm25")
	require.NotEmpty(e.t, all)
	before := e.embed.Answered()
	for _, h := range all {
		require.Equal(e.t, h.ID, e.hits(profile, "--like", h.ID)[0].ID, profile)
	}
	p := e.run("search", "--like", all[0].ID, "--profile", profile, "--group", "--per-video", "2", "--json")
	require.Zero(e.t, p.code, p.stderr)
	groups := decode[ingest.SearchGroups](e.t, p.stdout).Videos
	require.Len(e.t, groups, 1)
	require.Len(e.t, groups[0].Hits, 2)
	require.Equal(e.t, all[0].ID, groups[0].Hits[0].ID)
	require.Equal(e.t, before, e.embed.Answered())
}
