package deploy_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/types"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/config"
)

// workerConfig returns the configuration in the containers of a service.
func workerConfig(t *testing.T, s types.ServiceConfig) config.Config {
	t.Helper()
	c, problems := config.Check(func(name string) string {
		if value := s.Environment[name]; name != config.EnvFile && value != nil {
			return *value
		}
		return map[string]string{config.EnvFile: "compose/config.json"}[name]
	})
	require.Empty(t, problems)
	return c
}

// mount returns the mount that contains a path of the container.
func mount(s types.ServiceConfig, path string) (types.ServiceVolumeConfig, bool) {
	at := slices.IndexFunc(s.Volumes, func(v types.ServiceVolumeConfig) bool {
		return path == v.Target || strings.HasPrefix(path, v.Target+"/")
	})
	if at < 0 {
		return types.ServiceVolumeConfig{}, false
	}
	return s.Volumes[at], true
}

// TestComposeTrains: a stopped worker has enough time for its last checkpoint, writes only to
// writable mounts, and has the models that the planning worker has.
func TestComposeTrains(t *testing.T) {
	t.Parallel()
	project := load(t)
	control := project.Services["worker-control"]
	for _, name := range []string{"worker-train", "worker-train-cpu"} {
		s := project.Services[name]
		c := workerConfig(t, s)
		planned, found := mount(control, workerConfig(t, control).Training.ModelsDir)
		require.True(t, found, "the pool cogflow plans with the models")
		models, found := mount(s, c.Training.ModelsDir)
		require.True(t, found, name)
		require.Equal(t, planned, models)
		require.True(t, models.ReadOnly, name)

		for _, path := range []string{c.Scratch, c.Ledger, *s.Environment["TMPDIR"]} {
			volume, found := mount(s, path)
			require.True(t, found, "%s: %s is on a read-only file system", name, path)
			require.False(t, volume.ReadOnly, path)
		}
		_, found = mount(s, "/videos")
		require.False(t, found, "training needs no videos")
	}
}

// TestComposeLetsWorkersDrain: stop_grace_period is equal to the limit that a worker gets, and
// against which it checks its grace periods at the start.
func TestComposeLetsWorkersDrain(t *testing.T) {
	t.Parallel()
	for _, environment := range [][]string{nil, {"COGFLOW_DRAIN_CALLS_SECONDS=300", "COGFLOW_DRAIN_LIMIT_SECONDS=330"}} {
		for name, s := range load(t, environment...).Services {
			if s.Image != "cogflow-worker" && s.Image != "cogflow-trainer" || !strings.HasPrefix(name, "worker-") {
				continue
			}
			c := workerConfig(t, s)
			require.NotNil(t, s.StopGracePeriod, name)
			require.Equal(t, time.Duration(*s.StopGracePeriod), c.Drain.Limit, name)
			need := c.Drain.Calls
			if s.Image == "cogflow-trainer" {
				need = c.Training.Grace + 30*time.Second
			}
			require.GreaterOrEqual(t, c.Drain.Limit, need+15*time.Second, name)
		}
	}
}

// TestComposeGPUs: GPU services reserve a GPU, and the training worker takes its GPU class and
// device from variables.
func TestComposeGPUs(t *testing.T) {
	t.Parallel()
	project := load(t, "COGFLOW_TRAIN_CLASS=l40s", "COGFLOW_TRAIN_DEVICE=3")
	for name, s := range project.Services {
		wants := slices.Contains(s.Profiles, "gpu") || slices.Contains(s.Profiles, "llm")
		require.Equal(t, wants, s.Deploy != nil, name)
		if !wants {
			continue
		}
		devices := s.Deploy.Resources.Reservations.Devices
		require.Len(t, devices, 1, name)
		require.Equal(t, "nvidia", devices[0].Driver, name)
		require.Equal(t, []string{"gpu"}, devices[0].Capabilities, name)
		require.True(t, devices[0].Count == 1 || len(devices[0].IDs) == 1, name)
	}
	trains := project.Services["worker-train"]
	require.Equal(t, types.ShellCommand{"--pools", "train", "--gpu", "l40s"}, trains.Command)
	require.Equal(t, []string{"3"}, trains.Deploy.Resources.Reservations.Devices[0].IDs)
}

// TestComposeServesAdapters: one variable sets the base model for the server and for the workers
// that load adapters into it, and both mount the same folder.
func TestComposeServesAdapters(t *testing.T) {
	t.Parallel()
	const model = "org/model"
	project := load(t, "COGFLOW_LLM="+model)
	server := project.Services["llm"]
	require.Subset(t, server.Command, []string{"--enable-lora", "/models/" + model, model})
	require.Equal(t, "True", *server.Environment["VLLM_ALLOW_RUNTIME_LORA_UPDATING"])
	require.Empty(t, server.Ports, "every client of the server can make it load files")

	control := project.Services["worker-control"]
	serving := workerConfig(t, control).Training.Serving
	require.Len(t, serving, 1)
	require.Equal(t, model, serving[0].BaseModel)
	require.Equal(t, "http://llm:8000/v1", serving[0].URL)
	written, found := mount(control, serving[0].AdaptersDir)
	require.True(t, found)
	require.False(t, written.ReadOnly)
	read, found := mount(server, serving[0].AdaptersDir)
	require.True(t, found)
	require.True(t, read.ReadOnly)
	require.Equal(t, written.Source, read.Source)

	require.Empty(t, workerConfig(t, load(t).Services["worker-control"]).Training.Serving, "without a server, no adapter is loaded")
}

// TestImages: images install pinned packages with hashes, with the version of uv that made the
// lists, and run as an unprivileged user.
func TestImages(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("images/*.Dockerfile")
	require.NoError(t, err)
	versions, err := os.ReadFile("tools/versions.mk")
	require.NoError(t, err)
	uv := regexp.MustCompile(`UV_VERSION\s+:= (\S+)`).FindSubmatch(versions)
	require.NotNil(t, uv)
	text := map[string]string{}
	for _, name := range files {
		data, err := os.ReadFile(name)
		require.NoError(t, err)
		text[filepath.Base(name)] = string(data)
		for _, install := range regexp.MustCompile(`pip install .*`).FindAllString(string(data), -1) {
			require.Regexp(t, `--require-hashes|uv==`+regexp.QuoteMeta(string(uv[1]))+`$`, install, name)
		}
		for _, from := range regexp.MustCompile(`(?m)^COPY ([a-z][^-\s].*) \S+$`).FindAllStringSubmatch(string(data), -1) {
			for source := range strings.FieldsSeq(from[1]) {
				context := ".."
				if strings.HasPrefix(filepath.Base(name), "embedder") {
					context = "../embedder"
				}
				_, err := os.Stat(filepath.Join(context, source))
				require.NoError(t, err, name)
			}
		}
	}
	build := func(name string) string {
		return text[name][strings.Index(text[name], "FROM "):strings.Index(text[name], "\n\n")]
	}
	require.Equal(t, build("worker.Dockerfile"), build("trainer.Dockerfile"), "both images have the same build stage")
	for _, name := range []string{"worker.Dockerfile", "trainer.Dockerfile"} {
		require.Contains(t, text[name], "\nUSER 10001:10001\n")
		require.Contains(t, text[name], `ENTRYPOINT ["tini"`)
	}
}
