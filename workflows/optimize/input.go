package optimize

import (
	"encoding/json"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/activities/optimize"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/mipro"
	"github.com/cogniverse/cogflow/prompt/mipro/gepa"
	"github.com/cogniverse/cogflow/prompt/outcome"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/workflows"
)

// Input starts OptimizePrompts. All other fields have the names of DSPy's MIPROv2 and GEPA.
type Input struct {
	workflows.Common
	Name           string          `json:"name,omitempty"`    // name of the published program; default: the program's
	Program        json.RawMessage `json:"program"`           // the program, or {"uri"}
	Trainset       json.RawMessage `json:"trainset"`          // rows for demos: an array, or {"uri"}
	Valset         json.RawMessage `json:"valset,omitempty"`  // rows that the search scores on; default: four fifths of trainset, in mode gepa the trainset
	Testset        json.RawMessage `json:"testset,omitempty"` // rows that decide promotion; default: four in ten of the others
	Metric         json.RawMessage `json:"metric,omitempty"`  // how answers are scored; default: every output equals the example's column of its name
	Mode           string          `json:"mode,omitempty"`    // "improved" (default), "compat" or "gepa"
	Approve        bool            `json:"approve,omitempty"` // a better program waits for the update approve
	DryRun         bool            `json:"dry_run,omitempty"` // check and quote, call no model
	mipro.Settings                 // auto, num_candidates, …, seed
	gepa.Options                   // of mode gepa

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

// maxInlineExamples limits the examples in an input, because the history stores them.
const maxInlineExamples = 256 << 10 // bytes

const defaultOptimizeSeed = 9 // DSPy's

func (in *Input) check(ctx workflow.Context) error {
	if err := in.received.Problem(ctx); err != nil {
		return err
	}
	if in.Mode == "" {
		in.Mode = optimize.ModeImproved
	}
	if in.Seed == 0 && in.Mode != optimize.ModeGEPA { // DSPy's default there is 0
		in.Seed = defaultOptimizeSeed
	}
	switch {
	case missing(in.Program):
		return workflows.Required("program", "")
	case missing(in.Trainset):
		return workflows.Required("trainset", "")
	case in.Mode != optimize.ModeImproved && in.Mode != optimize.ModeCompat && in.Mode != optimize.ModeGEPA:
		return fault.New(fault.Input, "read input", "mode", "must be improved, compat or gepa")
	case len(in.Trainset)+len(in.Valset)+len(in.Testset) > maxInlineExamples:
		return fault.New(fault.Input, "read input", "trainset", "more than 256 KiB of examples; upload a file and name its uri")
	}
	if in.Name != "" {
		if err := training.CheckName("name", in.Name); err != nil {
			return err
		}
	}
	return in.CheckCommon()
}

func missing(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }

// Result is what OptimizePrompts returns.
type Result struct {
	Program      string          `json:"program"`             // name
	Version      int             `json:"version"`             // 0 after a dry run, and when stopped before the first trial
	Job          string          `json:"job"`                 // hash of everything that determines the result
	Status       string          `json:"status"`              // "optimized", "unchanged" (nothing was done), "stopped" (the best so far) or "dry_run"
	Promoted     bool            `json:"promoted"`            // true if it became the active version
	DefaultScore float64         `json:"default_score"`       // score of the default program, in percent: on the testset, corrected for early ends, else on the rows of the search
	Score        float64         `json:"score"`               // score of the result on the same rows, in percent; optimistic if they are those of the search
	Verdict      prompt.Verdict  `json:"verdict"`             // the test on rows that the search never saw
	Kept         bool            `json:"kept,omitempty"`      // true if nothing better was found: the version equals the default program
	Trials       int             `json:"trials"`              // trials of the search
	Calls        int             `json:"calls"`               // paid calls
	Repeated     int             `json:"repeated_calls"`      // billed calls for a request after its first one
	CostUSD      float64         `json:"cost_usd"`            // paid in all, in USD
	Report       string          `json:"report,omitempty"`    // key of the HTML report in the object store
	Plan         *optimize.Plan  `json:"plan,omitempty"`      // of a dry run
	Unusable     []outcome.Group `json:"unusable,omitempty"`  // answers of the models that could not be used as they came, by role and reason
	Warnings     []string        `json:"warnings,omitempty"`  // what to correct, such as a max_tokens that truncates a third of the answers
	Unchanged    bool            `json:"unchanged,omitempty"` // true after a dry run of a job that has ended before: a run would cost nothing
}

// Progress answers QueryProgress of OptimizePrompts.
type Progress struct {
	Name      string               `json:"name"`                 // name of the program
	Tenant    string               `json:"tenant"`               // owner
	Mode      string               `json:"mode"`                 // improved, compat or gepa
	Job       string               `json:"job,omitempty"`        // hash of everything that determines the result
	Stage     string               `json:"stage"`                // prepare, bootstrap, propose, search, reflect, confirm, publish, report, done
	Paused    bool                 `json:"paused,omitempty"`     // true after pause, until resume
	Waiting   string               `json:"waiting,omitempty"`    // "budget" or "approval"; empty = nothing
	BlockedBy string               `json:"blocked_by,omitempty"` // the shared budget that the run waits for, and what to do; empty = none
	Trials    []optimize.TrialLine `json:"trials"`               // trials so far
	Planned   int                  `json:"planned"`              // number of trials, approximate
	Best      float64              `json:"best"`                 // best score of a trial on all rows so far, in percent
	Default   float64              `json:"default"`              // score of the default program, in percent
	Answers   int                  `json:"answers"`              // answers used so far
	Calls     int                  `json:"calls"`                // paid calls so far
	CostUSD   float64              `json:"cost_usd"`             // what has been paid so far, in USD
	Started   time.Time            `json:"started"`              // start of the first run
	Unusable  []outcome.Group      `json:"unusable,omitempty"`   // answers of the models that could not be used as they came, by role and reason
	Warnings  []string             `json:"warnings,omitempty"`   // what to correct, such as a max_tokens that truncates a third of the answers
}

// ListProgramsInput starts ListPrograms.
type ListProgramsInput struct {
	workflows.Common
	Name string `json:"name,omitempty"` // all versions of this one; empty = all programs

	received workflows.Received
}

// UnmarshalJSON decodes strictly; see Receive.
func (in *ListProgramsInput) UnmarshalJSON(data []byte) error {
	type plain ListProgramsInput
	in.received = workflows.Receive(data, (*plain)(in))
	return nil
}

// ProgramInput starts ShowProgram, PromoteProgram, RollbackProgram and CanaryProgram.
type ProgramInput struct {
	workflows.Common
	Name    string `json:"name"`              // of the program
	Version int    `json:"version,omitempty"` // show: 0 = the active one, else the latest; promote, canary: 0 = the latest
	Force   bool   `json:"force,omitempty"`   // promote, canary: although it was not confirmed to be better
	Share   int    `json:"share,omitempty"`   // canary: percent of the keys that get it; 0 = end the canary

	received workflows.Received
}

// UnmarshalJSON decodes strictly; see Receive.
func (in *ProgramInput) UnmarshalJSON(data []byte) error {
	type plain ProgramInput
	in.received = workflows.Receive(data, (*plain)(in))
	return nil
}

func (in *ListProgramsInput) check(ctx workflow.Context) error {
	if err := in.received.Problem(ctx); err != nil {
		return err
	}
	if in.Name != "" {
		if err := training.CheckName("name", in.Name); err != nil {
			return err
		}
	}
	return in.CheckCommon()
}

// check refuses a share, because promoting instead would affect all keys.
func (in *ProgramInput) check(ctx workflow.Context) error {
	if err := in.checkCanary(ctx); err != nil {
		return err
	}
	if in.Share != 0 {
		return fault.New(fault.Input, "read input", "share", "only CanaryProgram takes one")
	}
	return nil
}

func (in *ProgramInput) checkCanary(ctx workflow.Context) error {
	if err := in.received.Problem(ctx); err != nil {
		return err
	}
	if in.Share != 0 {
		if err := training.CheckShare(in.Share); err != nil {
			return err
		}
	}
	if err := training.CheckName("name", in.Name); err != nil {
		return err
	}
	return in.CheckCommon()
}
