package train

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/registry"
	"github.com/cogniverse/cogflow/activities/train/checkpoints"
	"github.com/cogniverse/cogflow/activities/train/tensorboard"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/training/card"
	"github.com/cogniverse/cogflow/training/dataset"
)

// PublishInput requests the publication of a job's outcome.
type PublishInput struct {
	activities.JobInput
	Name  string         `json:"name"`
	Role  string         `json:"role"`
	Spec  training.Spec  `json:"spec"`
	Base  training.Model `json:"base"`
	Tally Tally          `json:"tally"`
	GPU   string         `json:"gpu"`
	Check dataset.Check  `json:"check"`

	Ledger  string `json:"ledger,omitempty"`   // job that the ledger counts by; empty = the cost of the tally is used
	IfThere bool   `json:"if_there,omitempty"` // nothing to publish is not an error: a job may be stopped before its first checkpoint
}

// PublishedAdapter is the published version.
type PublishedAdapter struct {
	Name    string           `json:"name"`
	Version int              `json:"version"` // 0 = there was nothing to publish
	Outcome training.Outcome `json:"outcome"`
	Active  bool             `json:"active,omitempty"` // it serves its role already

	TensorBoard string `json:"tensorboard,omitempty"` // folder of the scalars; empty = of an earlier build

	CostMicroUSD *int64 `json:"cost_micro_usd,omitempty"` // cost of the workflow's run so far, by the ledger; nil = it was not asked
}

// PublishAdapter makes a new version of an adapter from a job's outcome, or from the best
// of its newest checkpoint if it was cancelled. One job has one version under a name,
// however often it is published.
func (a *Activities) PublishAdapter(ctx context.Context, in PublishInput) (PublishedAdapter, error) {
	cost, err := a.settled(ctx, &in)
	if err != nil {
		return PublishedAdapter{}, err
	}
	out, err := a.publish(ctx, in)
	if in.IfThere && errors.Is(err, errNothingToPublish) {
		out, err = PublishedAdapter{}, nil
	}
	out.CostMicroUSD = cost
	return out, err
}

// settled asks the ledger for the cost of the run and writes it to the tally. What a dead
// worker left is settled first: the slice that the tally names, and any other. A ledger that is
// a file on another host does not have them: they are swept there, and the tally holds what
// that ledger reported last.
func (a *Activities) settled(ctx context.Context, in *PublishInput) (*int64, error) {
	if in.Ledger == "" {
		return nil, nil //nolint:nilnil // of an older build, which did not ask
	}
	r := &attempt{a: a, in: RunInput{Tenant: in.Tenant, Job: in.Job, Ledger: in.Ledger}}
	r.pulse.Tally = in.Tally
	if err := r.settleLeft(ctx); err != nil {
		return nil, err
	}
	spend, err := activities.FinalSpend(ctx, a.Ledger, in.Tenant, in.Ledger)
	if err != nil {
		return nil, err
	}
	in.Tally.CostMicroUSD = cmp.Or(spend.CostMicroUSD, in.Tally.CostMicroUSD)
	return &in.Tally.CostMicroUSD, nil
}

func (a *Activities) publish(ctx context.Context, in PublishInput) (PublishedAdapter, error) {
	from, outcome, err := a.toPublish(ctx, in)
	if err != nil {
		return PublishedAdapter{}, err
	}
	version, done, err := registry.AdapterVersions(a.Store, in.Tenant).Reserve(ctx, in.Name,
		registry.Reservation{Job: in.Job, Ended: outcome.Ended, Steps: outcome.Steps})
	if err != nil {
		return PublishedAdapter{}, err
	}
	if done {
		m, status, err := registry.ReadAdapter(ctx, a.Store, in.Tenant, in.Name, version)
		return PublishedAdapter{
			Name: in.Name, Version: version, Outcome: outcome, Active: status == registry.StatusActive, TensorBoard: m.TensorBoard(in.Tenant),
		}, err
	}
	prefix := training.AdapterPrefix(in.Tenant, in.Name, version)
	m := training.Adapter{
		Name: in.Name, Version: version, Role: in.Role, Kind: training.KindAdapter,
		Job: in.Job, Workflow: activity.GetInfo(ctx).WorkflowExecution.ID, Spec: in.Spec, Base: in.Base,
		Created: time.Now().UTC(), Outcome: outcome,
	}
	if in.Spec.LoRA == nil {
		m.Kind = training.KindModel
	}
	for _, f := range from.files {
		if err := activities.CopyObject(ctx, a.Store, from.prefix+f.Name, prefix+f.to(), f.SHA256); err != nil {
			return PublishedAdapter{}, err
		}
		m.Files = append(m.Files, training.CheckpointFile{Name: f.to(), Size: f.Size, SHA256: f.SHA256})
	}
	name, scalars, err := tensorboard.Update(ctx, a.Store, in.Tenant, in.Job)
	if err != nil {
		return PublishedAdapter{}, err
	}
	for name, text := range map[string]string{cardName: a.card(ctx, in, m), name: string(scalars)} {
		if text == "" {
			continue
		}
		f, err := a.first(ctx, prefix, name, text)
		if err != nil {
			return PublishedAdapter{}, err
		}
		m.Files = append(m.Files, f)
	}
	slices.SortFunc(m.Files, func(x, y training.CheckpointFile) int { return strings.Compare(x.Name, y.Name) })
	if err := activities.KeepFirst(ctx, a.Store, prefix+training.ManifestName, m); err != nil {
		return PublishedAdapter{}, err
	}
	return PublishedAdapter{Name: in.Name, Version: version, Outcome: outcome, TensorBoard: m.TensorBoard(in.Tenant)}, nil
}

