package cli

import (
	"strings"

	"github.com/spf13/pflag"

	"github.com/cogniverse/cogflow/internal/config"
	"github.com/cogniverse/cogflow/internal/devstack"
)

// target is the server and the configuration of a command. Flags take precedence over
// environment variables, and these over .cogflow, which `make up` writes into its directory.
// .cogflow is searched in the working directory and above.
type target struct {
	address, namespace, file string          // of flags; empty = not set
	stack                    *devstack.Stack // the stack in use; nil = none
	differs                  bool            // the worker of the stack may have another configuration
}

func (s *target) flags(f *pflag.FlagSet) {
	f.StringVar(&s.address, "address", "", "Temporal server, `host:port` (default: TEMPORAL_ADDRESS, else the server of make up, else 127.0.0.1:7233)")
	f.StringVar(&s.namespace, "namespace", "", "Temporal namespace (default: TEMPORAL_NAMESPACE, else default)")
	f.StringVar(&s.file, "config", "", "configuration `file` (default: COGNIVERSE_CONFIG, else the file of make up, else "+config.DefaultFile+")")
}

// resolve makes Getenv return the values with the precedence that target describes.
func (a *App) resolve() error {
	own := a.Getenv
	given := map[string]string{
		"TEMPORAL_ADDRESS": a.target.address, "TEMPORAL_NAMESPACE": a.target.namespace, config.EnvFile: a.target.file,
	}
	a.Getenv = func(name string) string {
		if v := given[name]; v != "" {
			return v
		}
		return own(name)
	}
	if a.Dir == "" || a.Getenv("TEMPORAL_CONFIG_FILE") != "" || a.Getenv("TEMPORAL_PROFILE") != "" {
		return nil
	}
	found, ok, err := devstack.Find(a.Dir)
	if err != nil || !ok {
		return err
	}
	if address := a.Getenv("TEMPORAL_ADDRESS"); address != "" && address != found.Environment["TEMPORAL_ADDRESS"] {
		return nil // another server, and so another store
	}
	differs := found.Differs(a.Getenv)
	if file := a.Getenv(config.EnvFile); file != "" && file != found.Environment[config.EnvFile] {
		// The variables of the stack would override the file of --config.
		for name := range found.Environment {
			if !strings.HasPrefix(name, "TEMPORAL_") {
				delete(found.Environment, name)
			}
		}
		if len(differs) == 0 {
			differs = []string{config.EnvFile}
		}
	}
	if len(differs) > 0 && !a.Quiet {
		a.Note("%s differs from what the worker of %s uses; commands that read the store or the configuration may see other data.",
			strings.Join(differs, ", "), found.Root)
	}
	a.target.stack, a.target.differs, a.Getenv = &found, len(differs) > 0, found.Getenv(a.Getenv)
	return nil
}

// Local reports whether the worker is known to run on this machine, with the same paths.
func (a *App) Local() bool { return a.target.stack != nil }

// CheckProfile rejects a profile that the worker cannot run, if the configuration of the worker
// is known; "" is the active profile.
func (a *App) CheckProfile(name string) error {
	if !a.Local() || a.target.differs {
		return nil
	}
	c, err := a.Config()
	if err != nil {
		return err
	}
	if _, err := c.Profile(name); err != nil {
		return Usage("%v", err)
	}
	return nil
}
