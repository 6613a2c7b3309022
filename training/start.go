package training

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/cogniverse/cogflow/fault"
)

// Start is the published adapter that a job continues: its weights are those of the first step.
type Start struct {
	Name    string `json:"name"`    // name of the adapter
	Version int    `json:"version"` // its version
	SHA256  string `json:"sha256"`  // of its weights
}

// String is NAME@VERSION; "" for nil.
func (s *Start) String() string {
	if s == nil {
		return ""
	}
	return s.Name + "@" + strconv.Itoa(s.Version)
}

// StartFile is the weights of a Start on the disk of a worker.
type StartFile struct {
	Path   string `json:"path"`
	SHA256 string `json:"sha256"`
}

// AdapterWeights is the file of an adapter that holds its weights.
const AdapterWeights = "adapter_model.safetensors"

// ParseRef parses NAME or NAME@VERSION; version 0 = not specified.
func ParseRef(text string) (name string, version int, err error) {
	name, number, said := strings.Cut(text, "@")
	if err := CheckName("adapter", name); err != nil {
		return "", 0, err
	}
	if said {
		version, err = ParseVersion(number)
	}
	return name, version, err
}

// ParseStart parses NAME@VERSION. The version is required: with the latest one, a job that is
// started again would continue its own result.
func ParseStart(text string) (Start, error) {
	name, version, err := ParseRef(text)
	if err == nil && version == 0 {
		err = fault.New(fault.Input, "read continue_from", name,
			"must have a version, such as "+name+"@1; `cogflow adapters list` shows them")
	}
	return Start{Name: name, Version: version}, err
}

// Given is the shape of an adapter as far as settings name it.
func (s Settings) Given(l LoRASettings) LoRASettings {
	l.R, l.Alpha, l.Dropout = cmp.Or(l.R, s.LoRAR), cmp.Or(l.Alpha, s.LoRAAlpha), cmp.Or(l.Dropout, s.LoRADropout)
	if l.TargetModules == nil {
		l.TargetModules = s.TargetModules
	}
	return l
}

// Continue returns the shape of a job that continues the adapter, and its start. The shape is
// that of the adapter. A given setting may only repeat it; the dropout may be another.
func (a Adapter) Continue(method Method, base Model, given LoRASettings) (LoRA, Start, error) {
	start := Start{Name: a.Name, Version: a.Version}
	refuse := func(format string, args ...any) (LoRA, Start, error) {
		return LoRA{}, start, fault.New(fault.Input, "continue adapter", start.String(), fmt.Sprintf(format, args...))
	}
	if a.Kind != KindAdapter || a.Spec.LoRA == nil {
		return refuse("it is a whole model, not an adapter; name it as a base model in the configuration, and train from that")
	}
	if (a.Spec.Method == Embedding) != (method == Embedding) {
		return refuse("it was trained with %s, which has another kind of model than %s", a.Spec.Method, method)
	}
	if id, own := cmp.Or(a.Base.Repo, a.Base.Name), cmp.Or(base.Repo, base.Name); id != own {
		return refuse("its base model is %s, that of this run is %s; set base_model to %s", id, own, a.Base.Name)
	}
	if a.Base.Revision != base.Revision {
		return refuse("it was trained on revision %s of %s, and this worker has %s; give the workers the same files", a.Base.Revision, base.Name, base.Revision)
	}
	shape := *a.Spec.LoRA
	const fix = "leave the setting out, or train a new adapter"
	switch {
	case given.R != nil && *given.R != shape.R:
		return refuse("its rank is %d, the setting lora.r is %d; %s", shape.R, *given.R, fix)
	case given.Alpha != nil && *given.Alpha != shape.Alpha:
		return refuse("its alpha is %d, the setting lora.alpha is %d; %s", shape.Alpha, *given.Alpha, fix)
	case given.TargetModules != nil && !sameNames(given.TargetModules, shape.TargetModules):
		return refuse("its target modules are %s, the setting lora.target_modules is %s; %s",
			strings.Join(shape.TargetModules, " "), strings.Join(given.TargetModules, " "), fix)
	}
	setTo(&shape.Dropout, given.Dropout)
	i := slices.IndexFunc(a.Files, func(f CheckpointFile) bool { return f.Name == AdapterWeights })
	if i < 0 {
		return refuse("it has no %s; other formats of weights are not read", AdapterWeights)
	}
	start.SHA256 = a.Files[i].SHA256
	return shape, start, nil
}

func sameNames(a, b []string) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}
