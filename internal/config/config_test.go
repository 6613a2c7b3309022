package config

import (
	"cmp"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/video"
)

func env(pairs ...string) func(string) string {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

func file(t *testing.T, text string) func(string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "config.json")
	require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
	return env(EnvFile, name)
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	c, err := Load(env())
	require.NoError(t, err)
	here, err := os.Getwd()
	require.NoError(t, err)
	assert.Empty(t, c.File)
	assert.Equal(t, "file://"+here+"/.cogflow/store", c.Store)
	assert.Equal(t, filepath.Join(here, ".cogflow/index.db"), c.Index)
	assert.Equal(t, filepath.Join(here, ".cogflow/ledger.db"), c.Ledger)
	assert.Equal(t, filepath.Join(here, ".cogflow/tmp"), c.Scratch)
	assert.Empty(t, c.Logs)
	p, err := c.Profile("")
	require.NoError(t, err)
	assert.Equal(t, video.LocalPreview(), p)
	assert.Equal(t, []video.Profile{video.LocalPreview()}, c.Profiles())
}

func TestCogniverseFileWorksUnchanged(t *testing.T) {
	t.Parallel()
	c, err := Load(env(EnvFile, "testdata/cogniverse.json"))
	require.NoError(t, err)
	assert.Equal(t, "video_colpali_smol500_mv_frame", c.Active())
	assert.Len(t, c.Foreign(), 2)
	assert.Equal(t, &Vespa{URL: "http://localhost:8080", ConfigURL: "http://localhost:19071", Tenants: []string{"default"}}, c.Vespa)
	assert.Equal(t, "vidore/colsmol-500m", c.Foreign()[0].Model)

	// The preview models never stand in for a real one that was asked for.
	_, err = c.Profile("")
	assert.Equal(t, fault.Input, fault.ClassOf(err))
	require.ErrorContains(t, err, `no endpoint serves its embedding model "vidore/colsmol-500m"`)

	_, err = c.Profile("local_preview")
	require.NoError(t, err)
	_, err = c.Profile("nonsense")
	require.ErrorContains(t, err, "no such profile; supported: local_preview")
}

func TestSection(t *testing.T) {
	t.Parallel()
	c, err := Load(file(t, `{"active_video_profile":"x","cogflow":{
		"store":"file:///srv/store","index":"/srv/i.db","sources":{"acme":["/srv/acme","s3://b/p"],"a:b":["/srv/ab"]},
		"active_profile":"shots","fetch":{"max_bytes":5},"no_sandbox":true,
		"endpoints":{"vlm":{"kind":"openai","url":"http://127.0.0.1:8000/v1","models":["org/vlm"],"api_key_env":"VLM_KEY"}},
		"profiles":{"shots":{"sampling":{"strategy":"scene"},"chunk_frames":8,"gpu_wait":"90s",
			"describe":{"model":"org/vlm","revision":"7","gpu":["l4","cpu"]}}}}}`))
	require.NoError(t, err)
	assert.Equal(t, "file:///srv/store", c.Store)
	assert.True(t, c.NoSandbox)
	assert.EqualValues(t, 5, c.MaxFetchBytes)
	p, err := c.Profile("")
	require.NoError(t, err)
	assert.Equal(t, "shots", p.Name)
	assert.Equal(t, video.Scene, p.Sampling.Strategy)
	assert.Equal(t, 90*time.Second, p.GPUWait)
	assert.Equal(t, []string{"l4", "cpu"}, p.Describe.GPU)
	assert.False(t, p.Describe.Preview)
	assert.Equal(t, video.LocalPreview().Embed, p.Embed, "a stage without a model takes the preview's")
	assert.Len(t, c.Profiles(), 2)
}

func TestEnvironmentOverrides(t *testing.T) {
	t.Parallel()
	from := file(t, `{"cogflow":{"store":"file:///srv/store"}}`)
	c, err := Load(func(name string) string {
		return cmp.Or(env("COGFLOW_STORE", "file:///other",
			"COGFLOW_NO_SANDBOX", "true", "COGFLOW_LOGS", "/var/log/cogflow", "COGFLOW_SOURCES", `{"acme":["/a"]}`)(name), from(name))
	})
	require.NoError(t, err)
	assert.Equal(t, "file:///other", c.Store)
	assert.True(t, c.NoSandbox)
	assert.Equal(t, map[string][]string{"acme": {"/a"}}, c.Sources)
	assert.Equal(t, "/var/log/cogflow", c.Logs)
}

