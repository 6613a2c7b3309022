package cli

import (
	"strings"

	enumspb "go.temporal.io/api/enums/v1"
)

// StatusText is the status of a run in plain words.
func StatusText(s enumspb.WorkflowExecutionStatus) string {
	switch s {
	case enumspb.WORKFLOW_EXECUTION_STATUS_CANCELED:
		return "cancelled"
	case enumspb.WORKFLOW_EXECUTION_STATUS_TIMED_OUT:
		return "timed out"
	case enumspb.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW:
		return "continued"
	default:
		return strings.ToLower(s.String())
	}
}
