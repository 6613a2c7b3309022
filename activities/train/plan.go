package train

import (
	"context"
	"errors"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/train/measure"
	"github.com/cogniverse/cogflow/activities/train/origin"
	"github.com/cogniverse/cogflow/activities/train/speeds"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/placement"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/training/dataset"
	"github.com/cogniverse/cogflow/training/estimate"
)

// PlanInput asks for the identity and the needs of a job.
type PlanInput struct {
	Tenant       tenant.ID             `json:"tenant"`
	Method       training.Method       `json:"method"`
	BaseModel    string                `json:"base_model"`
	Config       training.Config       `json:"config"`
	LoRA         *training.LoRA        `json:"lora,omitempty"`
	Extras       training.Extras       `json:"extras"`
	Seed         int64                 `json:"seed"`
	Train        training.File         `json:"train"`
	Eval         *training.File        `json:"eval,omitempty"`
	Lengths      dataset.Spread        `json:"lengths"` // estimated tokens a row of the whole dataset
	Rows         int                   `json:"rows"`    // number of rows of Lengths
	GPU          []string              `json:"gpu"`
	BudgetUSD    float64               `json:"budget_usd,omitempty"`
	ContinueFrom string                `json:"continue_from,omitempty"` // adapter NAME@VERSION; empty = a fresh one
	Given        training.LoRASettings `json:"given_lora,omitzero"`     // what settings name of LoRA
	Place        *placement.Facts      `json:"place,omitempty"`         // by which the rules place the job; nil = they do not
}

// Owner is the tenant that the activity works for.
func (in PlanInput) Owner() tenant.ID { return in.Tenant }

// Plan is a training job before it starts: its identity, its base model and its needs per
// GPU class.
type Plan struct {
	Job      string            `json:"job"`      // hash of spec
	Spec     training.Spec     `json:"spec"`     // everything that determines the result
	Base     training.Model    `json:"base"`     // the base model; its path is left out, because it differs between workers
	Estimate estimate.Estimate `json:"estimate"` // memory, time and cost per GPU class

	Placed *placement.Decision `json:"placed,omitempty"` // nil = there are no rules
}

// Planned is a Plan, and whether there is anything left to do. A run hands only its plan on.
type Planned struct {
	Plan
	Unchanged bool `json:"unchanged,omitempty"` // the job has ended: a run would train nothing

	Measured   *training.DataStats `json:"measured,omitempty"`   // counts of the base model's tokenizer and chat template; null = not counted
	Unmeasured string              `json:"unmeasured,omitempty"` // why they were not counted
	Findings   []training.Finding  `json:"findings,omitempty"`   // problems of rows that the tokenizer and the chat template show
}

