package cli

// Steers exports steers for the test.
func Steers(r rune) bool { return steers(r) }
