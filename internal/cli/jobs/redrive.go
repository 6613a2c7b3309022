package jobs

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/strictjson"
	"github.com/cogniverse/cogflow/workflows"
)

func (a app) redriveCommand() *cobra.Command {
	var wait cli.Waiting
	cmd := &cobra.Command{
		Use:   "redrive ID",
		Short: "Run an unfinished job again",
		Long: `Redrive runs a job again with the same id and input: one that failed, was cancelled, terminated or
stopped, or finished with some items failed. Stored results are reused, so only what is missing is
done and paid for.`,
		Example:           "  cogflow redrive ingest-default-local_preview-0123456789ab",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.completeJobs(),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.redrive(cmd.Context(), args[0], wait)
		},
	}
	wait.Flags(cmd, true)
	return cmd
}

func (a app) redrive(ctx context.Context, id string, wait cli.Waiting) error {
	c, err := a.Connect(ctx)
	if err != nil {
		return err
	}
	d, err := c.DescribeWorkflow(ctx, id, "")
	if err != nil {
		return err
	}
	info := d.RawResponse.GetWorkflowExecutionInfo()
	if !workflows.Closed(info.GetStatus()) {
		return fmt.Errorf("%s is %s: cogflow watch shows it, cogflow cancel ends it", id, cli.StatusText(info.GetStatus()))
	}
	if info.GetStatus() == enumspb.WORKFLOW_EXECUTION_STATUS_COMPLETED {
		if whole, err := finishedWhole(ctx, c, id, info.GetExecution().GetRunId()); err != nil {
			return err
		} else if whole {
			a.Note("%s finished and nothing failed: there is nothing to redrive.", id)
			return a.Detached(id, info.GetExecution().GetRunId())
		}
	}
	input, common, profile, err := begunWith(ctx, c, id, info.GetExecution().GetRunId())
	if err != nil {
		return err
	}
	return a.Launch(ctx, cli.Job{
		Kind: info.GetType().GetName(), ID: id, Common: common, Profile: profile, Name: nameOf(info),
		Summary: summaryOf(d.RawResponse), Details: "Started again by `cogflow redrive`.", Input: input,
	}, wait)
}

// finishedWhole reports whether a completed job has no failed or stopped parts.
func finishedWhole(ctx context.Context, c client.Client, id, runID string) (bool, error) {
	var r struct {
		Failed int    `json:"failed"`
		Status string `json:"status"` // of a training run or an optimization
	}
	err := c.GetWorkflow(ctx, id, runID).Get(ctx, &r)
	return r.Failed == 0 && r.Status != "stopped", err
}

// begunWith reads the input of a job. A training run replaces the URI of its dataset at a
// continue-as-new, and with that URI it would be another job. So the result is the input of
// the first run with the current budget.
func begunWith(ctx context.Context, c client.Client, id, runID string) (
	input map[string]json.RawMessage, common workflows.Common, profile string, err error,
) {
	begun, err := firstEvent(ctx, c, id, runID)
	if err != nil {
		return nil, common, "", err
	}
	if input, common, profile, err = inputOf(begun); err != nil {
		return nil, common, "", fmt.Errorf("read the input of %s: %w", id, err)
	}
	first := begun.GetFirstExecutionRunId()
	if !strings.HasPrefix(begun.GetWorkflowType().GetName(), "Train") || first == "" || first == runID {
		return input, common, profile, nil
	}
	if begun, err = firstEvent(ctx, c, id, first); err != nil {
		return nil, common, "", err
	}
	budget := common.BudgetUSD
	if input, common, profile, err = inputOf(begun); err != nil {
		return nil, common, "", fmt.Errorf("read the input of %s: %w", id, err)
	}
	common.BudgetUSD = budget
	input["budget_usd"], err = json.Marshal(budget)
	return input, common, profile, err
}

func firstEvent(ctx context.Context, c client.Client, id, runID string) (*historypb.WorkflowExecutionStartedEventAttributes, error) {
	events := c.GetWorkflowHistory(ctx, id, runID, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	if !events.HasNext() {
		return nil, fmt.Errorf("the history of %s was deleted", id)
	}
	first, err := events.Next()
	if err != nil {
		return nil, err
	}
	return first.GetWorkflowExecutionStartedEventAttributes(), nil
}

// inputOf reads the input of a run, without the fields that the run itself or its library
// has set.
func inputOf(begun *historypb.WorkflowExecutionStartedEventAttributes) (
	input map[string]json.RawMessage, common workflows.Common, profile string, err error,
) {
	payloads := begun.GetInput().GetPayloads()
	if len(payloads) != 1 {
		return nil, common, "", fmt.Errorf("it has %d arguments instead of 1", len(payloads))
	}
	if err := converter.GetDefaultDataConverter().FromPayload(payloads[0], &input); err != nil {
		return nil, common, "", err
	}
	delete(input, "resume")
	delete(input, "library")
	var known struct {
		workflows.Common
		Profile string `json:"profile"`
	}
	raw, err := json.Marshal(input)
	if err != nil {
		return nil, common, "", err
	}
	if err := strictjson.Unmarshal(raw, &known, strictjson.AllowUnknown); err != nil {
		return nil, common, "", err
	}
	return input, known.Common, known.Profile, cli.Normalize(&known.Common)
}
