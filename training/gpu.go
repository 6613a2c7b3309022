package training

// GPU is what a class of video.GPUClasses is good for.
type GPU struct {
	Class       string  `json:"class"`
	MemoryBytes int64   `json:"memory_bytes"` // as the driver reports it; 0 = not known (cpu)
	BF16        bool    `json:"bf16"`
	TFLOPS16    float64 `json:"tflops_16"` // dense matrix products in fp16 or bf16
	TFLOPS32    float64 `json:"tflops_32"`
}

// GPUOf returns the specification of a class.
func GPUOf(class string) (GPU, error) { panic("skeleton") }

// PinNumerics chooses the number formats that every class in the list can run;
// want, if not "", must be one of them.
func PinNumerics(classes []string, want Numerics) (Numerics, error) { panic("skeleton") }
