// Command temporal is a Temporal server on PostgreSQL for the fleet, with the tool that applies its
// schemas. The image of the Temporal project has the same two programs; a test needs no image.
package main

import (
	"errors"
	"fmt"
	"os"

	"go.temporal.io/server/common/authorization"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/dynamicconfig"
	"go.temporal.io/server/common/log"
	_ "go.temporal.io/server/common/persistence/sql/sqlplugin/postgresql" // registers PostgreSQL
	"go.temporal.io/server/temporal"
	"go.temporal.io/server/tools/sql"
)

func main() {
	if err := run(os.Args); err != nil {
		fmt.Fprintln(os.Stderr, "temporal:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) > 1 && args[1] == "sql":
		return sql.RunTool(args[1:])
	case len(args) == 3 && args[1] == "serve":
		return serve(args[2])
	}
	return errors.New("usage: temporal serve FOLDER (with base.yaml), or temporal sql …")
}

// serve runs all services of the server until it is asked to stop.
func serve(folder string) error {
	c, err := config.LoadConfig("fleet", folder, "")
	if err != nil {
		return err
	}
	logger := log.NewZapLogger(log.BuildZapLogger(c.Log))
	dynamic, err := dynamicconfig.NewFileBasedClient(c.DynamicConfigClient, logger, temporal.InterruptCh())
	if err != nil {
		return err
	}
	server, err := temporal.NewServer(
		temporal.WithConfig(c), temporal.ForServices(temporal.DefaultServices), temporal.WithLogger(logger),
		temporal.WithDynamicConfigClient(dynamic), temporal.InterruptOn(temporal.InterruptCh()),
		temporal.WithAuthorizer(authorization.NewNoopAuthorizer()),
		temporal.WithClaimMapper(func(*config.Config) authorization.ClaimMapper { return authorization.NewNoopClaimMapper() }),
	)
	if err != nil {
		return err
	}
	return server.Start() // returns when the server has stopped
}
