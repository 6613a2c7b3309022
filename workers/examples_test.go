package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/asr/asrtest"
	"github.com/cogniverse/cogflow/internal/config"
	"github.com/cogniverse/cogflow/internal/embed/embedtest"
	"github.com/cogniverse/cogflow/internal/vespa"
	"github.com/cogniverse/cogflow/internal/vespa/vespatest"
	"github.com/cogniverse/cogflow/internal/vlm/vlmtest"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows/ingest"
)

// services are fakes for all servers of a configuration.
type services struct {
	vlm   *vlmtest.Server
	embed *embedtest.Server
	asr   *asrtest.Server
	vespa *vespatest.Server
	at    string // URL of vespa
}

func startServices(t *testing.T) *services {
	t.Helper()
	s := &services{vlm: vlmtest.Start(t), embed: embedtest.Start(t), asr: asrtest.Start(t)}
	s.vespa, s.at = vespatest.Start(t)
	s.vlm.Models = append(s.vlm.Models, "llava:7b", "Qwen/Qwen2-VL-2B-Instruct")
	return s
}

// redirect writes a copy of a configuration in which every address is the address of a fake.
// It returns the path of the copy and the environment variables with the API keys.
func (s *services) redirect(t *testing.T, file, dir string) (path string, env []string) {
	t.Helper()
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	var c map[string]any
	require.NoError(t, json.Unmarshal(data, &c))
	if _, named := c["vlm_endpoint_url"]; named {
		c["vlm_endpoint_url"] = s.vlm.URL
	}
	ours := c["cogflow"].(map[string]any)
	if backend, ok := c["backend"].(map[string]any); ok {
		backend["url"] = s.at
		delete(backend, "port")
		ours["vespa"] = map[string]any{"config_url": s.at}
		env = append(env, "COGFLOW_INDEX=") // replaces the index of the stack
	}
	delete(ours, "store")
	delete(ours, "sources")
	delete(ours, "servers") // TestRealModels starts servers on demand
	endpoints, _ := ours["endpoints"].(map[string]any)
	for _, e := range endpoints {
		e := e.(map[string]any)
		delete(e, "server")
		e["url"] = map[config.Kind]string{
			config.OpenAI: s.vlm.URL + "/v1", config.Pooling: s.embed.URL, config.Embeddings: s.embed.URL + "/v1",
			config.Transcriptions: s.asr.URL + "/v1", config.CogniverseVLM: s.vlm.URL,
		}[config.Kind(e["kind"].(string))]
		if name, ok := e["api_key_env"].(string); ok {
			env = append(env, name+"=secret-of-"+name)
		}
	}
	profiles, _ := ours["profiles"].(map[string]any)
	for _, p := range profiles {
		p.(map[string]any)["gpu_wait"] = "1s" // for a class without a worker
	}
	data, err = json.Marshal(c)
	require.NoError(t, err)
	path = filepath.Join(dir, filepath.Base(file))
	require.NoError(t, os.WriteFile(path, data, 0o600))
	return path, env
}

// deploy deploys the application package, if the configuration uses Vespa.
func (s *services) deploy(t testing.TB, path string) {
	t.Helper()
	c, err := config.Load(func(name string) string { return map[string]string{config.EnvFile: path}[name] })
	require.NoError(t, err)
	if c.Vespa == nil {
		return
	}
	files, err := vespa.Package([]tenant.ID{tenant.Default}, c.Profiles(), vespa.PackageOptions{})
	require.NoError(t, err)
	_, err = vespa.Deploy(t.Context(), c.Vespa.ConfigURL, files)
	require.NoError(t, err)
}

// colourClip makes a clip with a red, a green and a blue scene of four seconds each, and a
// tone.
func colourClip(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	args := []string{"-v", "error"}
	for _, colour := range []string{"red", "lime", "blue"} { // cuts are detected by brightness, so it differs
		args = append(args, "-f", "lavfi", "-i", "color="+colour+":s=192x108:r=10:d=4")
	}
	args = append(args, "-f", "lavfi", "-i", "sine=440:d=12", "-filter_complex", "[0][1][2]concat=n=3[v]",
		"-map", "[v]", "-map", "3:a", "-pix_fmt", "yuv420p", "-preset", "ultrafast", filepath.Join(dir, "colours.mp4"))
	out, err := exec.CommandContext(t.Context(), "ffmpeg", args...).CombinedOutput()
	require.NoError(t, err, string(out))
	return dir
}

