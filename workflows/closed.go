package workflows

import "go.temporal.io/api/enums/v1"

// Closed reports whether a run with this status has ended. A status that this
// build does not know is not an end: a server may have more ways to stand still
// (paused is one), and what an open run holds is not for others to take.
func Closed(s enums.WorkflowExecutionStatus) bool {
	switch s {
	case enums.WORKFLOW_EXECUTION_STATUS_COMPLETED, enums.WORKFLOW_EXECUTION_STATUS_FAILED,
		enums.WORKFLOW_EXECUTION_STATUS_CANCELED, enums.WORKFLOW_EXECUTION_STATUS_TERMINATED,
		enums.WORKFLOW_EXECUTION_STATUS_TIMED_OUT, enums.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW:
		return true
	default:
		return false
	}
}
