package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/cogniverse/cogflow/internal/config"
	"github.com/cogniverse/cogflow/internal/smallserver"
	"github.com/cogniverse/cogflow/video"
)

// smallVariable names the server of small models to the worker process and the command line.
const smallVariable = "COGFLOW_SMALL_MODELS"

// startSmall starts the server of small models if its packages are installed and no server
// is configured. nil = none was started. The worker does not depend on it: without it, only
// jobs of its profile fail.
func startSmall(c *config.Config, stderr io.Writer) (*smallserver.Server, error) {
	if c.SmallModels != "" {
		return nil, nil //nolint:nilnil // see above
	}
	folder, ok := smallserver.Find()
	if !ok {
		fmt.Fprintf(stderr, "To find words that are said in a video, run `make small` once: it adds the profile %s.\n", video.LocalSmall().Name)
		return nil, nil //nolint:nilnil // see above
	}
	if err := os.MkdirAll(stateDir, 0o700); err != nil {
		return nil, err
	}
	server, err := smallserver.Start(smallserver.Options{Folder: folder, Log: filepath.Join(stateDir, "small.log")})
	if err != nil {
		return nil, err
	}
	c.SmallModels = server.URL()
	fmt.Fprintf(stderr, "Small models  %s (speech and meaning, for the profile %s)\n", c.SmallModels, video.LocalSmall().Name)
	return server, nil
}
