package schedule

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	schedulepb "go.temporal.io/api/schedule/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/cogniverse/cogflow/safetext"
	"github.com/cogniverse/cogflow/strictjson"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/workflows"
)

// maxValue bounds a value in the text of a difference, in bytes.
const maxValue = 120

// differences names the settings in which two schedules differ, as "NAME: old → new".
func differences(old, changed *schedulepb.Schedule) (all []string) {
	before, after := settings(old), settings(changed)
	names := map[string]bool{}
	for _, m := range []map[string]string{before, after} {
		for name := range m {
			names[name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if before[name] != after[name] {
			all = append(all, fmt.Sprintf("%s: %s → %s", name, shown(before[name]), shown(after[name])))
		}
	}
	return all
}

func shown(value string) string {
	if value == "" {
		return "not set"
	}
	return safetext.Line(value, maxValue)
}

// settings are what a person sets in a schedule, by name. Two forms of one calendar have the
// same text.
func settings(s *schedulepb.Schedule) map[string]string {
	start := s.GetAction().GetStartWorkflow()
	out := map[string]string{
		"times": strings.Join(specWords(s.GetSpec()), "; "), "overlap": overlapOf(s), "catch-up": spanWords(s.GetPolicies().GetCatchupWindow().AsDuration()),
		"jitter": spanWords(s.GetSpec().GetJitter().AsDuration()), "start": timeText(s.GetSpec().GetStartTime()), "end": timeText(s.GetSpec().GetEndTime()),
		"pause on failure": strconv.FormatBool(s.GetPolicies().GetPauseOnFailure()),
		"workflow type":    start.GetWorkflowType().GetName(), "workflow id": start.GetWorkflowId(), "task queue": start.GetTaskQueue().GetName(),
		"priority": fmt.Sprintf("%d %s", start.GetPriority().GetPriorityKey(), start.GetPriority().GetFairnessKey()),
	}
	input := map[string]any{}
	if raw := inputOf(start); raw != nil && json.Unmarshal(raw, &input) == nil {
		for name, v := range input {
			text, _ := json.Marshal(v) // it was just decoded
			out["input."+name] = string(text)
		}
	}
	return out
}

func timeText(t *timestamppb.Timestamp) string {
	if t == nil {
		return ""
	}
	return t.AsTime().Format(time.RFC3339)
}

// overlapOf is the overlap policy of a schedule; the server takes an unset one as skip.
func overlapOf(s *schedulepb.Schedule) string {
	if p := int(s.GetPolicies().GetOverlapPolicy()); p >= 0 && p < len(policyWords()) {
		return policyWords()[p]
	}
	return s.GetPolicies().GetOverlapPolicy().String()
}

// inputOf is the input of a scheduled start; nil = it is not one JSON value.
func inputOf(start *workflowpb.NewWorkflowExecutionInfo) json.RawMessage {
	var raw json.RawMessage
	payloads := start.GetInput().GetPayloads()
	if len(payloads) != 1 || converter.GetDefaultDataConverter().FromPayload(payloads[0], &raw) != nil {
		return nil
	}
	return raw
}

// tenantOf is the owner of a schedule, by its input; "" = the input names none that is valid.
func tenantOf(s *schedulepb.Schedule) string {
	var known workflows.Common
	if strictjson.Unmarshal(inputOf(s.GetAction().GetStartWorkflow()), &known, strictjson.AllowUnknown) != nil {
		return ""
	}
	t, err := tenant.Parse(known.Tenant)
	if err != nil {
		return ""
	}
	return string(t)
}
