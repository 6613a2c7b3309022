package optimize

import (
	"bytes"
	"context"
	"encoding/json"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/optimize/results"
	"github.com/cogniverse/cogflow/activities/registry"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/mipro/search"
	"github.com/cogniverse/cogflow/training"
)

// PublishInput requests the publication of a job's best program.
type PublishInput struct {
	SearchStep
	Name      string        `json:"name"`
	Confirmed Confirmed     `json:"confirmed"`
	Calls     int           `json:"calls"`
	CostUSD   float64       `json:"cost_usd"`
	Stopped   bool          `json:"stopped,omitempty"`
	Models    prompt.Models `json:"models"`
}

// PublishedProgram names the version.
type PublishedProgram struct {
	Name     string `json:"name"`
	Version  int    `json:"version"`
	Repeated int    `json:"repeated_calls"`
}

// PublishProgram publishes the search's result as a version, in the formats that DSPy loads.
// Publishing the same outcome of a job again returns the same version.
func (a *Activities) PublishProgram(ctx context.Context, in PublishInput) (PublishedProgram, error) {
	o, err := a.optimization(ctx, in.Tenant, in.Job)
	if err != nil {
		return PublishedProgram{}, err
	}
	best, err := a.best(ctx, o, in.SearchStep)
	if err != nil {
		return PublishedProgram{}, err
	}
	spend, err := activities.FinalSpend(ctx, a.Ledger, in.Tenant, in.Ledger)
	if err != nil {
		return PublishedProgram{}, err
	}
	var trials []search.Trial
	if err := activities.ReadJSON(ctx, a.Store, a.stored(in.Spender, "trials.json"), &trials); err != nil {
		return PublishedProgram{}, err
	}
	reg := registry.ProgramVersions(a.Store, in.Tenant)
	mine := registry.Reservation{Job: in.Job, Steps: len(trials)}
	version, done, err := reg.Reserve(ctx, in.Name, mine)
	out := PublishedProgram{Name: in.Name, Version: version, Repeated: spend.Repeated}
	if err != nil || done {
		return out, err
	}
	release := prompt.Release{
		Name: in.Name, Version: version, Job: in.Job, Workflow: activity.GetInfo(ctx).WorkflowExecution.ID, Mode: o.Mode,
		Created: time.Now().UTC(), Default: in.Confirmed.Default, Score: in.Confirmed.Score, Verdict: in.Confirmed.Verdict,
		Trials: len(trials), Calls: spend.Calls, Repeated: spend.Repeated, CostUSD: float64(spend.CostMicroUSD) / 1e6, Choice: best.choice,
		Stopped: in.Stopped, Models: in.Models,
	}
	files, err := programFiles(best.program, trials)
	if err != nil {
		return out, err
	}
	for _, f := range files {
		info, err := a.Store.Put(ctx, reg.At(in.Name, version)+f.name, bytes.NewReader(f.text))
		if err != nil {
			return out, err
		}
		release.Files = append(release.Files, training.CheckpointFile{Name: f.name, Size: info.Size, SHA256: info.SHA256})
	}
	return out, activities.KeepFirst(ctx, a.Store, reg.At(in.Name, version)+training.ManifestName, release)
}

type namedText struct {
	name string
	text []byte
}

func programFiles(p *prompt.Program, trials []search.Trial) ([]namedText, error) {
	state, err := json.Marshal(p.State())
	if err != nil {
		return nil, err
	}
	source, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	var lines bytes.Buffer
	encoder := json.NewEncoder(&lines)
	for _, t := range trials {
		if err := encoder.Encode(t); err != nil {
			return nil, err
		}
	}
	return []namedText{{registry.ProgramFile, p.File()}, {registry.SourceFile, source}, {registry.StateFile, state}, {registry.TrialsFile, lines.Bytes()}}, nil
}

// FinishOptimize stores the result of a job, so that starting the same job again does nothing,
// and releases the claim. Without the claim it does nothing: a former attempt finished the
// job, or another workflow claimed it.
func (a *Activities) FinishOptimize(ctx context.Context, in FinishInput) error {
	if _, mine, err := a.claims().Holds(ctx, prefixOf(in.Tenant, in.Job)+"claim.json", 0); !mine {
		return err
	}
	if len(in.Result) > 0 {
		if err := results.Write(ctx, a.Store, prefixOf(in.Tenant, in.Job), in.Result); err != nil {
			return err
		}
	}
	return a.claims().Release(ctx, prefixOf(in.Tenant, in.Job)+"claim.json", 0)
}

// FinishInput names a job; Result is empty if the job is not done.
type FinishInput struct {
	activities.JobInput
	Result json.RawMessage `json:"result,omitempty"`
}

// ClaimInput names a job, and the program that is to be published; an earlier build names none.
type ClaimInput struct {
	activities.JobInput
	Name string `json:"name,omitempty"`
}

// ClaimOptimize makes sure that only one workflow at a time works on a job. It returns the
// result of a finished job that has published this program.
func (a *Activities) ClaimOptimize(ctx context.Context, in ClaimInput) (ClaimedJob, error) {
	prefix := prefixOf(in.Tenant, in.Job)
	if _, err := a.claims().Take(ctx, prefix+"claim.json"); err != nil {
		return ClaimedJob{}, err
	}
	done, err := results.Read(ctx, a.Store, prefix, in.Name)
	return ClaimedJob{Result: done}, err
}

// ClaimedJob holds the result of a finished job; empty = there is work to do.
type ClaimedJob struct {
	Result json.RawMessage `json:"result,omitempty"`
}
