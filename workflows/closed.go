package workflows

import "go.temporal.io/api/enums/v1"

// Closed reports whether a run with this status has ended. A status that this build does
// not know counts as open: a server may have more open states (such as paused), and what an
// open run holds must not be taken over.
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