const cardName = "README.md"

// first stores a file of an adapter, unless an earlier attempt did. The card holds times, so each
// attempt writes a different one, and the manifest must describe the stored one, whichever attempt
// publishes the version.
func (a *Activities) first(ctx context.Context, prefix, name, text string) (training.CheckpointFile, error) {
	info, err := a.Store.Create(ctx, prefix+name, strings.NewReader(text))
	if errors.Is(err, object.ErrExists) {
		info, err = a.Store.Stat(ctx, prefix+name)
	}
	return training.CheckpointFile{Name: name, Size: info.Size, SHA256: info.SHA256}, err
}

// publishSource is where the files to publish are.
type publishSource struct {
	prefix string
	files  []publishFile
}

type publishFile struct{ training.CheckpointFile }

// to is the target of a file: the best is the adapter itself, other files are stored beside
// it.
func (f publishFile) to() string { return strings.TrimPrefix(f.Name, training.BestFolder) }

// toPublish finds what to publish: the output of the job, otherwise the best of its newest
// complete checkpoint.
func (a *Activities) toPublish(ctx context.Context, in PublishInput) (publishSource, training.Outcome, error) {
	out, err := a.output(ctx, in.Tenant, in.Job)
	if err != nil {
		return publishSource{}, training.Outcome{}, err
	}
	whole, _, err := checkpoints.List(ctx, a.Store, in.Tenant, in.Job)
	if err != nil {
		return publishSource{}, training.Outcome{}, err
	}
	for _, prefix := range whole {
		var m training.StoredCheckpoint
		if err := activities.ReadJSON(ctx, a.Store, prefix+training.ManifestName, &m); activities.Absent(err) {
			continue
		} else if err != nil {
			return publishSource{}, training.Outcome{}, err
		}
		if out != nil && out.Outcome.Steps >= m.Step {
			break // the outcome of a job that was stopped and then continued is older
		}
		from := publishSource{prefix: prefix + m.Token + "/"}
		for _, f := range m.Files {
			if strings.HasPrefix(f.Name, training.BestFolder) {
				from.files = append(from.files, publishFile{f})
			}
		}
		return from, training.Outcome{
			Ended: training.EndedStopped, Steps: m.Step, BestStep: m.BestStep, Tokens: m.Tokens, GPU: in.GPU,
			Seconds: in.Tally.Seconds, CostUSD: float64(in.Tally.CostMicroUSD) / 1e6,
			Attempts: in.Tally.Attempts, Redone: in.Tally.Redone,
		}, nil
	}
	if out != nil {
		from := publishSource{prefix: training.OutputPrefix(in.Tenant, in.Job) + out.Token + "/"}
		for _, f := range out.Files {
			if publishable(f.Name) {
				from.files = append(from.files, publishFile{f})
			}
		}
		return from, out.Outcome, nil
	}
	return publishSource{}, training.Outcome{}, fault.Wrap(fault.Input, "publish adapter", in.Name, errNothingToPublish)
}

var errNothingToPublish = errors.New("the job has neither an outcome nor a checkpoint, so there is nothing to publish")

func publishable(name string) bool {
	return strings.HasPrefix(name, training.BestFolder) || strings.HasPrefix(name, training.LastFolder) ||
		strings.HasPrefix(name, training.MergedFolder)
}

// card renders the model card.
func (a *Activities) card(ctx context.Context, in PublishInput, m training.Adapter) string {
	o := m.Outcome
	c := card.Card{
		Name: m.Name, Version: fmt.Sprint(m.Version), Tenant: string(in.Tenant), Spec: m.Spec, Job: m.Job,
		Workflow: m.Workflow, Run: activity.GetInfo(ctx).WorkflowExecution.RunID, Repo: m.Base.Repo,
		Dropped: in.Check.Train.Dropped + o.Data.TooLong(m.Spec.Method), Device: o.Device, Class: o.GPU, Versions: o.Versions,
		Steps: o.Steps, BestStep: o.BestStep, Tokens: o.Tokens, Seconds: o.Seconds, CostUSD: o.CostUSD,
		CostKnown: true, Checkpoints: o.Checkpoints, Preemptions: max(0, o.Attempts-1), Base: o.BaseMetrics, Best: o.Metrics, Comparison: o.Comparison,
		Created: m.Created.Format(time.RFC3339), Clock: o.Clock,
	}
	if in.Check.TrainFile != nil {
		c.Rows, c.Images = in.Check.TrainFile.Rows, in.Check.Train.Images
	}
	if in.Check.EvalFile != nil {
		c.EvalRows = in.Check.EvalFile.Rows
	}
	return c.Markdown()
}
