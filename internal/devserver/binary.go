package devserver

import (
	"context"
	"os/exec"
	"path/filepath"
	"regexp"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/sandbox"
)

const program = "temporal"

// Find returns the temporal CLI: the one in dir, where `make tools` puts it
// beside cogflow's own programs, else the one on the PATH.
func Find(dir string) (string, error) {
	if path, err := exec.LookPath(filepath.Join(dir, program)); err == nil {
		return filepath.Abs(path)
	}
	path, err := exec.LookPath(program)
	if err != nil {
		return "", fault.New(fault.Input, "find the Temporal CLI", filepath.Join(dir, program),
			"neither there nor on the PATH: run make tools, or set TEMPORAL_ADDRESS to use a server that runs elsewhere")
	}
	return path, nil
}

var serverVersion = regexp.MustCompile(`(?i)\bserver (\d+\.\d+\.\d+)`)

// ServerVersion returns the version of the server inside a temporal CLI: "1.29.1".
func ServerVersion(ctx context.Context, binary string) (string, error) {
	out, err := sandbox.Tool(ctx, sandbox.Command{Path: binary, Args: []string{"--version"}})
	if err != nil {
		return "", fault.Wrap(fault.Input, "ask the Temporal CLI for its version", binary, err)
	}
	match := serverVersion.FindSubmatch(out)
	if match == nil {
		return "", fault.New(fault.Input, "ask the Temporal CLI for its version", binary, "answered "+string(out))
	}
	return string(match[1]), nil
}
