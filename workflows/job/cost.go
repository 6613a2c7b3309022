package job

import (
	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/activities/ingest"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows"
)

// changeFinalCost gates asking the ledger also when a run fails or is cancelled.
const changeFinalCost = "cost-of-ended-runs"

// FinalCost asks the ledger what a run that fails or is cancelled has spent, because its
// last activities did not report. known is false for runs of a build that did not ask. It
// works when ctx is cancelled.
func FinalCost(ctx workflow.Context, c workflows.Caller, in ingest.SpendInput) (spend video.Spend, known bool, err error) {
	free, _ := workflow.NewDisconnectedContext(ctx)
	if workflow.GetVersion(free, changeFinalCost, workflow.DefaultVersion, 1) == workflow.DefaultVersion {
		return video.Spend{}, false, nil
	}
	var a *ingest.Activities
	spend, err = workflows.Call(c.Metadata(free, "sum up the ledger"), a.Spend, in)
	return spend, err == nil, err
}
