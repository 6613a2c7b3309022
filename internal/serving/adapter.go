package serving

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/strictjson"
)

// adapter holds the fields of adapter_config.json that decide whether vLLM can load it.
type adapter struct {
	Type          string         `json:"peft_type"`
	R             int            `json:"r"`
	RankPattern   map[string]int `json:"rank_pattern"` // ranks of single layers
	DoRA          bool           `json:"use_dora"`
	Bias          string         `json:"bias"`
	ModulesToSave []string       `json:"modules_to_save"`
}

// names of adapters appear in URLs and logs.
var names = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:@/-]{0,127}$`)

// check refuses what the server would refuse, or what would make it fail later. Its
// messages say what to do, unlike those of the server.
func (s *Server) check(r LoadRequest) error {
	if !names.MatchString(r.Name) || r.Name == r.Base {
		return s.fault(fault.Input, r.Name, "invalid adapter name; use letters, digits and ._:@/-, and not the name of the base model", nil)
	}
	if !filepath.IsAbs(r.Dir) || !filepath.IsAbs(r.ServerDir) {
		return s.fault(fault.Input, r.Dir, "the adapter's folder must be an absolute path", nil)
	}
	a, err := readAdapter(r.Dir)
	if err != nil {
		return s.fault(fault.Input, r.Dir, "adapter_config.json", err)
	}
	rank := a.R
	for _, other := range a.RankPattern {
		rank = max(rank, other)
	}
	switch {
	case a.Type != "LORA":
		return s.fault(fault.Input, r.Dir, "vLLM loads only LoRA adapters; this is "+fmt.Sprintf("%q", a.Type), nil)
	case len(a.ModulesToSave) > 0:
		return s.fault(fault.Input, r.Dir, "vLLM does not support modules_to_save; serve the merged weights (merge: true), or train without them", nil)
	case a.DoRA:
		return s.fault(fault.Input, r.Dir, "vLLM does not support DoRA; serve the merged weights (merge: true), or train without use_dora", nil)
	case a.Bias != "" && a.Bias != "none":
		return s.fault(fault.Input, r.Dir, "vLLM does not support adapters with biases; train with bias none", nil)
	case a.R < 1:
		return s.fault(fault.Input, r.Dir, "adapter_config.json: r must be positive", nil)
	case s.options.MaxRank > 0 && rank > s.options.MaxRank:
		return s.fault(fault.Input, r.Dir, fmt.Sprintf(
			"its rank is %d and the server takes at most %d; start it with --max-lora-rank %d, or train with a smaller lora.r", rank, s.options.MaxRank, rank), nil)
	}
	if _, err := os.Stat(filepath.Join(r.Dir, "adapter_model.safetensors")); err != nil {
		return s.fault(fault.Input, r.Dir, "adapter_model.safetensors not found", err)
	}
	return nil
}

func readAdapter(dir string) (adapter, error) {
	const most = 1 << 20
	var a adapter
	f, err := os.Open(filepath.Join(dir, "adapter_config.json"))
	if err != nil {
		return a, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	switch {
	case err != nil:
		return a, err
	case len(text) > most:
		return a, errors.New("it is larger than 1 MiB")
	}
	return a, strictjson.Unmarshal(text, &a, strictjson.AllowUnknown)
}
