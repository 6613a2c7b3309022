package main

import (
	"os"
	"path/filepath"

	"github.com/cogniverse/cogflow/internal/config"
	"github.com/cogniverse/cogflow/internal/devstack"
)

// writeStackFile writes a file with the server's address and the worker's configuration. The
// command line searches for this file in its working directory and the directories above. ui is
// empty if the configuration has the address of the Web UI.
func writeStackFile(c config.Config, getenv func(string) string, address, ui string) (remove func() error, err error) {
	stack := devstack.Stack{PID: os.Getpid(), Environment: map[string]string{}}
	set := func(name, value string) {
		if value != "" {
			stack.Environment[name] = value
		}
	}
	for _, name := range config.Variables() {
		set(name, getenv(name))
	}
	set("TEMPORAL_ADDRESS", address)
	set("TEMPORAL_NAMESPACE", getenv("TEMPORAL_NAMESPACE"))
	set("COGFLOW_STORE", c.Store)
	set("COGFLOW_LEDGER", c.Redacted().Ledger) // the file holds no key
	set("COGFLOW_SCRATCH", c.Scratch)
	set("COGFLOW_INDEX", c.Index)
	set("COGFLOW_LOGS", c.Logs)
	set("COGFLOW_TRAINING_TRAINER_DIR", c.Training.TrainerDir)
	set("COGFLOW_TRAINING_MODELS_DIR", c.Training.ModelsDir)
	set(smallVariable, c.SmallModels)
	set("COGFLOW_UI", c.UI)
	set("COGFLOW_UI", ui)
	if c.File != "" {
		file, err := filepath.Abs(c.File)
		if err != nil {
			return nil, err
		}
		set(config.EnvFile, file)
	}
	return devstack.Write(".", stack)
}
