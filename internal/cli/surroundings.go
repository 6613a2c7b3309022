package cli

import (
	"strings"

	"github.com/spf13/pflag"

	"github.com/cogniverse/cogflow/internal/config"
	"github.com/cogniverse/cogflow/internal/devstack"
)

// surroundings are what a command works with beside its own flags: which server, which
// configuration. Flags come before environment variables, and these before what
// `make up` notes in .cogflow of the working directory or of one above it.
type surroundings struct {
	address, namespace, file string          // of flags; empty = not given
	stack                    *devstack.Stack // that is used; nil = none
	differs                  bool            // the worker of the stack may be configured otherwise
}

func (s *surroundings) flags(f *pflag.FlagSet) {
	f.StringVar(&s.address, "address", "", "Temporal server, `host:port` (default TEMPORAL_ADDRESS, else that of make up, else 127.0.0.1:7233)")
	f.StringVar(&s.namespace, "namespace", "", "Temporal namespace (default TEMPORAL_NAMESPACE, else default)")
	f.StringVar(&s.file, "config", "", "configuration `file` (default COGNIVERSE_CONFIG, else that of make up, else "+config.DefaultFile+")")
}

// settle makes Getenv answer by all of them.
func (a *App) settle() error {
	own := a.Getenv
	given := map[string]string{
		"TEMPORAL_ADDRESS": a.around.address, "TEMPORAL_NAMESPACE": a.around.namespace, config.EnvFile: a.around.file,
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
		// The note's variables would override the file that was asked for.
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
	a.around.stack, a.around.differs, a.Getenv = &found, len(differs) > 0, found.Getenv(a.Getenv)
	return nil
}

// Local reports whether the worker is known to run on this machine, so that a path means
// the same to it as here.
func (a *App) Local() bool { return a.around.stack != nil }

// CheckProfile refuses a profile that the worker cannot run, where its configuration is
// known; "" is the active one.
func (a *App) CheckProfile(name string) error {
	if !a.Local() || a.around.differs {
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
