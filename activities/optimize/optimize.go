// Package optimize holds the activities of prompt optimization. It makes no decision about
// the search: package mipro decides, and lists the answers that it needs.
package optimize

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/optimize/results"
	"github.com/cogniverse/cogflow/activities/optimize/rules"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/metric"
	"github.com/cogniverse/cogflow/prompt/mipro"
	"github.com/cogniverse/cogflow/prompt/mipro/gepa"
	"github.com/cogniverse/cogflow/tenant"
)

// LM calls language models. Any text of a model is an answer; a failure of a server or the
// network is a fault, and never a score.
type LM interface {
	activities.Limits
	Complete(ctx context.Context, c prompt.Completion) (prompt.CompletionAnswer, error)
}

// CompletionReserver is an LM that knows prices.
type CompletionReserver interface {
	// Reserve is the maximum charge of a completion, in micro-USD; priced false = unknown.
	Reserve(c prompt.Completion) (microUSD int64, priced bool)
}

// Judges runs the metric commands that a worker's configuration names.
type Judges interface {
	Score(ctx context.Context, command string, example, outputs *prompt.Object) (metric.Mark, error)
	// Known returns an error if the configuration has no such command.
	Known(command string) error
	// Check says why this worker cannot run a command; nil = it can.
	Check(command string) error
}

// RoleModels are the models of an optimization, as this worker is configured.
type RoleModels struct {
	Student  prompt.Model `json:"student"`
	Teacher  prompt.Model `json:"teacher"`
	Proposer prompt.Model `json:"proposer"`
	Judge    prompt.Model `json:"judge"`
}

// Activities holds what the activities of prompt optimization work with.
type Activities struct {
	Store       activities.Store
	Documents   activities.Documents
	Ledger      activities.Ledger
	Broker      activities.Broker
	Runs        activities.Runs
	LM          LM
	Judges      Judges
	Models      func() (RoleModels, error)
	Usable      func(model string) error // says why this worker cannot call a model; nil = it can call all
	Report      func(w io.Writer, r prompt.Report) error
	Version     string
	Unsandboxed bool          // metric commands run without a sandbox, as this worker is configured
	SearchFor   time.Duration // how long one SearchTrials runs trials; 0 = searchFor

	clock  atomic.Int64 // logical clock that orders requests and rejections
	others activities.OtherBuilds
	jobs   sync.Map // key of the job → *optimization; jobs never change
}

func (a *Activities) claims() activities.Claims {
	return activities.Claims{Store: a.Store, Runs: a.Runs, What: "optimization"}
}

// The modes.
const (
	ModeCompat   = "compat"   // DSPy's own decisions
	ModeImproved = "improved" // cogflow's search
	ModeGEPA     = "gepa"     // GEPA's search
)

// PrepareInput requests the check and the plan of an optimization.
type PrepareInput struct {
	Tenant    tenant.ID       `json:"tenant"`
	Name      string          `json:"name,omitempty"`
	Program   json.RawMessage `json:"program"` // the program, or {"uri"}
	Trainset  json.RawMessage `json:"trainset"`
	Valset    json.RawMessage `json:"valset,omitempty"`
	Testset   json.RawMessage `json:"testset,omitempty"` // used by the confirmation only; default: a part of the others
	Metric    json.RawMessage `json:"metric,omitempty"`  // default: exact match of every output
	Mode      string          `json:"mode"`
	Settings  mipro.Settings  `json:"settings"`
	GEPA      gepa.Options    `json:"gepa,omitzero"` // of mode gepa
	BudgetUSD float64         `json:"budget_usd,omitempty"`
}

// Owner is the tenant that the activity works for.
func (in PrepareInput) Owner() tenant.ID { return in.Tenant }

