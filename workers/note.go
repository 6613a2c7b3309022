package main

import (
	"os"
	"path/filepath"

	"github.com/cogniverse/cogflow/internal/config"
	"github.com/cogniverse/cogflow/internal/devstack"
)

// noteStack tells cogflow, in whatever folder below this one it is called, how to reach
// the server and what the worker works with. An address is where the server is; ui is
// empty where the configuration says where its Web UI is.
func noteStack(c config.Config, getenv func(string) string, address, ui string) (remove func() error, err error) {
	note := devstack.Stack{PID: os.Getpid(), Environment: map[string]string{}}
	set := func(name, value string) {
		if value != "" {
			note.Environment[name] = value
		}
	}
	for _, name := range config.Variables() {
		set(name, getenv(name))
	}
	set("TEMPORAL_ADDRESS", address)
	set("TEMPORAL_NAMESPACE", getenv("TEMPORAL_NAMESPACE"))
	set("COGFLOW_STORE", c.Store)
	set("COGFLOW_LEDGER", c.Ledger)
	set("COGFLOW_SCRATCH", c.Scratch)
	set("COGFLOW_INDEX", c.Index)
	set("COGFLOW_LOGS", c.Logs)
	set("COGFLOW_TRAINING_TRAINER_DIR", c.Training.TrainerDir)
	set("COGFLOW_TRAINING_MODELS_DIR", c.Training.ModelsDir)
	set("COGFLOW_UI", c.UI)
	set("COGFLOW_UI", ui)
	if c.File != "" {
		file, err := filepath.Abs(c.File)
		if err != nil {
			return nil, err
		}
		set(config.EnvFile, file)
	}
	return devstack.Write(".", note)
}
