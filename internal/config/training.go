package config

import (
	"cmp"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/strictjson"
	"github.com/cogniverse/cogflow/training/estimate"
)

// Training is the configuration of a training worker. Paths are absolute.
type Training struct {
	Models    map[string]BaseModel `json:"models,omitempty"`     // by the names that inputs use
	ModelsDir string               `json:"models_dir,omitempty"` // folder in which other names are searched

	// The trainer's project and the interpreter of its environment; empty = not found, and
	// this worker cannot train.
	TrainerDir string `json:"trainer_dir,omitempty"`
	Python     string `json:"python,omitempty"`

	GPUs       []string        `json:"gpus,omitempty"` // devices to train on, by number or UUID; empty = all visible ones
	Prices     estimate.Prices `json:"prices"`         // USD per hour, by class
	PricesDate string          `json:"prices_date"`    // of the shipped prices among them

	CheckpointSeconds float64       `json:"checkpoint_seconds"` // between checkpoints, unless a job sets it
	Grace             time.Duration `json:"grace"`              // for the last checkpoint of a process that is asked to stop

	MemoryGiB    float64 `json:"memory_gib,omitempty"`    // of one trainer with all its processes; 0 = nearly all of the machine
	MaxProcesses int     `json:"max_processes,omitempty"` // including threads, of one trainer; 0 = by the number of cores

	Serving []Server `json:"serving,omitempty"` // sorted by base model
}

// BaseModel is the location of a base model on the workers' disks.
type BaseModel struct {
	Path     string `json:"path" jsonschema:"folder of the model on the worker's disk"`
	Repo     string `json:"repo,omitempty" jsonschema:"repository on Hugging Face"`
	Revision string `json:"revision,omitempty" jsonschema:"commit of the repository (default the hash of the files)"`
}

// Server is a vLLM server into which active adapters of a base model are loaded.
type Server struct {
	BaseModel   string `json:"base_model"`
	URL         string `json:"url"`                   // as its clients use it, with /v1
	KeyVariable string `json:"api_key_env,omitempty"` // environment variable that holds its key
	AdaptersDir string `json:"adapters_dir"`          // folder that the worker writes and the server reads
}

// device is written as 0 or "GPU-1b2c…".
type device string

// UnmarshalJSON reads a number or a string.
func (d *device) UnmarshalJSON(data []byte) error {
	if text := strings.TrimSpace(string(data)); !strings.HasPrefix(text, `"`) {
		*d = device(text)
		return nil
	}
	return json.Unmarshal(data, (*string)(d))
}

// takeTraining fills in the defaults.
func (c *Config) takeTraining(s trainingSection) (problems Problems) {
	t := Training{
		CheckpointSeconds: cmp.Or(s.CheckpointSeconds, 300), MemoryGiB: s.MemoryGiB, MaxProcesses: s.MaxProcesses,
		Grace: time.Duration(cmp.Or(s.GraceSeconds, 60) * float64(time.Second)),
	}
	abs := func(place, path string) string {
		if path == "" {
			return ""
		}
		p, err := filepath.Abs(path)
		problems = problems.add(place, err)
		return p
	}
	t.ModelsDir = abs("cogflow.training.models_dir", s.ModelsDir)
	t.TrainerDir = abs("cogflow.training.trainer_dir", cmp.Or(s.TrainerDir, findTrainer()))
	t.Python = s.Python
	if strings.Contains(t.Python, "/") {
		t.Python = abs("cogflow.training.python", t.Python)
	}
	if t.Python == "" && t.TrainerDir != "" {
		t.Python = filepath.Join(t.TrainerDir, ".venv", "bin", "python")
	}
	for _, d := range s.GPUs {
		t.GPUs = append(t.GPUs, string(d))
	}
	list, err := estimate.DefaultPrices()
	problems = problems.add("cogflow.training.prices", err)
	t.Prices, t.PricesDate = list.Prices.With(s.Prices), list.Date
	for _, name := range slices.Sorted(maps.Keys(s.Models)) {
		m := s.Models[name]
		m.Path = abs("cogflow.training.models."+name+".path", m.Path)
		if t.Models == nil {
			t.Models = map[string]BaseModel{}
		}
		t.Models[name] = m
	}
	for _, name := range slices.Sorted(maps.Keys(s.Serving)) {
		v := s.Serving[name]
		t.Serving = append(t.Serving, Server{
			BaseModel: name, URL: strings.TrimSuffix(v.URL, "/"), KeyVariable: v.KeyVariable,
			AdaptersDir: abs("cogflow.training.serving."+name+".adapters_dir", v.AdaptersDir),
		})
	}
	c.Training = t
	return problems
}

// findTrainer returns the trainer's project: in the working directory, as in a checkout, or
// beside the folder of the program.
func findTrainer() string {
	places := []string{"trainer"}
	if self, err := os.Executable(); err == nil {
		places = append(places, filepath.Join(filepath.Dir(filepath.Dir(self)), "trainer"))
	}
	for _, place := range places {
		if info, err := os.Stat(filepath.Join(place, "pyproject.toml")); err == nil && info.Mode().IsRegular() {
			return place
		}
	}
	return ""
}

// overrideTraining applies the environment to the section.
func overrideTraining(s *trainingSection, getenv func(string) string) (problems Problems) {
	s.ModelsDir = cmp.Or(getenv("COGFLOW_TRAINING_MODELS_DIR"), s.ModelsDir)
	s.Python = cmp.Or(getenv("COGFLOW_TRAINING_PYTHON"), s.Python)
	s.TrainerDir = cmp.Or(getenv("COGFLOW_TRAINING_TRAINER_DIR"), s.TrainerDir)
	parse(&problems, getenv, "COGFLOW_TRAINING_GPUS", "a list like 0,1", &s.GPUs, func(v string) (all []device, err error) {
		for d := range strings.SplitSeq(v, ",") {
			if d = strings.TrimSpace(d); d == "" {
				return nil, errors.New("an empty entry")
			}
			all = append(all, device(d))
		}
		return all, nil
	})
	parse(&problems, getenv, "COGFLOW_TRAINING_PRICES", `an object like {"a10g":1.1}`, &s.Prices,
		func(v string) (p estimate.Prices, err error) { return p, strictjson.Unmarshal([]byte(v), &p) })
	parse(&problems, getenv, "COGFLOW_TRAINING_SERVING", `an object like {"org/model":{"url":"http://…/v1","adapters_dir":"/…"}}`, &s.Serving,
		func(v string) (all map[string]server, err error) {
			return all, strictjson.Unmarshal([]byte(v), &all)
		})
	parse(&problems, getenv, "COGFLOW_TRAINING_CHECKPOINT_SECONDS", "a number of seconds", &s.CheckpointSeconds, number)
	parse(&problems, getenv, "COGFLOW_TRAINING_GRACE_SECONDS", "a number of seconds", &s.GraceSeconds, number)
	parse(&problems, getenv, "COGFLOW_TRAINING_MEMORY_GIB", "a number of GiB", &s.MemoryGiB, number)
	parse(&problems, getenv, "COGFLOW_TRAINING_MAX_PROCESSES", "a number", &s.MaxProcesses, strconv.Atoi)
	return problems
}
