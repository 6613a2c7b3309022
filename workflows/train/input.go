package train

import (
	"encoding/json"
	"slices"
	"strings"
	"time"
	"unicode"

	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/train"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/training/dataset"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows"
)

// Input starts TrainSFT, TrainDPO, TrainKTO and TrainEmbedding.
type Input struct {
	workflows.Common
	Name        string                 `json:"name,omitempty"`             // name of the adapter; default: method and base model
	Role        string                 `json:"role,omitempty"`             // what the adapter is used for; default: its name
	BaseModel   string                 `json:"base_model"`                 // base model, as cogflow.training.models names it
	Dataset     activities.Dataset     `json:"dataset"`                    // rows to train on: {"uri"} or {"rows"}
	EvalDataset *activities.Dataset    `json:"eval_dataset,omitempty"`     // rows to evaluate on; default: a share of dataset is held out
	SFT         *training.Settings     `json:"sft_config,omitempty"`       // settings of TrainSFT
	DPO         *training.Settings     `json:"dpo_config,omitempty"`       // settings of TrainDPO
	KTO         *training.Settings     `json:"kto_config,omitempty"`       // settings of TrainKTO
	Embedding   *training.Settings     `json:"embedding_config,omitempty"` // settings of TrainEmbedding
	LoRA        *training.LoRASettings `json:"lora,omitempty"`             // shape of the adapter; must not contradict the settings
	Continue    string                 `json:"continue_from,omitempty"`    // adapter to continue, NAME@VERSION: training begins with its weights and its shape; default: a fresh adapter
	Seed        *int64                 `json:"seed,omitempty"`             // seed of every random choice; default 42
	GPU         []string               `json:"gpu,omitempty"`              // GPU classes in the order to try them; default ["cpu"]
	GPUWait     string                 `json:"gpu_wait,omitempty"`         // how long to wait for a worker of each class but the last; default "10m"
	Timeout     string                 `json:"timeout,omitempty"`          // limit of the training time; at the limit the best so far is kept; default: none
	Activate    bool                   `json:"activate,omitempty"`         // make it the active adapter of its role if it is better than its base
	DryRun      bool                   `json:"dry_run,omitempty"`          // check and estimate, train nothing

	method  training.Method
	gpuWait time.Duration
	named   bool // it names GPU classes
	timeout time.Duration

	received workflows.Received
}

// UnmarshalJSON decodes strictly; see Receive.
func (in *Input) UnmarshalJSON(data []byte) error {
	type Fields Input
	all := struct {
		*Fields
		Resume json.RawMessage `json:"resume"`
	}{Fields: (*Fields)(in)}
	in.received = workflows.Receive(data, &all)
	in.received.Resume = all.Resume
	return nil
}

const (
	defaultSeed    = 42
	defaultGPUWait = 10 * time.Minute
	// maxInlineRows limits the rows in an input, because the history stores them.
	maxInlineRows  = 256 << 10 // bytes
	maxDatasetName = 255       // bytes: what file systems allow
)

