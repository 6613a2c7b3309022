package config

// Shown is what is printed with --json.
type Shown = shown