// TestSandboxIsTheDefault: what used to require it is accepted, and contradicts the way out.
func TestSandboxIsTheDefault(t *testing.T) {
	t.Parallel()
	for _, variables := range [][]string{nil, {"COGFLOW_REQUIRE_SANDBOX", "true"}, {"COGFLOW_NO_SANDBOX", "false"}} {
		c, err := Load(env(variables...))
		require.NoError(t, err)
		assert.False(t, c.NoSandbox)
	}
	_, err := Load(env("COGFLOW_REQUIRE_SANDBOX", "true", "COGFLOW_NO_SANDBOX", "true"))
	require.ErrorContains(t, err, "contradicts require_sandbox")
}

func TestProblems(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ text, want string }{
		"unknown key":     {`{"cogflow":{"stor":"x"}}`, `cogflow.stor: unknown key, did you mean "store"?`},
		"wrong case":      {`{"cogflow":{"Store":"file:///x"}}`, `cogflow.Store: unknown key, did you mean "store"?`},
		"twice":           {`{"cogflow":{"store":"file:///x","store":"file:///y"}}`, `"cogflow.store": the name is listed twice`},
		"section twice":   {`{"cogflow":{},"cogflow":{"sources":{"a":["/"]}}}`, `"cogflow": the name is listed twice`},
		"tenant twice":    {`{"cogflow":{"sources":{"a":["/x"],"a":["/"]}}}`, `"cogflow.sources.a": the name is listed twice`},
		"unknown deeper":  {`{"cogflow":{"profiles":{"p":{"sampling":{"strateggy":"fps"}}}}}`, `cogflow.profiles.p.sampling.strateggy: unknown key, did you mean "strategy"?`},
		"far from known":  {`{"cogflow":{"fetch":{"speed":1}}}`, `cogflow.fetch.speed: unknown key, supported: allowed, max_bytes, s3`},
		"wrong type":      {`{"cogflow":{"store":5}}`, `cogflow.store: must be a string, not a number`},
		"wrong duration":  {`{"cogflow":{"profiles":{"p":{"gpu_wait":"soon"}}}}`, `invalid duration "soon"`},
		"syntax":          {"{\n\"a\": 1,\n}", "line 3: invalid character"},
		"two objects":     {"{}\n{}", "line 2: text after the object"},
		"relative store":  {`{"cogflow":{"store":"var/store"}}`, "cogflow.store: a URL without a scheme, write it like file:///var/lib/cogflow/store"},
		"two slashes":     {`{"cogflow":{"store":"file://var/store"}}`, "cogflow.store: a file URL needs an absolute path"},
		"key in store":    {`{"cogflow":{"store":"s3://a:b@bucket/p"}}`, "cogflow.store: a URL with credentials"},
		"bad profile":     {`{"cogflow":{"profiles":{"p":{"sampling":{"strategy":"all"}}}}}`, `cogflow.profiles.p: unknown strategy "all"`},
		"taken name":      {`{"cogflow":{"profiles":{"local_preview":{}}}}`, "cogflow.profiles.local_preview: the name is reserved"},
		"no such active":  {`{"cogflow":{"active_profile":"p"}}`, "cogflow.active_profile: no such profile"},
		"bad tenant":      {`{"cogflow":{"sources":{"a/b":["/x"]}}}`, "cogflow.sources.a/b: not a tenant"},
		"relative source": {`{"cogflow":{"sources":{"a":["x"]}}}`, "cogflow.sources.a: a relative root"},
		"kind":            {`{"cogflow":{"endpoints":{"x":{"kind":"grpc","url":"http://h","models":["m"]}}}}`, "cogflow.endpoints.x.kind: unknown"},
		"endpoint url":    {`{"cogflow":{"endpoints":{"x":{"kind":"openai","url":"http://k:s@h","models":["m"]}}}}`, "cogflow.endpoints.x.url: holds credentials"},
		"no models":       {`{"cogflow":{"endpoints":{"x":{"kind":"openai","url":"http://h"}}}}`, "cogflow.endpoints.x.models: empty"},
		"key in file":     {`{"cogflow":{"endpoints":{"x":{"kind":"openai","url":"http://h","models":["m"],"api_key_env":"sk-123"}}}}`, "cogflow.endpoints.x.api_key_env: not the name of a variable"},
		"not served":      {`{"cogflow":{"profiles":{"p":{"describe":{"model":"org/vlm"}}}}}`, `no endpoint serves its describe model "org/vlm"`},
		"vespa url":       {`{"cogflow":{"vespa":{"url":"vespa"}}}`, "cogflow.vespa.url: not an http address"},
		"ui":              {`{"cogflow":{"ui":"javascript:1"}}`, "cogflow.ui: not an http address"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Load(file(t, test.text))
			require.ErrorContains(t, err, test.want)
			assert.Equal(t, fault.Input, fault.ClassOf(err))
		})
	}
}

