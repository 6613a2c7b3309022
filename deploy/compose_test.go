package deploy_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/config"
	"github.com/cogniverse/cogflow/internal/devserver"
)

// secrets are the variables without which compose does not start.
var secrets = map[string]string{"POSTGRES_PASSWORD": "p", "COGFLOW_S3_KEY": "k", "COGFLOW_S3_SECRET": "s"}

// load reads the compose file as docker compose does, with every profile.
func load(t *testing.T, environment ...string) *types.Project {
	t.Helper()
	for name, value := range secrets {
		environment = append(environment, name+"="+value)
	}
	options, err := cli.NewProjectOptions([]string{"../docker-compose.yml"}, cli.WithEnv(environment), cli.WithProfiles([]string{"*"}), cli.WithResolvedPaths(true))
	require.NoError(t, err)
	project, err := options.LoadProject(t.Context())
	require.NoError(t, err)
	return project
}

func TestComposeIsSafeByDefault(t *testing.T) {
	t.Parallel()
	version := regexp.MustCompile(`:v?\d+(\.\d+)*[\w.-]*$`)
	for name, s := range load(t).Services {
		require.False(t, s.Privileged, name)
		require.NotEqual(t, "host", s.NetworkMode, name)
		for _, p := range s.Ports {
			require.Equal(t, "127.0.0.1", p.HostIP, "%s publishes %s", name, p.Published)
		}
		if s.Build == nil {
			require.Regexp(t, version, s.Image, "%s: a floating tag", name)
			continue
		}
		require.FileExists(t, filepath.Join(s.Build.Context, s.Build.Dockerfile), name)
	}
}

func TestComposeWorkersAreConfined(t *testing.T) {
	t.Parallel()
	seen := 0
	for name, s := range load(t).Services {
		if s.Image != "cogflow-worker" && s.Image != "cogflow-trainer" {
			continue
		}
		seen++
		require.Equal(t, "10001:10001", s.User, name)
		require.True(t, s.ReadOnly, name)
		require.Equal(t, []string{"ALL"}, s.CapDrop, name)
		require.Contains(t, s.SecurityOpt, "no-new-privileges:true", name)
	}
	require.Equal(t, 7, seen)
}

// TestComposeServesEveryPool: the workers together serve all queues that workflows use, and
// the training image of 9 GB is built only on request.
func TestComposeServesEveryPool(t *testing.T) {
	t.Parallel()
	served := map[string][]string{} // by profile
	for _, s := range load(t).Services {
		if at := slices.Index(s.Command, "--pools"); at >= 0 {
			profiles := strings.Join(s.Profiles, ",")
			served[profiles] = append(served[profiles], strings.Split(s.Command[at+1], ",")...)
		}
	}
	require.ElementsMatch(t, []string{"cogflow", "media", "describe", "embed", "transcribe", "lm", "index"}, served[""])
	require.Equal(t, []string{"train"}, served["gpu,train"])
	require.Equal(t, []string{"train"}, served["train-cpu"])
	require.Len(t, served, 3)
}

// TestComposeConfiguration: the configuration of the containers is valid, and refers only to
// existing services.
func TestComposeConfiguration(t *testing.T) {
	t.Parallel()
	project := load(t)
	for _, active := range []string{"", "video_colpali_smol500_mv_frame"} {
		environment := project.Services["worker-models"].Environment
		c, problems := config.Check(func(name string) string {
			switch value := environment[name]; {
			case name == config.EnvFile:
				return "compose/config.json"
			case name == "COGFLOW_ACTIVE_PROFILE" && active != "":
				return active
			case value != nil:
				return *value
			}
			return ""
		})
		require.Empty(t, problems)
		require.Empty(t, c.Foreign())
		_, err := c.Profile(active)
		require.NoError(t, err)
		urls := []string{c.Vespa.URL, c.Vespa.ConfigURL}
		for _, e := range c.Endpoints {
			urls = append(urls, e.URL)
		}
		for _, u := range urls {
			host := regexp.MustCompile(`^http://([a-z0-9-]+):\d+`).FindStringSubmatch(u)
			require.NotNil(t, host, u)
			require.Contains(t, project.Services, host[1])
		}
	}
}

// TestComposeTemporal: the server has the same settings as the dev server.
func TestComposeTemporal(t *testing.T) {
	t.Parallel()
	script, err := os.ReadFile("compose/namespace.sh")
	require.NoError(t, err)
	for name, kind := range devserver.SearchAttributes() {
		require.Contains(t, string(script), name+":"+kind.String())
	}
	dynamic, err := os.ReadFile("compose/dynamic.yaml")
	require.NoError(t, err)
	for key, value := range devserver.DynamicConfig() {
		require.Contains(t, string(dynamic), key+":\n  - value: "+value+"\n")
	}
}