// PlanTraining names the job by everything that determines its result, and refuses a job
// that does not fit, costs too much or contradicts its input.
func (a *Activities) PlanTraining(ctx context.Context, in PlanInput) (Planned, error) {
	placed, err := a.Placing.Decide(ctx, in.Place)
	if err != nil {
		return Planned{}, err
	}
	in.GPU = placement.Or(placed.Chosen().Train, in.GPU)
	model, err := a.Models.Find(ctx, in.BaseModel)
	if err != nil {
		return Planned{}, err
	}
	shape, err := a.Models.Shape(ctx, model)
	if err != nil {
		return Planned{}, err
	}
	if err := shape.Suits(in.Method, in.Config.Loss); err != nil {
		return Planned{}, err
	}
	numerics, err := estimate.PinNumerics(in.GPU, in.Extras.Numerics)
	if err != nil {
		return Planned{}, err
	}
	lora, start, err := origin.Find(ctx, a.Store, in.Tenant, origin.Wanted{Ref: in.ContinueFrom, Method: in.Method, Base: model, LoRA: in.LoRA, Given: in.Given})
	if err != nil {
		return Planned{}, err
	}
	if lora != nil {
		adapt := shape.Adapt
		if in.Extras.DefaultModules && start == nil { // not those of another adapter
			adapt = shape.AdaptDefault
		}
		adapted, err := adapt(*lora)
		if err != nil {
			return Planned{}, err
		}
		lora = &adapted
	}
	out := Planned{Plan: Plan{Placed: placed, Base: model, Spec: training.Spec{
		Method: in.Method, Model: model.Name, Revision: model.Revision, Dataset: in.Train.SHA256,
		Seed: in.Seed, Numerics: numerics, Config: in.Config, LoRA: lora, Start: start,
	}}}
	out.Base.Path = ""
	if in.Eval != nil {
		out.Spec.Evaluation = in.Eval.SHA256
	}
	if out.Job, err = out.Spec.JobID(); err != nil {
		return Planned{}, err
	}
	known, err := speeds.Read(ctx, a.Store, in.Tenant, out.Spec, in.GPU)
	if err != nil {
		return Planned{}, err
	}
	p := estimate.Plan{
		Method: in.Method, Model: model.Name, Shape: shape, Config: in.Config, LoRA: lora, Numerics: numerics,
		Classes: in.GPU, Rows: in.Train.Rows, Longest: in.Lengths.Max,
		Speeds: known, Prices: a.Prices, BudgetUSD: in.BudgetUSD,
	}
	p.Tokens = share(in.Lengths.Total, in.Train.Rows, in.Rows)
	if in.Eval != nil {
		p.EvalRows = in.Eval.Rows
		p.EvalTokens = share(in.Lengths.Total, in.Eval.Rows, in.Rows)
	}
	if out.Estimate, err = p.Estimate(); err != nil {
		return Planned{}, err
	}
	ended, err := a.output(ctx, in.Tenant, out.Job)
	out.Unchanged = ended != nil && ended.Outcome.Ended == training.EndedDone
	if err != nil || out.Unchanged {
		return out, err
	}
	return a.counted(ctx, in, p, out)
}

// counted repeats the estimate with the counts of the tokenizer, which take longer than all
// other checks of a plan.
func (a *Activities) counted(ctx context.Context, in PlanInput, p estimate.Plan, out Planned) (Planned, error) {
	counts, err := a.Tokens.Count(ctx, measure.Input{Tenant: in.Tenant, Spec: out.Spec, Train: in.Train, Eval: in.Eval})
	if err != nil {
		return Planned{}, err
	}
	out.Measured, out.Unmeasured, out.Findings = counts.Data, counts.Why, counts.Findings
	if m := counts.Data; m != nil {
		p.Rows, p.Longest, p.Tokens, p.EvalTokens = m.Rows-m.Dropped, m.Max, m.Tokens, m.EvalTokens
		out.Estimate, err = p.Estimate()
	}
	return out, err
}

// share is the part of total that rows have among all.
func share(total int64, rows, all int) int64 {
	if all <= 0 {
		return 0
	}
	return int64(float64(total) * float64(rows) / float64(all))
}

// ClaimJob makes sure that only one workflow at a time runs a job, whatever ids callers
// chose. It returns the outcome of a finished job.
func (a *Activities) ClaimJob(ctx context.Context, in activities.JobInput) (*training.Outcome, error) {
	if _, err := a.claims().Take(ctx, training.ClaimKey(in.Tenant, in.Job)); err != nil {
		return nil, err
	}
	out, err := a.output(ctx, in.Tenant, in.Job)
	if err != nil || out == nil {
		return nil, err
	}
	return &out.Outcome, nil
}

// ReleaseJob releases the claim.
func (a *Activities) ReleaseJob(ctx context.Context, in activities.JobInput) error {
	return a.claims().Release(ctx, training.ClaimKey(in.Tenant, in.Job), 0)
}

// output reads the result of a job; nil = it has not finished.
func (a *Activities) output(ctx context.Context, t tenant.ID, job string) (*training.Output, error) {
	var out training.Output
	err := activities.ReadJSON(ctx, a.Store, training.OutputPrefix(t, job)+training.ManifestName, &out)
	if errors.Is(err, object.ErrNotFound) {
		return nil, nil //nolint:nilnil // it has not finished
	}
	return &out, fault.Wrap("", "read outcome of training job", job, err)
}
