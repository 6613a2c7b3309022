// Package submit is what the command line and the gateway share about starting jobs: the Temporal
// server, start inputs and their checks, and the ids, names and search attributes of runs. So a
// job is the same job however it is started. It shows nothing and waits for nothing.
package submit

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
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

// Options start a job, or attach to the running job with its id.
func (j Job) Options() client.StartWorkflowOptions {
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
	return client.StartWorkflowOptions{
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
	}
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

// ID derives the id of a workflow from its whole input, so that two equal starts are one job.
func ID(stem, tenant, name string, input any) (string, error) {
	data, err := json.Marshal(input)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s-%s-%s-%s", stem, tenant, name, digest(data)), nil
}

// digest is short, because ids are read by people.
func digest(data []byte) string {
	const digits = 12
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])[:digits]
}

// quoted is a text within code in Markdown.
func quoted(text string) string {
	return "`" + strings.ReplaceAll(safetext.Clean(text), "`", "'") + "`"
}