func TestEveryProblemIsListed(t *testing.T) {
	t.Parallel()
	_, problems := Check(file(t, `{"cogflow":{"stor":"x","store":"x","ui":"x","fetch":{"max_bytes":-5}}}`))
	assert.Len(t, problems, 4)
}

func TestMissingFile(t *testing.T) {
	t.Parallel()
	_, err := Load(env(EnvFile, filepath.Join(t.TempDir(), "none.json")))
	require.ErrorContains(t, err, EnvFile)
	_, err = Load(env(EnvFile, t.TempDir()))
	require.ErrorContains(t, err, "not a regular file")
	_, err = Load(env("COGFLOW_FETCH_MAX_BYTES", "many"))
	require.ErrorContains(t, err, "COGFLOW_FETCH_MAX_BYTES: not a number of bytes")
}

func TestRedacted(t *testing.T) {
	t.Parallel()
	c := Config{Store: "s3://me:topsecret@bucket/p?region=x&secret_key=topsecret"}.Redacted()
	assert.NotContains(t, c.Store, "topsecret")
	assert.Contains(t, c.Store, "region=x")
}

// FuzzDecode: no file can crash the decoder, and one that is taken without a
// problem yields profiles that can be run.
func FuzzDecode(f *testing.F) {
	sample, err := os.ReadFile("testdata/cogniverse.json")
	require.NoError(f, err)
	f.Add(sample)
	f.Add([]byte(`{"cogflow":{"store":"file:///x","profiles":{"p":{"gpu_wait":"1m","embed":{"dim":3}}}}}`))
	f.Add([]byte(`{"cogflow":null,"backend":{"profiles":[]},"active_video_profile":7}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var s section
		c := newConfig()
		problems := c.decode(data, &s)
		problems = append(problems, c.take(s)...)
		if problems = append(problems, c.check()...); len(problems) > 0 {
			require.Error(t, problems.fault("file"))
			return
		}
		for _, p := range c.Profiles() {
			require.NoError(t, p.Check())
		}
		_, err := json.Marshal(c.Redacted())
		require.NoError(t, err)
	})
}

// TestDescribeOf: stills are described by endpoints that take several pictures a call only, and
// only if there are stills.
func TestDescribeOf(t *testing.T) {
	t.Parallel()
	profile := func(sampling, describe, embed string) string {
		return `{"cogflow":{"endpoints":{"e":{"kind":"openai","url":"http://127.0.0.1:9/v1","models":["m"]},"c":{"kind":"cogniverse","url":"http://127.0.0.1:9","models":["q"]},
			"v":{"kind":"pooling","url":"http://127.0.0.1:9","models":["v"]}},"profiles":{"p":{"sampling":{` + sampling + `},"describe":{` + describe + `},"embed":{` + embed + `}}}}}`
	}
	const (
		shots, segments, one = `"strategy":"shots","stills":3`, `"strategy":"segments","stills":3`, `"strategy":"shots"`
		all, captions        = `"model":"m","of":"segment"`, `"model":"cogflow/preview-embedder"`
		clips                = `"model":"v","of":"segment","dim":4`
	)
	for name, c := range map[string]struct{ sampling, describe, embed, want string }{
		"shots":          {shots, all, captions, ""},
		"segments":       {segments, all, captions, ""},
		"embed shots":    {shots, `"off":true`, clips, ""},
		"both":           {shots, all, clips, ""},
		"the frame":      {shots, `"model":"m","of":"frame"`, captions, ""},
		"of nothing":     {shots, `"model":"m","of":"caption"`, captions, "unknown describe.of"},
		"one still":      {one, all, captions, "describe.of segment requires sampling.stills of at least 2"},
		"one window":     {`"strategy":"segments"`, all, captions, "describe.of segment requires sampling.stills of at least 2"},
		"embed one":      {one, `"off":true`, clips, "embed.of segment requires the strategy segments, or shots with sampling.stills of at least 2"},
		"frames":         {`"strategy":"fps","fps":1,"stills":3`, all, captions, "require the strategy segments or shots"},
		"preview":        {shots, `"model":"cogflow/preview-describer","of":"segment"`, captions, "the built-in preview describer takes one picture a call; remove describe.of"},
		"cogniverse":     {shots, `"model":"q","of":"segment"`, captions, "endpoint c of kind cogniverse takes one picture a call; remove describe.of"},
		"cogniverse's 1": {shots, `"model":"q"`, captions, ""},
	} {
		got, err := Load(file(t, profile(c.sampling, c.describe, c.embed)))
		if c.want != "" {
			require.ErrorContains(t, err, c.want, name)
			continue
		}
		require.NoError(t, err, name)
		_, err = got.Profile("p")
		require.NoError(t, err, name)
	}
}
