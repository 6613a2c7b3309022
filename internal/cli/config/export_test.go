package config

// Shown is the type of the JSON output.
type Shown = shown
