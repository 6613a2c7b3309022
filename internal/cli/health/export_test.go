package health

// What is printed with --json.
type (
	Checks = checks
	Check  = check
)
