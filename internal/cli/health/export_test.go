package health

// The types of the JSON output.
type (
	Checks = checks
	Check  = check
)