// TestExampleConfigurations ingests a clip with every profile of every example
// configuration. The model servers are fakes; everything else is real.
func TestExampleConfigurations(t *testing.T) {
	t.Parallel()
	dir := colourClip(t)
	files, err := filepath.Glob("../examples/configs/*.json")
	require.NoError(t, err)
	require.Len(t, files, 4)
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
			t.Parallel()
			s := newStack(t, nil)
			models := startServices(t)
			path, env := models.redirect(t, file, s.dir)
			s.env = append(append(s.env, "COGNIVERSE_CONFIG="+path), env...)
			models.deploy(t, path)
			s.worker(nil)
			s.worker([]string{"--pools", "describe,embed", "--gpu", "a10g"}) // the last GPU class of two profiles
			c, err := config.Load(func(name string) string { return map[string]string{config.EnvFile: path}[name] })
			require.NoError(t, err)
			for _, p := range c.Profiles() {
				s.ingestsColours(p, dir)
			}
			require.Empty(t, models.repeated(), "no picture was described twice")
			s.noSecrets(env)
		})
	}
}

// ingestsColours ingests the clip with a profile and finds its scenes.
func (s *stack) ingestsColours(p video.Profile, dir string) {
	s.t.Helper()
	in := ingest.LibraryInput{Source: dir, Profile: p.Name}
	out, err := execute[ingest.LibraryResult](s, "ingest-"+p.Name, "IngestLibrary", in)
	require.NoError(s.t, err, p.Name)
	require.Empty(s.t, out.Failures, p.Name)
	require.Equal(s.t, 1, out.Indexed, p.Name)
	require.NotZero(s.t, out.Documents, p.Name)
	if p.Embed.Of != video.OfFrame {
		return
	}
	for i, colour := range []string{"red", "green", "blue"} {
		found, err := execute[ingest.SearchResult](s, "search-"+p.Name+colour, "SearchVideos",
			ingest.SearchInput{Query: colour, Profile: p.Name, Rank: "vector"})
		require.NoError(s.t, err)
		at := found.Hits[0].PTSMS
		require.Equal(s.t, int64(i), at/4000, "%s finds %s at %d ms", p.Name, colour, at)
	}
	if p.Transcribe.Model != "" {
		found, err := execute[ingest.SearchResult](s, "search-said-"+p.Name, "SearchVideos",
			ingest.SearchInput{Query: "lanterns", Profile: p.Name, Rank: "bm25"})
		require.NoError(s.t, err)
		require.NotEmpty(s.t, found.Hits)
		for _, h := range found.Hits {
			require.Greater(s.t, h.EndMS, int64(2500), "the speech starts at 2.5 s")
		}
	}
}

// repeated returns the pictures that were described more than once.
func (s *services) repeated() (out []string) {
	for picture, times := range s.vlm.Answered() {
		if times > 1 {
			out = append(out, picture)
		}
	}
	return out
}

// noSecrets checks that no written file contains the value of a key.
func (s *stack) noSecrets(env []string) {
	s.t.Helper()
	for _, variable := range env {
		_, secret, _ := strings.Cut(variable, "=")
		if secret == "" {
			continue
		}
		out, err := exec.CommandContext(s.t.Context(), "grep", "-rl", "--binary-files=text", secret, s.dir).Output()
		if err == nil {
			require.Empty(s.t, string(out), "a file contains a key")
		}
	}
}

// TestHealthNamesFailures: every endpoint is checked, and failed ones are listed with the
// reason.
func TestHealthNamesFailures(t *testing.T) {
	t.Parallel()
	s := newStack(t, nil)
	models := startServices(t)
	path, env := models.redirect(t, "../examples/configs/all-local.json", s.dir)
	s.env = append(append(s.env, "COGNIVERSE_CONFIG="+path), env...)
	models.vlm.Models = []string{"llava:34b"}
	models.embed.Distort(func(rows [][]float32) [][]float32 {
		for i := range rows {
			clear(rows[i])
			rows[i][0] = 1
		}
		return rows
	})
	s.worker(nil)
	status := map[string]string{}
	for _, c := range s.health(false, answered) {
		status[c.Part] = c.Status + ": " + c.Detail
	}
	require.Contains(t, status["endpoint ollama"], "fail")
	require.Contains(t, status["endpoint ollama"], "it serves llava:34b")
	require.Contains(t, status["endpoint embedder"], "served without its adapter")
	require.Contains(t, status["endpoint whisper"], "ok: Systran/faster-whisper-base")
	require.Contains(t, status["endpoint ollama-text"], "ok")
	require.NotZero(t, models.embed.Answered())
	require.Equal(t, models.embed.Answered(), s.number("ledger.db", "SELECT count(*) FROM call WHERE tenant='default' AND job='health' AND outcome='answered'"),
		"the ledger has the model calls of checks")
}
