package adapters

import (
	"testing"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/clitest"
)

func TestAdaptersGolden(t *testing.T) {
	t.Parallel()
	clitest.Golden(t, "adapters", clitest.Printed(func(a *cli.App) { app{a}.printAdapters(clitest.Adapters()) }))
	clitest.Golden(t, "adapter", clitest.Printed(func(a *cli.App) { app{a}.printAdapter(clitest.Adapter()) }))
}