// Plan is an optimization before its first call.
type Plan struct {
	Job         string        `json:"job"`                   // hash of everything that determines the result
	Name        string        `json:"name"`                  // name of the program
	Predictors  int           `json:"predictors"`            // number of predictors
	Train       int           `json:"train"`                 // rows of the trainset
	Val         int           `json:"val"`                   // rows of the valset
	Confirm     int           `json:"confirm"`               // rows of the testset
	Trials      int           `json:"trials"`                // trials of the search, approximate
	Reflections int           `json:"reflections,omitempty"` // mode improved: reflections between trials; 0 = 1
	Quote       mipro.Quote   `json:"quote"`                 // maximum number of calls
	TokensIn    int64         `json:"tokens_in"`             // tokens of prompts, at most
	TokensOut   int64         `json:"tokens_out"`            // tokens of answers, at most
	CostUSD     float64       `json:"cost_usd"`              // at most, in USD; 0 = free or unknown
	Priced      bool          `json:"priced"`                // true if every model has a price
	Unpriced    []string      `json:"unpriced,omitempty"`    // models without a price; cost_usd does not include them
	Listed      string        `json:"listed,omitempty"`      // date of the vendors' price lists that were used; empty = all prices are configured
	Seconds     float64       `json:"seconds,omitempty"`     // time of the calls, at most
	Pace        []Pace        `json:"pace,omitempty"`        // the speed that seconds assumes, for student, teacher, proposer and judge
	Models      prompt.Models `json:"models"`                // the models by role
}

// jobFile is the stored definition of a job; its hash names the job.
type jobFile struct {
	Version  int              `json:"version"`
	Program  json.RawMessage  `json:"program"`
	Metric   json.RawMessage  `json:"metric"`
	Train    []*prompt.Object `json:"train"`
	Val      []*prompt.Object `json:"val"`
	Confirm  []*prompt.Object `json:"confirm"`
	Mode     string           `json:"mode"`
	Settings mipro.Settings   `json:"settings"`
	GEPA     gepa.Options     `json:"gepa,omitzero"`
	Models   RoleModels       `json:"cast"`
	Rules    rules.Rules      `json:"rules,omitzero"`
}

// optimization is a job as the stages use it.
type optimization struct {
	jobFile
	job  *mipro.Job
	plan *mipro.Plan
	gepa *gepa.Plan // nil in other modes
}

func (j jobFile) open() (*optimization, error) {
	program, err := prompt.Read(j.Program)
	if err != nil {
		return nil, err
	}
	columns := columnsOf(j.Train, j.Val, j.Confirm)
	m, err := metric.Read(j.Metric, program, columns)
	if err != nil {
		return nil, err
	}
	inputs := slices.Concat(program.Inputs(), m.Inputs())
	for _, set := range []struct {
		name string
		rows *[]*prompt.Object
	}{{"trainset", &j.Train}, {"valset", &j.Val}, {"testset", &j.Confirm}} {
		if *set.rows, err = prompt.ReadRows(inputs, set.name, *set.rows); err != nil {
			return nil, err
		}
	}
	job := &mipro.Job{
		Settings: j.Settings, Program: program, Train: j.Train, Val: j.Val, Metric: m,
		Student: j.server(j.Models.Student), Tutor: j.server(j.Models.Teacher), Proposer: j.server(j.Models.Proposer), Judge: j.server(j.Models.Judge),
		SharedLabels: j.Version == formerVersion,
		Instructions: j.Rules.Instructions, HeldOut: len(j.Confirm), Confirmed: j.Rules.Confirmed,
	}
	o := &optimization{jobFile: j, job: job}
	if err := o.makePlan(); err != nil {
		return nil, err
	}
	return o, nil
}

func prefixOf(t tenant.ID, job string) string { return string(t) + "/optimize/" + job + "/" }

// optimization reads a job, once per process.
func (a *Activities) optimization(ctx context.Context, t tenant.ID, job string) (*optimization, error) {
	key := prefixOf(t, job) + "job.json"
	if o, ok := a.jobs.Load(key); ok {
		return o.(*optimization), nil
	}
	var j jobFile
	if err := activities.ReadJSON(ctx, a.Store, key, &j); err != nil {
		return nil, err
	}
	if !knownVersion(j.Version) {
		if err := a.others.HandBack(ctx, "optimize", job, fmt.Sprintf("search version %d", j.Version)); err != nil {
			return nil, err
		}
	}
	o, err := j.open()
	if err != nil { // an earlier build accepted names in another case
		o, err = j.exact().open()
	}
	if err == nil {
		a.jobs.Store(key, o)
	}
	return o, err
}

// exact returns the job with the names of its program and metric in their declared case.
func (j jobFile) exact() jobFile {
	var program prompt.Program
	if json.Unmarshal(j.Program, &program) == nil {
		if text, err := json.Marshal(program); err == nil {
			j.Program = text
		}
	}
	var m metric.Metric
	if json.Unmarshal(j.Metric, &m) == nil {
		if text, err := json.Marshal(m); err == nil {
			j.Metric = text
		}
	}
	return j
}