func (in *Input) check(ctx workflow.Context, method training.Method) error {
	if err := in.received.Problem(ctx); err != nil {
		return err
	}
	in.method = method
	if err := workflows.Required("base_model", in.BaseModel); err != nil {
		return err
	}
	if in.Name == "" {
		in.Name = DefaultName(method, in.BaseModel)
	}
	if in.Role == "" {
		in.Role = in.Name
	}
	if in.Seed == nil {
		seed := int64(defaultSeed)
		in.Seed = &seed
	}
	if in.named = len(in.GPU) > 0; !in.named {
		in.GPU = []string{"cpu"}
	}
	for _, check := range []func() error{
		func() error { return training.CheckName("name", in.Name) },
		func() error { return training.CheckName("role", in.Role) },
		func() error { return checkDataset("dataset", in.Dataset) },
		in.checkEval, in.checkGPU, in.checkSettings, in.checkStart,
		func() error { return duration("gpu_wait", in.GPUWait, defaultGPUWait, &in.gpuWait) },
		func() error { return duration("timeout", in.Timeout, 0, &in.timeout) },
		in.CheckCommon,
	} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func checkDataset(field string, d activities.Dataset) error {
	switch {
	case d.URI == "" && len(d.Rows) == 0:
		return fault.New(fault.Input, "read input", field, `set {"uri": …} or {"rows": […]}`)
	case d.URI != "" && len(d.Rows) > 0:
		return fault.New(fault.Input, "read input", field, "has both uri and rows; set one of them")
	case len(d.Name) > maxDatasetName || strings.ContainsFunc(d.Name, unicode.IsControl):
		return fault.New(fault.Input, "read input", field+".name", "must be at most 255 bytes without control characters")
	}
	size := 0
	for _, row := range d.Rows {
		size += len(row)
	}
	if size > maxInlineRows {
		return fault.New(fault.Input, "read input", field+".rows", "more than 256 KiB; upload a file and name its uri")
	}
	return nil
}

func (in *Input) checkEval() error {
	if in.EvalDataset == nil {
		return nil
	}
	return checkDataset("eval_dataset", *in.EvalDataset)
}

func (in *Input) checkStart() error {
	if in.Continue == "" {
		return nil
	}
	start, err := training.ParseStart(in.Continue)
	in.Continue = start.String()
	return err
}

func (in *Input) checkGPU() error {
	named := in.GPU
	in.GPU = nil
	for _, name := range named {
		class := video.GPUClass(name)
		if class == "" {
			return fault.New(fault.Input, "read input", "gpu", "unknown class "+name+"; use one of "+strings.Join(video.GPUClasses(), ", "))
		}
		if slices.Contains(in.GPU, class) {
			return fault.New(fault.Input, "read input", "gpu", class+" is listed twice")
		}
		in.GPU = append(in.GPU, class)
	}
	return nil
}

// settings returns the settings of this method.
func (in *Input) settings() *training.Settings { return in.allSettings()[in.method] }

func (in *Input) allSettings() map[training.Method]*training.Settings {
	return map[training.Method]*training.Settings{
		training.SFT: in.SFT, training.DPO: in.DPO, training.KTO: in.KTO, training.Embedding: in.Embedding,
	}
}

func (in *Input) checkSettings() error {
	all := in.allSettings()
	for _, other := range training.Methods() {
		if all[other] != nil && other != in.method {
			return fault.New(fault.Input, "read input", string(other)+"_config",
				"this is a run of "+string(in.method)+"; set "+string(in.method)+"_config")
		}
	}
	return nil
}

func duration(field, text string, otherwise time.Duration, to *time.Duration) error {
	*to = otherwise
	if text == "" {
		return nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return fault.New(fault.Input, "read input", field, `must be a time such as "90s", "10m" or "8h"`)
	}
	*to = d
	return nil
}

// Result is the result of TrainSFT, TrainDPO, TrainKTO and TrainEmbedding.
type Result struct {
	Job         string               `json:"job"`                    // hash of everything that determines the result
	Method      training.Method      `json:"method"`                 // sft, dpo, kto or embedding
	Adapter     string               `json:"adapter,omitempty"`      // name; empty after a dry run, and when stopped before the first checkpoint
	Version     int                  `json:"version,omitempty"`      // version of the adapter
	Role        string               `json:"role,omitempty"`         // what the adapter is used for
	Status      string               `json:"status"`                 // "trained", "unchanged" (nothing was done), "stopped" (the best so far) or "dry_run"
	Active      bool                 `json:"active"`                 // true if it is the active adapter of its role
	Better      bool                 `json:"better"`                 // true if better on held-out rows than its base, or than the adapter that it continues, by a paired test
	Continues   string               `json:"continues,omitempty"`    // adapter that it continues, NAME@VERSION
	Metrics     map[string]float64   `json:"metrics,omitempty"`      // of the adapter, on held-out rows
	BaseMetrics map[string]float64   `json:"base_metrics,omitempty"` // of the base model, or of the adapter that it continues, on the same rows
	Comparison  *training.Comparison `json:"comparison,omitempty"`   // the paired test
	GPU         string               `json:"gpu,omitempty"`          // GPU class that was used
	Device      string               `json:"device,omitempty"`       // name of the device
	Steps       int                  `json:"steps,omitempty"`        // optimizer steps
	Redone      int                  `json:"redone_steps"`           // steps computed again after a failure, at least: those after the last heartbeat of a killed worker are not known
	Tokens      int64                `json:"tokens,omitempty"`       // tokens trained on
	TooLong     int                  `json:"too_long,omitempty"`     // rows left out because max_seq_length leaves nothing of their answer
	Seconds     float64              `json:"seconds,omitempty"`      // life of all trainer processes, in seconds
	CostUSD     float64              `json:"cost_usd"`               // paid in all, in USD
	Report      string               `json:"report,omitempty"`       // key of the HTML report in the object store
	Modules     string               `json:"modules,omitempty"`      // what has an adapter: names of layers, or "every linear layer"
	TensorBoard string               `json:"tensorboard,omitempty"`  // folder of the event file in the object store
	Warning     string               `json:"warning,omitempty"`      // what a stopped run could not do, and why
	Plan        *train.Plan          `json:"plan,omitempty"`         // of a dry run
	Unchanged   bool                 `json:"unchanged,omitempty"`    // true after a dry run of a job that was trained before: a run would cost nothing
	Check       *dataset.Check       `json:"check,omitempty"`        // report on the dataset, of a dry run
	Ignored     []string             `json:"ignored,omitempty"`      // settings of Cogniverse that have no effect
}

// Progress answers QueryProgress of a training run.
type Progress struct {
	Method        training.Method `json:"method"`                   // sft, dpo, kto or embedding
	Name          string          `json:"name"`                     // name of the adapter
	Base          string          `json:"base_model"`               // base model
	Tenant        string          `json:"tenant"`                   // owner
	Job           string          `json:"job,omitempty"`            // hash of everything that determines the result
	Stage         string          `json:"stage"`                    // check, plan, train, evaluate, publish, report, done
	Paused        bool            `json:"paused,omitempty"`         // true after pause, until resume
	Waiting       string          `json:"waiting,omitempty"`        // what the run waits for: "budget", "paused" or "a GPU"; empty = nothing
	BlockedBy     string          `json:"blocked_by,omitempty"`     // the shared budget that the run waits for, and what to do; empty = none
	GPU           string          `json:"gpu,omitempty"`            // GPU class in use
	CostUSD       float64         `json:"cost_usd"`                 // what has been paid so far, in USD
	Started       time.Time       `json:"started"`                  // start of the first run
	IgnoredSignal string          `json:"ignored_signal,omitempty"` // the last signal whose payload was invalid, and why

	train.Report
}
