package fleet

import (
	"maps"
	"slices"

	"github.com/cogniverse/cogflow/internal/config"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows"
)

// wantedQueues are the queues that a configuration requires: those of the stages and GPU classes
// of its profiles, and that of prompt optimization if there is a student.
func wantedQueues(cfg config.Config, classes []string) []string {
	seen := map[string]bool{}
	profiles := cfg.Profiles()
	for _, p := range profiles {
		if p.Name == video.LocalPreview().Name && p.Name != cfg.Active() && len(profiles) > 1 {
			continue // the built-in profile does not count if the user has configured another one
		}
		for stem, stage := range map[string]video.Stage{
			workflows.StemDescribe: p.Describe, workflows.StemEmbed: p.Embed, workflows.StemTranscribe: p.Transcribe,
		} {
			if stage.Model == "" {
				continue
			}
			for _, class := range append(slices.Clone(stage.GPU), classes...) {
				seen[workflows.ClassQueue(stem, class)] = true
			}
		}
	}
	for _, class := range classes {
		seen[workflows.ClassQueue(workflows.StemTrain, class)] = true
	}
	if _, err := cfg.Student(""); err == nil {
		seen[workflows.QueueLM] = true
	}
	return append([]string{workflows.QueueMain, workflows.QueueMedia, workflows.QueueIndex}, slices.Sorted(maps.Keys(seen))...)
}
