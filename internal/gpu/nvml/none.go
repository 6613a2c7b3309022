//go:build !cgo || !linux

// Package nvml reads GPUs by NVIDIA's management library, which it loads when it is asked. Builds
// without cgo, and hosts without the library, have no NVML: others then ask nvidia-smi.
package nvml

import "github.com/cogniverse/cogflow/internal/gpu"

// Open finds no library: this build cannot load one.
func Open(string) (d gpu.Devices, found bool, err error) { return nil, false, nil }
