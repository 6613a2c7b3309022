package gpus

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/gpu"
	"github.com/cogniverse/cogflow/video"
)

// classOf finds the class of all devices of a host. They must be of one: a queue of a class would
// otherwise run work on another one, which costs other money and has other memory.
func classOf(found []gpu.Device) (string, error) {
	const op = "recognize GPU"
	var classes, ill []string
	for _, d := range found {
		if d.Trouble != "" && d.Name == "" {
			ill = append(ill, fmt.Sprintf("GPU %s: %s", d.Bus, d.Trouble))
			continue
		}
		line := fmt.Sprintf("%s, %d", d.Name, d.MemoryBytes>>20)
		class := video.GPUClassOf(line)
		if class == "" {
			return "", fault.New(fault.Input, op, line, "set its class with --gpu, or use --gpu none")
		}
		if !slices.Contains(classes, class) {
			classes = append(classes, class)
		}
	}
	switch {
	case len(classes) == 1:
		return classes[0], nil
	case len(classes) > 1:
		return "", fault.New(fault.Input, op, strings.Join(classes, ", "),
			"this host has GPUs of several classes; start a worker for each, with --gpu and with its devices in cogflow.training.gpus")
	case len(ill) > 0:
		return "", fault.New(fault.Capacity, op, strings.Join(ill, "; "), "the driver can read none of the GPUs; reset them or restart the host, or use --gpu none")
	}
	return classCPU, nil
}
