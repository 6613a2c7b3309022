package submit

import (
	"fmt"
	"net/url"
	"os"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
)

// Server is the Temporal server in use.
type Server struct {
	Address, Namespace string
	UI                 string // base URL of the Web UI
}

// Link is the page of one run in the Web UI.
func (s Server) Link(id, runID string) string {
	return s.page("workflows", id) + "/" + url.PathEscape(runID)
}

// ScheduleLink is the page of a schedule in the Web UI.
func (s Server) ScheduleLink(id string) string { return s.page("schedules", id) }

func (s Server) page(kind, id string) string {
	return s.UI + "/namespaces/" + url.PathEscape(s.Namespace) + "/" + kind + "/" + url.PathEscape(id)
}

// environment reads TEMPORAL_* as the temporal command does. Environ returns all variables,
// because the names TEMPORAL_GRPC_META_* are not known in advance.
type environment func(string) string

func (e environment) Environ() []string { return os.Environ() }

func (e environment) LookupEnv(name string) (string, bool) {
	v := e(name)
	return v, v != ""
}

// Find returns the options of the server that the usual TEMPORAL_* variables or temporal.toml
// specify, else of the server that `make up` starts. ui is the base URL of its Web UI.
func Find(getenv func(string) string, ui string) (client.Options, Server, error) {
	options, err := envconfig.LoadClientOptions(envconfig.LoadClientOptionsRequest{EnvLookup: environment(getenv)})
	if err != nil {
		return options, Server{}, fmt.Errorf("read the Temporal settings (TEMPORAL_* variables and temporal.toml): %w", err)
	}
	if options.HostPort == "" {
		options.HostPort = "127.0.0.1:7233"
	}
	if options.Namespace == "" {
		options.Namespace = client.DefaultNamespace
	}
	return options, Server{Address: options.HostPort, Namespace: options.Namespace, UI: ui}, nil
}
