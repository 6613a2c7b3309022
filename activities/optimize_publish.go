package activities

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/mipro"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/video"
)

// The files of a published program.
const (
	programFile = "program.json" // as DSPy's save writes it
	stateFile   = "state.json"   // as DSPy's dump_state gives it
	sourceFile  = "source.json"  // as cogflow reads it: `optimize --program`
	trialsFile  = "trials.jsonl"
)

// PublishProgramInput asks for the best of a job to be published.
type PublishProgramInput struct {
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

// PublishProgram makes a version of what the search came to, in the forms that
// DSPy loads. One outcome of a job has one version, however often it is published.
func (a *Optimize) PublishProgram(ctx context.Context, in PublishProgramInput) (PublishedProgram, error) {
	o, err := a.optimization(ctx, in.Tenant, in.Job)
	if err != nil {
		return PublishedProgram{}, err
	}
	best, choice, err := a.best(ctx, o, in.SearchStep)
	if err != nil {
		return PublishedProgram{}, err
	}
	spend, err := a.Ledger.Job(ctx, in.Tenant, in.Ledger)
	if err != nil {
		return PublishedProgram{}, err
	}
	var trials []mipro.Trial
	if err := readJSON(ctx, a.Store, a.stored(in.Spender, "trials.json"), &trials); err != nil {
		return PublishedProgram{}, err
	}
	reg := a.programs(in.Tenant)
	mine := reservation{Job: in.Job, Steps: len(trials)}
	version, done, err := reg.reserve(ctx, in.Name, mine)
	out := PublishedProgram{Name: in.Name, Version: version, Repeated: spend.Repeated}
	if err != nil || done {
		return out, err
	}
	release := prompt.Release{
		Name: in.Name, Version: version, Job: in.Job, Workflow: activity.GetInfo(ctx).WorkflowExecution.ID, Mode: o.Mode,
		Created: time.Now().UTC(), Default: in.Confirmed.Default, Score: in.Confirmed.Score, Verdict: in.Confirmed.Verdict,
		Trials: len(trials), Calls: in.Calls, Repeated: spend.Repeated, CostUSD: in.CostUSD, Choice: choice,
		Stopped: in.Stopped, Models: in.Models,
	}
	files, err := programFiles(best, trials)
	if err != nil {
		return out, err
	}
	for _, f := range files {
		info, err := a.Store.Put(ctx, reg.at(in.Name, version)+f.name, bytes.NewReader(f.text))
		if err != nil {
			return out, err
		}
		release.Files = append(release.Files, training.CheckpointFile{Name: f.name, Size: info.Size, SHA256: info.SHA256})
	}
	return out, writeManifest(ctx, a.Store, reg.at(in.Name, version)+training.ManifestName, release)
}

type namedText struct {
	name string
	text []byte
}

func programFiles(p *prompt.Program, trials []mipro.Trial) ([]namedText, error) {
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
	return []namedText{{programFile, p.File()}, {sourceFile, source}, {stateFile, state}, {trialsFile, lines.Bytes()}}, nil
}

// FinishOptimize keeps the result of a job, so that a start of the same job does
// nothing, and gives the claim back.
func (a *Optimize) FinishOptimize(ctx context.Context, in FinishInput) error {
	if len(in.Result) > 0 {
		if err := writeManifest(ctx, a.Store, optimizePrefix(in.Tenant, in.Job)+"result.json", in.Result); err != nil {
			return err
		}
	}
	return a.claims().release(ctx, optimizePrefix(in.Tenant, in.Job)+"claim.json")
}

// FinishInput names a job; Result is empty for one that is not done.
type FinishInput struct {
	JobInput
	Result json.RawMessage `json:"result,omitempty"`
}

// ClaimOptimize makes sure that one workflow at a time works on a job. It
// returns the result of one that is done.
func (a *Optimize) ClaimOptimize(ctx context.Context, in JobInput) (ClaimedJob, error) {
	if err := a.claims().take(ctx, optimizePrefix(in.Tenant, in.Job)+"claim.json"); err != nil {
		return ClaimedJob{}, err
	}
	var done json.RawMessage
	err := readJSON(ctx, a.Store, optimizePrefix(in.Tenant, in.Job)+"result.json", &done)
	if absent(err) {
		return ClaimedJob{}, nil
	}
	return ClaimedJob{Result: done}, err
}

// ClaimedJob holds the result of a job that is done; empty = there is work to do.
type ClaimedJob struct {
	Result json.RawMessage `json:"result,omitempty"`
}

// ProgramList is the list of programs: by name, the latest version first.
type ProgramList struct {
	Programs []ProgramLine `json:"programs"`
	More     bool          `json:"more,omitempty"` // there are more than MaxAdapters
}

// ProgramLine is a line of it.
type ProgramLine struct {
	Name    string    `json:"name"`
	Version int       `json:"version"`
	Status  string    `json:"status"` // "active", "deprecated", "inactive"
	Mode    string    `json:"mode"`
	Default float64   `json:"default_score"`
	Score   float64   `json:"score"`
	Promote bool      `json:"confirmed"` // better than the default on rows that no search saw
	Calls   int       `json:"calls"`
	CostUSD float64   `json:"cost_usd"`
	Created time.Time `json:"created"`
}

// ListPrograms lists what was published.
func (a *Optimize) ListPrograms(ctx context.Context, in ListAdaptersInput) (ProgramList, error) {
	out := ProgramList{Programs: []ProgramLine{}}
	versions, err := a.programs(in.Tenant).versions(ctx, in.Name)
	if err != nil {
		return out, err
	}
	slices.SortStableFunc(versions, func(x, y publishedVersion) int {
		if c := strings.Compare(x.name, y.name); c != 0 {
			return c
		}
		return y.number - x.number
	})
	for _, v := range versions {
		if !v.whole {
			continue
		}
		if len(out.Programs) == MaxAdapters {
			out.More = true
			break
		}
		d, err := a.program(ctx, in.Tenant, v.name, v.number)
		if err != nil {
			return out, err
		}
		out.Programs = append(out.Programs, ProgramLine{
			Name: d.Name, Version: d.Version, Status: d.Status, Mode: d.Mode, Default: d.Default, Score: d.Score,
			Promote: d.Verdict.Promote, Calls: d.Calls, CostUSD: d.CostUSD, Created: d.Created,
		})
	}
	return out, nil
}

// ProgramDetail is all that is known of a version.
type ProgramDetail struct {
	prompt.Release
	Status  string          `json:"status"`
	Prefix  string          `json:"prefix"` // where its files lie in the store
	Program json.RawMessage `json:"program"`
}

// ShowProgram describes one version; 0 = the active one, else the latest.
func (a *Optimize) ShowProgram(ctx context.Context, in AdapterInput) (ProgramDetail, error) {
	if in.Version == 0 && !in.Latest {
		role, _, err := readRole(ctx, a.Store, programRole(in.Tenant, in.Name), in.Name)
		if err != nil {
			return ProgramDetail{}, err
		}
		if role.Active != nil {
			in.Version = role.Active.Version
		}
	}
	versions, err := a.programs(in.Tenant).versions(ctx, in.Name)
	if err != nil {
		return ProgramDetail{}, err
	}
	for _, v := range slices.Backward(versions) {
		if v.whole && (in.Version == 0 || v.number == in.Version) {
			return a.program(ctx, in.Tenant, in.Name, v.number)
		}
	}
	return ProgramDetail{}, noProgram(in.Name, in.Version)
}

func noProgram(name string, version int) error {
	if version != 0 {
		name = fmt.Sprintf("%s@%d", name, version)
	}
	return fault.New(fault.Input, "find program", name, "there is none; `cogflow programs list` shows what there is")
}

func programRole(t tenant.ID, name string) string {
	return string(t) + "/programs/_roles/" + name + ".json"
}

func (a *Optimize) program(ctx context.Context, t tenant.ID, name string, version int) (ProgramDetail, error) {
	d := ProgramDetail{Prefix: a.programs(t).at(name, version), Status: statusInactive}
	err := readJSON(ctx, a.Store, d.Prefix+training.ManifestName, &d.Release)
	if absent(err) {
		return d, noProgram(name, version)
	}
	if err == nil {
		err = readJSON(ctx, a.Store, d.Prefix+sourceFile, &d.Program)
	}
	if err != nil {
		return d, err
	}
	role, _, err := readRole(ctx, a.Store, programRole(t, name), name)
	if role.Active != nil && role.Active.Version == version {
		d.Status = statusActive
	} else if slices.ContainsFunc(role.History, func(x training.Activation) bool { return x.Version == version }) {
		d.Status = statusDeprecated
	}
	return d, err
}

// ChangeProgram promotes a version or rolls back to the one before.
func (a *Optimize) ChangeProgram(ctx context.Context, in RoleInput) (training.Role, error) {
	if in.Do == DoActivate {
		if _, err := a.program(ctx, in.Tenant, in.Name, in.Version); err != nil {
			return training.Role{}, err
		}
	}
	return changeRole(ctx, a.Store, programRole(in.Tenant, in.Role), in)
}

// ReadProgramRole says which version is active.
func (a *Optimize) ReadProgramRole(ctx context.Context, in RoleInput) (training.Role, error) {
	role, _, err := readRole(ctx, a.Store, programRole(in.Tenant, in.Role), in.Role)
	return role, err
}

// OptimizeReportInput says what a report is about.
type OptimizeReportInput struct {
	SearchStep
	Name     string    `json:"name"`
	Version  int       `json:"version"`
	Promoted bool      `json:"promoted"`
	RunID    string    `json:"run_id"`
	Started  time.Time `json:"started"`
	Ended    time.Time `json:"ended"`
}

// reportedRows is how many rows a report shows.
const reportedRows = 24

// WriteOptimizeReport renders the page about an optimization into the store.
func (a *Optimize) WriteOptimizeReport(ctx context.Context, in OptimizeReportInput) (ReportResult, error) {
	o, err := a.optimization(ctx, in.Tenant, in.Job)
	if err != nil {
		return ReportResult{}, err
	}
	d, err := a.program(ctx, in.Tenant, in.Name, in.Version)
	if err != nil {
		return ReportResult{}, err
	}
	run := activity.GetInfo(ctx).WorkflowExecution
	page := prompt.Report{
		Release: d.Release, Tenant: in.Tenant, Run: in.RunID, Started: in.Started, Ended: in.Ended,
		Promoted: in.Promoted, Before: o.job.Program,
	}
	if page.After, err = prompt.Read(d.Program); err != nil {
		return ReportResult{}, err
	}
	var trials []mipro.Trial
	if err := readJSON(ctx, a.Store, a.stored(in.Spender, "trials.json"), &trials); err != nil {
		return ReportResult{}, err
	}
	var standing mipro.Standing
	for _, t := range trials {
		l := trialLine(t)
		page.Trials = append(page.Trials, prompt.ReportTrial{
			Number: l.Number, Kind: string(l.Kind), Choice: l.Choice, Rows: l.Rows, Score: l.Score,
			Best: standing.Add(l.Kind, l.Choice, l.Rows, l.Score),
		})
	}
	if page.Rows, err = a.reportRows(ctx, o, in.Spender); err != nil {
		return ReportResult{}, err
	}
	var html bytes.Buffer
	if err := a.Report(&html, page); err != nil {
		return ReportResult{}, err
	}
	out := ReportResult{Key: video.ReportKey(in.Tenant, run.ID, in.RunID)}
	_, err = a.Store.Put(ctx, out.Key, &html)
	return out, err
}

// reportRows picks rows that tell most: those that changed, then those that are
// still wrong.
func (a *Optimize) reportRows(ctx context.Context, o *optimization, s Spender) ([]prompt.ReportRow, error) {
	var c confirmation
	if err := readJSON(ctx, a.Store, a.stored(s, "confirmation.json"), &c); err != nil {
		if absent(err) {
			return nil, nil
		}
		return nil, err
	}
	if len(c.Before) != len(o.Confirm) || len(c.After) != len(o.Confirm) {
		return nil, errors.New("the confirmation is of other rows")
	}
	var changed, wrong []prompt.ReportRow
	for i, example := range o.Confirm {
		row := prompt.ReportRow{Example: example, Before: c.OutsA[i], After: c.OutsB[i], BeforeScore: c.Before[i], AfterScore: c.After[i]}
		switch {
		case row.BeforeScore != row.AfterScore:
			changed = append(changed, row)
		case row.AfterScore < 1:
			wrong = append(wrong, row)
		}
	}
	rows := append(changed, wrong...)
	return rows[:min(len(rows), reportedRows)], nil
}
