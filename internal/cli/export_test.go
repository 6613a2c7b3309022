package cli

// Steers is for the test.
func Steers(r rune) bool { return steers(r) }
