package jobs

// The types of the JSON output.
type (
	Overview      = overview
	ExecutionList = executionList
)
