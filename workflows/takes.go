package workflows

import (
	"slices"

	"github.com/cogniverse/cogflow/activities/ingest"
	"github.com/cogniverse/cogflow/activities/train"
)

// Signals lists the signals that a type of workflow takes, sorted. The server stores
// every signal, also one that nobody will ever read, so whoever sends one asks first.
func Signals(kind string) []string {
	switch kind {
	case "IngestVideo":
		return []string{SignalBudget, ingest.SignalExtracted, SignalPause, SignalResume}
	case "IngestLibrary":
		return []string{SignalPause, SignalResume, SignalVideoDone}
	case "TrainSFT", "TrainDPO", "TrainEmbedding":
		return []string{SignalPause, SignalResume, SignalStop, train.SignalTraining}
	case "OptimizePrompts", "TrainSweep":
		return []string{SignalPause, SignalResume, SignalStop}
	}
	return nil
}

// Updates lists the updates that a type of workflow takes, sorted.
func Updates(kind string) []string {
	switch kind {
	case "IngestVideo", "TrainSFT", "TrainDPO", "TrainEmbedding":
		return []string{UpdateBudget}
	case "IngestLibrary":
		return []string{UpdateBudget, UpdateConcurrency}
	case "OptimizePrompts":
		return []string{UpdateApprove, UpdateBudget}
	}
	return nil
}

// Takes reports whether a type of workflow takes a signal or an update.
func Takes(kind, name string) bool {
	return slices.Contains(Signals(kind), name) || slices.Contains(Updates(kind), name)
}
