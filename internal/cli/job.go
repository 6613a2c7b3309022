package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/workflows"
)

// Job is one start of a workflow.
type Job struct {
	Kind    string // workflow type
	ID      string
	Common  workflows.Common
	Profile string // for the search attribute; empty = none
	Name    string // of the source, the adapter or the program, for `list`; empty = none
	Summary string // one line for the Web UI
	Details string
	Timeout time.Duration // of the whole run; 0 = none
	DryRun  bool          // the run only estimates the job with this id
	Input   any
}

// MaxMemoName bounds the name of a job, in bytes. The name is a memo, because lists from the
// server include memos: no further call is needed to show it.
const MaxMemoName = 255

// Start starts a job, or attaches to the running job with its id.
func (a *App) Start(ctx context.Context, c client.Client, j Job) (run client.WorkflowRun, attached bool, err error) {
	running := runningRun(ctx, c, j.ID)
	attributes := []temporal.SearchAttributeUpdate{
		temporal.NewSearchAttributeKeyKeyword(workflows.AttrTenant).ValueSet(j.Common.Tenant),
		temporal.NewSearchAttributeKeyKeyword(workflows.AttrKind).ValueSet(j.Kind),
	}
	if j.Profile != "" {
		attributes = append(attributes, temporal.NewSearchAttributeKeyKeyword(workflows.AttrProfile).ValueSet(j.Profile))
	}
	if j.DryRun {
		attributes = append(attributes, temporal.NewSearchAttributeKeyKeyword(workflows.AttrStage).ValueSet(workflows.StageDryRun))
	}
	var memo map[string]any
	if j.Name != "" {
		memo = map[string]any{workflows.MemoName: safetext.Line(j.Name, MaxMemoName)}
	}
	run, err = c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID:                       j.ID,
		TaskQueue:                workflows.QueueMain,
		WorkflowExecutionTimeout: j.Timeout,
		WorkflowIDConflictPolicy: enumspb.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		WorkflowIDReusePolicy:    enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		Memo:                     memo,
		TypedSearchAttributes:    temporal.NewSearchAttributes(attributes...),
		StaticSummary:            safetext.Clean(j.Summary),
		StaticDetails:            j.Details,
		Priority:                 temporal.Priority{PriorityKey: j.Common.Priority, FairnessKey: j.Common.Tenant},
	}, j.Kind, j.Input)
	if err != nil {
		return nil, false, err
	}
	return run, running != "" && running == run.GetRunID(), nil
}

// DryRuns is the prefix of the ids of dry runs.
const DryRuns = "dry-run/"

// DryRunID is the id of a dry run of a job. It differs from the id of the job, so that the
// dry run neither blocks nor hides the job. If the id would be too long, it has the hash of the
// id of the job instead.
func DryRunID(job string) string {
	id := DryRuns + job
	if len(id) <= workflows.MaxWorkflowID {
		return id
	}
	sum := sha256.Sum256([]byte(job))
	return DryRuns + hex.EncodeToString(sum[:])
}

// JobOf is the id of the job of a dry run; "" = unknown.
func JobOf(dryRun string) string {
	job, _ := strings.CutPrefix(dryRun, DryRuns)
	if job == dryRun || DryRunID(job) != dryRun {
		return ""
	}
	return job
}

// runningRun returns the open run of id, or "". It ignores errors, because its result only
// selects a message.
func runningRun(ctx context.Context, c client.Client, id string) string {
	d, err := c.DescribeWorkflow(ctx, id, "")
	if err != nil || workflows.Closed(d.Status) {
		return ""
	}
	return d.WorkflowExecution.RunID
}

// follow waits until a run ends, shows its progress and returns its result. An empty kind
// means that no progress is shown.
func (a *App) follow(ctx context.Context, c client.Client, run client.WorkflowRun, kind string, v View) (json.RawMessage, error) {
	type outcome struct {
		result json.RawMessage
		err    error
	}
	ended := make(chan outcome, 1)
	go func() {
		var o outcome
		o.err = run.Get(ctx, &o.result)
		ended <- o
	}()
	watching, stop := context.WithCancel(ctx)
	defer stop()
	notes, said := make(chan string), make(chan Progress)
	go a.WatchQueues(watching, c, notes)
	go a.poll(watching, c, kind, run.GetID(), said)
	defer v.End()
	for {
		select {
		case o := <-ended:
			// The last query can be old; a short job can have no query at all.
			if p, ok := a.Progress(ctx, c, kind, run.GetID()); ok {
				v.Show(p, true)
			}
			return o.result, o.err
		case text := <-notes:
			v.Note(text)
		case p := <-said:
			v.Show(p, false)
		}
	}
}

// Ask runs a short workflow for this command only: an interrupt cancels it.
func (a *App) Ask(ctx context.Context, j Job, result any) (json.RawMessage, error) {
	j.Timeout = time.Hour // long enough for a command whose result the user waits for
	if a.plan != nil {
		return nil, a.plan.take(j)
	}
	c, err := a.Connect(ctx)
	if err != nil {
		return nil, err
	}
	run, _, err := a.Start(ctx, c, j)
	if err != nil {
		return nil, err
	}
	raw, err := a.follow(ctx, c, run, "", silent{a.Err})
	if ctx.Err() != nil {
		return nil, errors.Join(interrupted("interrupted"), CancelSoon(c, run.GetID()))
	}
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(raw, result); err != nil {
		return nil, fmt.Errorf("read the result of %s: %w", j.ID, err)
	}
	a.Forget(ctx, c, j.Kind, run)
	return raw, nil
}

// CancelSoon requests a cancellation after the context of the command has ended.
func CancelSoon(c client.Client, id string) error {
	ctx, stop := context.WithTimeout(context.Background(), dialTimeout)
	defer stop()
	err := c.CancelWorkflow(ctx, id, "")
	if _, gone := errors.AsType[*serviceerror.NotFound](err); gone {
		return nil
	}
	return err
}

// JobID derives the id of a workflow from its whole input, so that two equal starts are one job.
func JobID(stem, tenant, name string, input any) (string, error) {
	data, err := json.Marshal(input)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(data)
	return fmt.Sprintf("%s-%s-%s-%s", stem, tenant, name, hex.EncodeToString(sum[:])[:12]), nil
}
