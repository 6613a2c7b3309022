package schedule

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	commonpb "go.temporal.io/api/common/v1"
	schedulepb "go.temporal.io/api/schedule/v1"
	sdkpb "go.temporal.io/api/sdk/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/format"
	"github.com/cogniverse/cogflow/internal/submit"
	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/training/rows/secret"
	"github.com/cogniverse/cogflow/workflows"
)

// maxInput bounds the input of a scheduled job, in bytes: the server copies it into the state of
// the schedule and into each run.
const maxInput = 64 << 10

// workflowID is the stem of the ids of the runs of a schedule; the server appends the time. The
// tenant has no "/", so runs of two tenants never share an id, nor with a job that was started
// directly.
func workflowID(tenant, schedule string) string { return "schedule/" + tenant + "/" + schedule }

// attributes are the search attributes of a schedule and of its runs, as of a direct start.
func attributes(j cli.Job) (*commonpb.SearchAttributes, error) {
	fields := map[string]*commonpb.Payload{}
	for name, value := range map[string]string{
		workflows.AttrTenant: j.Common.Tenant, workflows.AttrKind: j.Kind, workflows.AttrProfile: j.Profile,
	} {
		if value == "" {
			continue
		}
		p, err := converter.GetDefaultDataConverter().ToPayload(value)
		if err != nil {
			return nil, err
		}
		p.Metadata["type"] = []byte("Keyword")
		fields[name] = p
	}
	return &commonpb.SearchAttributes{IndexedFields: fields}, nil
}

// action makes the start of a job by a schedule.
func action(id string, j cli.Job) (*schedulepb.ScheduleAction, error) {
	if err := checkInput(id, j.Input); err != nil {
		return nil, err
	}
	payload := converter.GetDefaultDataConverter()
	input, err := payload.ToPayloads(j.Input)
	if err != nil {
		return nil, err
	}
	found, err := attributes(j)
	if err != nil {
		return nil, err
	}
	start := &workflowpb.NewWorkflowExecutionInfo{
		WorkflowId:       workflowID(j.Common.Tenant, id),
		WorkflowType:     &commonpb.WorkflowType{Name: j.Kind},
		TaskQueue:        &taskqueuepb.TaskQueue{Name: workflows.QueueMain},
		Input:            input,
		SearchAttributes: found,
		Priority:         &commonpb.Priority{PriorityKey: int32(j.Common.Priority), FairnessKey: j.Common.Tenant},
		UserMetadata:     &sdkpb.UserMetadata{},
	}
	if j.Timeout > 0 {
		start.WorkflowExecutionTimeout = durationpb.New(j.Timeout)
	}
	if j.Name != "" {
		name, err := payload.ToPayload(safetext.Line(j.Name, submit.MaxMemoName))
		if err != nil {
			return nil, err
		}
		start.Memo = &commonpb.Memo{Fields: map[string]*commonpb.Payload{workflows.MemoName: name}}
	}
	if start.UserMetadata.Summary, err = payload.ToPayload(safetext.Clean(j.Summary)); err != nil {
		return nil, err
	}
	if start.UserMetadata.Details, err = payload.ToPayload(strings.TrimSpace(j.Details + " Schedule `" + id + "`.")); err != nil {
		return nil, err
	}
	return &schedulepb.ScheduleAction{Action: &schedulepb.ScheduleAction_StartWorkflow{StartWorkflow: start}}, nil
}

var (
	address = regexp.MustCompile(`[A-Za-z][A-Za-z0-9+.-]*://[^\s"\\]+`)
	// signed are parameters of URLs that give access.
	signed = regexp.MustCompile(`(?i)[?&](x-amz-(signature|credential|security-token)|x-goog-(signature|credential)|awsaccesskeyid|sig|signature|se|sv|token|access_token|auth|api_?key|key|password|passwd|secret)=`)
	user   = regexp.MustCompile(`://[^/?#\s]*@`)
)

// checkInput refuses bulk and secrets: everyone who can read the namespace can read a schedule,
// and a signed URL would have expired before most of its runs.
func checkInput(id string, input any) error {
	data, err := json.Marshal(input)
	if err != nil {
		return err
	}
	if len(data) > maxInput {
		return fault.New(fault.Input, "create schedule", id, fmt.Sprintf(
			"the input of the job has %s; the limit is %s. Put large files into the object store or a bucket and name their URI", format.Bytes(int64(len(data))), format.Bytes(maxInput)))
	}
	text := strings.ReplaceAll(string(data), `\u0026`, "&")
	for _, url := range address.FindAllString(text, -1) {
		if user.MatchString(url) || signed.MatchString(url) {
			plain, _, _ := strings.Cut(user.ReplaceAllString(url, "://"), "?")
			return fault.New(fault.Input, "create schedule", id, fmt.Sprintf(
				"the URL %s contains a secret. Remove it, and give the worker access: s3:// uses the worker's credentials", plain))
		}
	}
	if kind := secret.Kind(text); kind != "" {
		return fault.New(fault.Input, "create schedule", id, "the input seems to contain "+kind+". Name keys in the worker's configuration, by their environment variables")
	}
	return nil
}
