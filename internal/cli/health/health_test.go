package health_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/clitest"
	"github.com/cogniverse/cogflow/internal/cli/health"
	"github.com/cogniverse/cogflow/internal/cli/root"
)

// TestHealth checks a server without a worker, then one whose only worker takes workflows.
func TestHealth(t *testing.T) {
	t.Parallel()
	b := clitest.New(t, root.Run)
	b.Step("without a worker", testNoWorker)
	b.Serve()
	b.Step("with a worker", testWorker)
	b.Step("GPU classes", testHealthClasses)
}

func testNoWorker(t *testing.T, b *clitest.Bench) {
	code, out, _ := b.Run("health", "--json")
	assert.Equal(t, cli.ExitFailed, code)
	assert.Contains(t, clitest.Decode[health.Checks](t, out).Checks, health.Check{Part: "queue media", Status: "fail", Detail: "no worker serves it: `make up` starts one here; a new worker needs some seconds"})
	assert.Contains(t, out, `"search attributes"`)
	assert.NotContains(t, out, "missing:")
}

func testWorker(t *testing.T, b *clitest.Bench) {
	code, out, _ := b.Run("health")
	assert.Equal(t, cli.ExitFailed, code)
	assert.Contains(t, out, "no worker serves it: `make up` starts one here")
	assert.Contains(t, out, "ok      ffmpeg")
	assert.NotContains(t, out, "model m", "no model is asked without a demand")
	_, out, _ = b.Run("health", "--ask")
	assert.Contains(t, out, "accepts seed")
}

// testHealthClasses: the classes of --gpu and those of the configuration are checked.
func testHealthClasses(t *testing.T, b *clitest.Bench) {
	code, out, _ := b.Run("health", "--gpu", "l40s", "--json")
	assert.Equal(t, cli.ExitFailed, code)
	parts := map[string]string{}
	for _, c := range clitest.Decode[health.Checks](t, out).Checks {
		parts[c.Part] = c.Status
	}
	for _, queue := range []string{"describe-l40s", "embed-l40s", "train-l40s", "describe-cpu", "media", "index"} {
		assert.Equal(t, "fail", parts["queue "+queue], queue)
	}
	code, _, errors := b.Run("health", "--gpu", "l40x")
	assert.Equal(t, cli.ExitUsage, code)
	assert.Contains(t, errors, "l40x")
}
