package ingest

import (
	"encoding/json"
	"slices"
	"strings"

	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/activities/ingest"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/strictjson"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows/job"
)

// libraryLink is what a library hands to each of its videos.
type libraryLink struct {
	Job    string        `json:"job"` // what budget and ledger count by
	Recipe ingest.Recipe `json:"recipe"`
}

// videoOfLibrary is the input of a video that a library starts.
type videoOfLibrary struct {
	VideoInput
	Library *libraryLink `json:"library,omitempty"`
}

// fromLibrary reads what the library handed to this video; nil = the video was started on
// its own. It is believed only of a child whose id has the form that IngestLibrary gives.
func fromLibrary(ctx workflow.Context, raw json.RawMessage) (*libraryLink, error) {
	if len(raw) == 0 {
		return nil, nil //nolint:nilnil // it was started on its own
	}
	info := workflow.GetInfo(ctx)
	if parent := info.ParentWorkflowExecution; parent == nil || !isChildOf(info.WorkflowExecution.ID, parent.ID) {
		return nil, job.Reserved("library")
	}
	var link libraryLink
	if err := strictjson.Unmarshal(raw, &link, strictjson.AllowUnknown); err != nil {
		return nil, fault.Wrap(fault.Input, "read input", "library", err)
	}
	return &link, checkRecipe("library", link.Recipe)
}

// isChildOf reports whether an id has the form that childID makes.
func isChildOf(id, library string) bool {
	number, ok := strings.CutPrefix(id, library+"/")
	return ok && len(number) >= 6 && strings.Trim(number, "0123456789") == ""
}

// checkRecipe refuses a recipe that no profile can produce. Its parts name queues; the
// whole recipe is read from the store of the tenant, by its fingerprint.
func checkRecipe(field string, r ingest.Recipe) error {
	if !job.IsDigest(string(r.Fingerprint), job.Digest) || r.ChunkFrames < 1 {
		return job.Outside(field + ".recipe")
	}
	for _, stage := range []struct {
		model   string
		classes []string
	}{{r.Describe, r.DescribeGPU}, {r.Embed, r.EmbedGPU}, {r.Transcribe, r.TranscribeGPU}} {
		if stage.model != "" && len(stage.classes) == 0 {
			return job.Outside(field + ".recipe")
		}
		for _, class := range stage.classes {
			if !slices.Contains(video.GPUClasses(), class) {
				return job.Outside(field + ".recipe")
			}
		}
	}
	return nil
}
