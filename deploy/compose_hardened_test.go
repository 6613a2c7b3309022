package deploy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/stretchr/testify/require"
)

// TestComposeHardensEveryService: no service can write to its root file system, has a
// capability that it does not need, or can gain one.
func TestComposeHardensEveryService(t *testing.T) {
	t.Parallel()
	for name, s := range load(t).Services {
		require.True(t, s.ReadOnly, name)
		require.Equal(t, []string{"ALL"}, s.CapDrop, name)
		require.Contains(t, s.SecurityOpt, "no-new-privileges:true", name)
		require.False(t, s.Privileged, name)
		require.NotZero(t, s.PidsLimit, name)
		if name == "state" {
			require.Equal(t, []string{"CHOWN"}, s.CapAdd)
			require.Equal(t, "none", s.NetworkMode)
			continue
		}
		require.Empty(t, s.CapAdd, name)
		untrusted := slices.Contains([]string{"worker-media", "worker-models", "worker-train", "worker-train-cpu"}, name)
		for _, opt := range []string{"seccomp=unconfined", "apparmor=unconfined", "systempaths=unconfined"} {
			require.Equal(t, untrusted, slices.Contains(s.SecurityOpt, opt), "%s: only bubblewrap needs %s", name, opt)
		}
		for variable := range s.Environment {
			require.NotEqual(t, "COGFLOW_NO_SANDBOX", variable, name)
		}
		require.NotContains(t, s.Command, "--no-sandbox", name)
	}
}

// TestComposeNetworks: each service shares networks only with services that it calls, and
// only services that call outside hosts have egress.
func TestComposeNetworks(t *testing.T) {
	t.Parallel()
	project := load(t)
	for name, n := range project.Networks {
		require.Equal(t, name != "published" && name != "egress", n.Internal, name)
	}
	require.Equal(t, "false", project.Networks["published"].DriverOpts["com.docker.network.bridge.enable_ip_masquerade"])
	require.Equal(t, "false", project.Networks["published"].DriverOpts["com.docker.network.bridge.enable_icc"])
	want := map[string][]string{
		"postgres": {"database"}, "temporal-schema": {"database"}, "temporal": {"control", "database", "published"},
		"temporal-namespace": {"control"}, "temporal-ui": {"control", "published"}, "vespa": {"published", "search"},
		"vespa-package": {"search"}, "s3": {"published", "storage"}, "state": nil,
		"worker-control": {"control", "models", "search", "storage"}, "worker-media": {"control", "storage"},
		"worker-models": {"control", "egress", "models", "storage"}, "worker-train": {"control", "storage"},
		"worker-train-cpu": {"control", "storage"}, "vlm": {"egress", "models"}, "whisper": {"egress", "models"},
		"embedder": {"egress", "models"}, "llm": {"models"}, "gateway": {"control", "egress", "models", "published", "storage"},
	}
	for name, s := range project.Services {
		var got []string
		for network := range s.Networks {
			got = append(got, network)
		}
		slices.Sort(got)
		networks, known := want[name]
		require.True(t, known, "%s: the test must list its networks", name)
		require.Equal(t, networks, got, name)
		require.Equal(t, len(s.Ports) > 0, slices.Contains(got, "published"), name)
	}
}

// TestComposeHasNoDefaultPassword: without .env nothing starts. The script writes all required
// variables once, readable only by the owner.
func TestComposeHasNoDefaultPassword(t *testing.T) {
	t.Parallel()
	for missing := range secrets {
		environment := []string{}
		for name, value := range secrets {
			if name != missing {
				environment = append(environment, name+"="+value)
			}
		}
		options, err := cli.NewProjectOptions([]string{"../docker-compose.yml"}, cli.WithEnv(environment), cli.WithProfiles([]string{"*"}))
		require.NoError(t, err)
		_, err = options.LoadProject(t.Context())
		require.ErrorContains(t, err, missing)
		require.ErrorContains(t, err, "run deploy/compose/env.sh")
	}
	dir := t.TempDir()
	file := filepath.Join(dir, ".env")
	require.NoError(t, os.WriteFile(file, []byte("COGFLOW_S3_KEY=mine\n"), 0o644))
	for range 2 {
		out, err := exec.CommandContext(t.Context(), "sh", "compose/env.sh", dir).CombinedOutput()
		require.NoError(t, err, string(out))
	}
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Contains(t, string(text), "COGFLOW_S3_KEY=mine\n")
	for name := range secrets {
		require.Len(t, regexp.MustCompile(`(?m)^`+name+`=\S+$`).FindAllString(string(text), -1), 1, name)
	}
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode().Perm())
}

// TestComposeImages: every image that is not built here can be pinned by digest, and the check
// fails while one is not pinned. vLLM is newer than its versions with known vulnerabilities.
func TestComposeImages(t *testing.T) {
	t.Parallel()
	pinned := map[string]string{}
	source, err := os.ReadFile("../docker-compose.yml")
	require.NoError(t, err)
	for _, m := range regexp.MustCompile(`(?m)^\s+image: (.*)$`).FindAllStringSubmatch(string(source), -1) {
		if strings.HasPrefix(m[1], "cogflow-") {
			continue
		}
		parts := regexp.MustCompile(`^\$\{([A-Z0-9_]+_IMAGE):-([a-z0-9/-]+:v?\d+(?:\.\d+)+[\w.-]*)\}$`).FindStringSubmatch(m[1])
		require.NotNil(t, parts, "%s: must be ${NAME_IMAGE:-repository:version}", m[1])
		pinned[parts[1]] = parts[2]
	}
	require.Equal(t, "vllm/vllm-openai:v0.33.0", pinned["VLLM_IMAGE"])
	check := func(names ...string) (string, error) {
		file := filepath.Join(t.TempDir(), ".env")
		var text strings.Builder
		for _, name := range names {
			text.WriteString(name + "=" + pinned[name] + "@sha256:" + strings.Repeat("0", 64) + "\n")
		}
		require.NoError(t, os.WriteFile(file, []byte(text.String()), 0o600))
		cmd := exec.CommandContext(t.Context(), "sh", "compose/pin.sh", "--check")
		cmd.Env = append(os.Environ(), "COGFLOW_ENV_FILE="+file)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	var all []string
	for name := range pinned {
		all = append(all, name)
	}
	out, err := check(all...)
	require.NoError(t, err, out)
	for i, name := range all {
		out, err := check(slices.Delete(slices.Clone(all), i, i+1)...)
		require.Error(t, err)
		require.Contains(t, out, name+": ")
	}
}
