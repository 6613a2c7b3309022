package program

import (
	"net/url"
	"path/filepath"
	"strings"

	"github.com/cogniverse/cogflow/internal/config"
	"github.com/cogniverse/cogflow/internal/devserver"
	"github.com/cogniverse/cogflow/internal/devstack"
	"github.com/cogniverse/cogflow/internal/fetch"
	"github.com/cogniverse/cogflow/internal/source"
	"github.com/cogniverse/cogflow/tenant"
)

// Sources restricts reads to the configured roots. Without roots, every local path can be
// read, but only if the Temporal server (local) and the gateway are on loopback, and the gateway takes
// no keys: nobody else can start workflows. scratch is the folder for downloads.
func Sources(c config.Config, local bool, scratch string, uploads source.Uploads) source.Config {
	out := source.Config{
		Roots: map[tenant.ID][]string{}, MaxBytes: c.MaxFetchBytes, AnyLocal: len(c.Sources) == 0 && local && c.Gateway.Local(), Uploads: uploads,
		Scratch: scratch, S3Query: c.FetchS3, Fetch: fetch.Options{Allowed: c.FetchAllowed},
	}
	out.Private, out.PrivatePrefixes = OwnFiles(c), []string{ServerState()}
	if strings.HasPrefix(c.Store, "s3:") {
		out.PrivateS3 = c.Store
	}
	for t, roots := range c.Sources {
		out.Roots[tenant.ID(t)] = roots
	}
	return out
}

// OwnFiles lists cogflow's own files and folders on this host.
func OwnFiles(c config.Config) []string {
	own := []string{c.Scratch}
	if file := c.LedgerFile(); file != "" {
		own = append(own, file)
	}
	if c.Index != "" {
		own = append(own, c.Index)
	}
	if c.Logs != "" {
		own = append(own, c.Logs)
	}
	if u, err := url.Parse(c.Store); err == nil && u.Scheme != "s3" && u.Path != "" {
		own = append(own, u.Path)
	}
	return own
}

// ServerState returns the path prefix of the files of the Temporal dev server.
func ServerState() string {
	path := devserver.StatePrefix(devstack.Dir)
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	return path
}