// Prepared is a Plan, and whether there is anything left to do. A workflow passes on its plan
// only.
type Prepared struct {
	Plan
	Unchanged bool `json:"unchanged,omitempty"` // the job has ended: a run would make no call
}

// PrepareOptimize reads program, examples and metric, rejects invalid jobs before any call is
// paid, and stores the job under its hash.
func (a *Activities) PrepareOptimize(ctx context.Context, in PrepareInput) (Prepared, error) {
	j, err := a.gather(ctx, in)
	if err != nil {
		return Prepared{}, err
	}
	if j, err = a.ruled(ctx, in.Tenant, j); err != nil {
		return Prepared{}, err
	}
	o, err := j.open()
	if err != nil {
		return Prepared{}, err
	}
	if err := o.check(); err != nil {
		return Prepared{}, err
	}
	for _, name := range o.job.Metric.Commands() {
		if err := a.Judges.Known(name); err != nil {
			return Prepared{}, err
		}
	}
	text, name, err := j.encode()
	if err != nil {
		return Prepared{}, fault.Wrap(fault.Input, "store optimization", in.Name, err)
	}
	out := Prepared{Plan: o.quote()}
	if err := a.pace(ctx, o.Models, &out.Plan); err != nil {
		return Prepared{}, err
	}
	out.Job = name
	if out.Name = in.Name; out.Name == "" {
		out.Name = o.job.Program.Name
	}
	if in.BudgetUSD > 0 && !out.Priced {
		return Prepared{}, fault.New(fault.Budget, "plan optimization", out.Name,
			"no price under a hard limit: "+strings.Join(out.Unpriced, ", ")+"; set input_usd_per_mtok and output_usd_per_mtok of the endpoint")
	}
	if _, err = a.Store.Put(ctx, prefixOf(in.Tenant, out.Job)+"job.json", bytes.NewReader(text)); err != nil {
		return Prepared{}, err
	}
	done, err := results.Read(ctx, a.Store, prefixOf(in.Tenant, out.Job), out.Name)
	out.Unchanged = len(done) > 0
	return out, err
}

// quote estimates the maximum calls, tokens and cost of the job before the first call.
func (o *optimization) quote() Plan {
	q, trials := o.search()
	out := Plan{
		Predictors: len(o.job.Program.Predictors), Train: len(o.plan.Train), Val: len(o.plan.Val), Confirm: len(o.Confirm),
		Trials: trials, Priced: true, Reflections: o.Rules.Reflections,
		Models: prompt.Models{Student: o.Models.Student.Name, Teacher: o.Models.Teacher.Name, Proposer: o.Models.Proposer.Name},
	}
	confirm := min(2*len(o.Confirm), o.runs())
	q.Student += confirm * out.Predictors
	if o.gepa != nil {
		out.Models.Teacher = "" // mode gepa does not call it
	}
	if q.Judge > 0 {
		q.Judge += confirm * o.job.Metric.Questions()
		out.Models.Judge = o.Models.Judge.Name
	}
	out.Quote = q
	tokens := tokensACall + o.plan.Images()*tokensAnImage
	for _, of := range []struct {
		model prompt.Model
		calls int
	}{{o.Models.Student, q.Student}, {o.Models.Teacher, q.Teacher}, {o.Models.Proposer, q.Proposer}, {o.Models.Judge, q.Judge}} {
		if of.calls == 0 {
			continue
		}
		out.TokensIn += int64(of.calls) * int64(tokens)
		out.TokensOut += int64(of.calls) * int64(answerTokens(of.model))
		if of.model.Price == nil {
			out.Priced = false
			if !slices.Contains(out.Unpriced, of.model.Name) {
				out.Unpriced = append(out.Unpriced, of.model.Name)
			}
			continue
		}
		out.Listed = max(out.Listed, of.model.Price.Listed)
		out.CostUSD += float64(of.calls) * float64(of.model.Price.Cost(tokens, answerTokens(of.model))) / 1e6
	}
	return out
}

// tokensACall is the assumed size of a prompt with its demos, and tokensAnImage that of an
// image in it, for a quote. The budget itself counts the real tokens of each call.
const (
	tokensACall   = 1500
	tokensAnImage = 1500
)

func answerTokens(m prompt.Model) int {
	const unbounded = 1000
	if m.MaxTokens == 0 {
		return unbounded
	}
	return m.MaxTokens
}
