package jobs

// What is printed with --json.
type (
	Overview      = overview
	ExecutionList = executionList
)
