package adapters

import (
	"testing"

	"github.com/cogniverse/cogflow/activities/registry"
	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/clitest"
)

func TestAdaptersGolden(t *testing.T) {
	t.Parallel()
	clitest.Golden(t, "adapters", clitest.Printed(func(a *cli.App) { app{a}.printAdapters(clitest.Adapters()) }))
	list := clitest.Adapters()
	list.Adapters = append(list.Adapters, registry.AdapterLine{Name: "support", Version: 1, Status: "damaged"})
	clitest.Golden(t, "adapters_damaged", clitest.Printed(func(a *cli.App) { app{a}.printAdapters(list) }))
	clitest.Golden(t, "adapter", clitest.Printed(func(a *cli.App) { app{a}.printAdapter(clitest.Adapter()) }))
}
