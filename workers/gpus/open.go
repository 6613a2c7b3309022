package gpus

import (
	"github.com/cogniverse/cogflow/internal/gpu"
)

// Open finds the driver of this host: by NVML where this build has it and the library loads, else
// by nvidia-smi, else there is none.
func Open() (gpu.Devices, error) {
	smi, found, err := gpu.FindSMI()
	if err != nil {
		return nil, err
	}
	if found {
		return smi, nil
	}
	return gpu.None{}, nil
}
