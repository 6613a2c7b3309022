package config

// The types of the JSON outputs.
type (
	Shown         = shown
	ModelRequests = modelRequests
	Forgotten     = forgotten
)
