package estimate

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/video"
)

// classCPU is the class of workers without a GPU.
const classCPU = "cpu"

// GPU is the specification of a class of video.GPUClasses.
type GPU struct {
	Class       string  `json:"class"`
	MemoryBytes int64   `json:"memory_bytes"` // as the driver reports it; 0 = not known (cpu)
	BF16        bool    `json:"bf16"`         // computes in bfloat16 natively
	TFLOPS16    float64 `json:"tflops_16"`    // dense matrix products in fp16 or bf16, at best
	TFLOPS32    float64 `json:"tflops_32"`    // the same in fp32, not TF32
	MFU         float64 `json:"mfu"`          // share of the peak that training reaches
}

// GPUOf returns the specification of a class. Speeds are from the vendors' data sheets
// without sparsity; memory is what nvidia-smi prints.
func GPUOf(class string) (GPU, error) {
	const mib = 1 << 20
	switch class {
	case classCPU:
		return GPU{Class: class}, nil
	case "t4":
		return GPU{class, 15360 * mib, false, 65, 8.1, 0.25}, nil
	case "l4":
		return GPU{class, 23034 * mib, true, 121, 30.3, 0.4}, nil
	case "a10g":
		return GPU{class, 23028 * mib, true, 70, 31.2, 0.4}, nil
	case "l40s":
		return GPU{class, 46068 * mib, true, 362, 91.6, 0.4}, nil
	case "a100-40gb":
		return GPU{class, 40960 * mib, true, 312, 19.5, 0.4}, nil
	case "a100-80gb":
		return GPU{class, 81920 * mib, true, 312, 19.5, 0.4}, nil
	case "h100":
		return GPU{class, 81559 * mib, true, 989, 67, 0.4}, nil
	case "h200":
		return GPU{class, 143771 * mib, true, 989, 67, 0.4}, nil
	case "b200":
		return GPU{class, 183359 * mib, true, 2250, 75, 0.4}, nil
	}
	return GPU{}, fault.New(fault.Input, "choose GPU", class, "not found; supported: "+strings.Join(video.GPUClasses(), ", "))
}

// PinNumerics chooses a number format that every class of the list supports, because a run
// must not change it when it moves: fp32 if a cpu is among them, fp16 if a GPU without
// bfloat16 is, otherwise bf16. A requested format must be supported by all of them.
func PinNumerics(classes []string, want training.Numerics) (training.Numerics, error) {
	const op = "choose numerics"
	if len(classes) == 0 {
		return "", fault.New(fault.Input, op, "gpu", "no GPU class is named; name at least cpu")
	}
	var without []string // classes that cannot do bf16
	for _, class := range classes {
		g, err := GPUOf(class)
		if err != nil {
			return "", err
		}
		if !g.BF16 {
			without = append(without, class)
		}
	}
	cpu := slices.Contains(classes, classCPU)
	refuse := func(reason string) (training.Numerics, error) {
		return "", fault.New(fault.Input, op, string(want), reason)
	}
	switch want {
	case "":
		switch {
		case cpu:
			return training.FP32, nil
		case len(without) > 0:
			return training.FP16, nil
		}
		return training.BF16, nil
	case training.FP32:
		return training.FP32, nil
	case training.FP16, training.BF16:
		switch {
		case cpu:
			return refuse("on cpu a run computes in fp32, and it must not change its numerics when it moves; leave cpu out of gpu, or ask for fp32")
		case want == training.BF16 && len(without) > 0:
			return refuse(fmt.Sprintf("%s cannot compute in bfloat16; leave it out of gpu, or ask for fp16", strings.Join(without, ", ")))
		}
		return want, nil
	}
	return refuse("unknown; supported: fp32, fp16, bf16")
}
