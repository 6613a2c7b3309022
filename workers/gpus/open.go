package gpus

import (
	"github.com/cogniverse/cogflow/internal/gpu"
	"github.com/cogniverse/cogflow/internal/gpu/nvml"
)

// Open finds the driver of this host: by NVML where this build has it and the library loads, else
// by nvidia-smi, else there is none.
func Open() (gpu.Devices, error) {
	if library, found, err := nvml.Open(""); found || err != nil {
		return library, err
	}
	smi, found, err := gpu.FindSMI()
	if err != nil {
		return nil, err
	}
	if found {
		return smi, nil
	}
	return gpu.None{}, nil
}
