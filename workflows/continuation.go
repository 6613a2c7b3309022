package workflows

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/activities/ingest"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/strictjson"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

// A run hands its state to the next one within the input, because the input is
// all that continue-as-new carries. Anyone can start a workflow with such an
// input, so it is believed only where the server says that a run of this
// workflow wrote it, and even then it names nothing beyond the tenant of the
// input: see the check methods below.

// handedOn reads the state that the run before handed on; nil = there is none,
// and the run begins.
//
// The server sets ContinuedExecutionRunID also for the second attempt of a run
// with a retry policy and for the next run of one with a cron schedule, both with
// the input of the first, which its starter wrote:
//   - continue-as-new drops a cron schedule, so a run that has one is not continued;
//   - chainOf, where a state has it, names the first run of its chain. The server
//     chose that name after the first input was written, so a starter cannot know it;
//   - where a state has none (chainOf is nil), it counts in the first attempt only.
//     A later one begins again: what was done is stored, and is not done twice.
func handedOn[S any](ctx workflow.Context, raw json.RawMessage, chainOf func(S) string) (*S, error) {
	if len(raw) == 0 {
		return nil, nil //nolint:nilnil // nothing was handed on
	}
	info := workflow.GetInfo(ctx)
	if info.ContinuedExecutionRunID == "" || info.CronSchedule != "" {
		return nil, reserved("resume")
	}
	var state S
	// A newer build may have written it, and been rolled back.
	if err := strictjson.Unmarshal(raw, &state, strictjson.AllowUnknown); err != nil {
		return nil, fault.Wrap(fault.Input, "read input", "resume", err)
	}
	switch {
	case chainOf != nil && chainOf(state) != chain(ctx):
		return nil, reserved("resume")
	case chainOf == nil && info.Attempt > 1:
		return nil, nil //nolint:nilnil // the run begins again
	}
	return &state, nil
}

func reserved(field string) error {
	return fault.New(fault.Input, "read input", field, "the field is reserved for cogflow itself; leave it out")
}

// libraryLink is what a library tells each of its videos.
type libraryLink struct {
	Job    string        `json:"job"` // what budget and ledger count by
	Recipe ingest.Recipe `json:"recipe"`
}

// videoOfLibrary starts a video of a library.
type videoOfLibrary struct {
	IngestVideoInput
	Library *libraryLink `json:"library,omitempty"`
}

// fromLibrary reads what the library told this video; nil = the video was started
// by itself. It is believed of a child only, whose id is one that IngestLibrary
// gives.
func fromLibrary(ctx workflow.Context, raw json.RawMessage) (*libraryLink, error) {
	if len(raw) == 0 {
		return nil, nil //nolint:nilnil // it was started by itself
	}
	info := workflow.GetInfo(ctx)
	if parent := info.ParentWorkflowExecution; parent == nil || !isChildOf(info.WorkflowExecution.ID, parent.ID) {
		return nil, reserved("library")
	}
	var link libraryLink
	if err := strictjson.Unmarshal(raw, &link, strictjson.AllowUnknown); err != nil {
		return nil, fault.Wrap(fault.Input, "read input", "library", err)
	}
	return &link, checkRecipe("library", link.Recipe)
}

// isChildOf reports whether an id is one that childID makes.
func isChildOf(id, library string) bool {
	number, ok := strings.CutPrefix(id, library+"/")
	return ok && len(number) >= 6 && strings.Trim(number, "0123456789") == ""
}

// check bounds what a library was handed on to its own tenant and children.
func (s *libraryResume) check(t tenant.ID, library string) error {
	if _, err := listingRun(t, s.Listing); err != nil {
		return err
	}
	if s.Listing.Videos < 0 || s.Next < 0 || s.Next > s.Listing.Videos {
		return outside("next")
	}
	for _, c := range s.InFlight {
		number, _ := strings.CutPrefix(c.ID, library+"/")
		if i, err := strconv.Atoi(number); err != nil || i >= s.Next || c.ID != childID(library, i) {
			return outside("in_flight")
		}
	}
	for _, v := range s.Report {
		if _, err := video.ParseID(string(v.Video)); err != nil {
			return err
		}
	}
	return checkRecipe("resume", s.Recipe)
}

// listingRun is the run that stored a listing: all that its prefix may say, the
// tenant being that of the input.
func listingRun(t tenant.ID, l ingest.Listing) (string, error) {
	run, ok := video.ListingRun(t, l.Prefix)
	if !ok {
		return "", outside("listing")
	}
	return run, nil
}

// check bounds what a video was handed on.
func (s *videoResume) check() error {
	_, err := video.ParseID(string(s.Source.Video))
	switch {
	case err != nil:
		return err
	case !isDigest(string(s.Claim.Generation), digest):
		return outside("claim")
	case s.Extraction.Chunks < 0 || s.Next < 0 || s.Next > s.Extraction.Chunks:
		return outside("next")
	}
	return checkRecipe("resume", s.Recipe)
}

// check bounds what a training run was handed on.
func (s *trainState) check() error {
	files := []string{}
	if s.Check.TrainFile != nil {
		files = append(files, s.Check.TrainFile.SHA256)
	}
	if s.Check.EvalFile != nil {
		files = append(files, s.Check.EvalFile.SHA256)
	}
	classes := s.Plan.Estimate.Classes
	switch {
	case !isDigest(s.Plan.Job, jobDigest):
		return outside("plan")
	case s.Check.TrainFile == nil || slices.ContainsFunc(files, func(sum string) bool { return !isDigest(sum, digest) }):
		return outside("check")
	case s.Class < 0 || s.Class >= len(classes) || !slices.ContainsFunc(classes, usable):
		return outside("class")
	}
	for _, c := range classes {
		if !slices.Contains(video.GPUClasses(), c.Class) {
			return outside("class")
		}
	}
	return nil
}

// check bounds what an optimization was handed on.
func (s *optimizeState) check() error {
	if !isDigest(s.Plan.Job, jobDigest) {
		return outside("plan")
	}
	stages := []string{stageBootstrap, stagePropose, stageSearch, stageReflect, stageConfirm}
	if !slices.Contains(stages, s.Stage) {
		return outside("stage")
	}
	return nil
}

// checkRecipe refuses a recipe that a profile cannot make. Its parts name queues;
// the whole of it is read from the store of the tenant, by its fingerprint.
func checkRecipe(field string, r ingest.Recipe) error {
	if !isDigest(string(r.Fingerprint), digest) || r.ChunkFrames < 1 {
		return outside(field + ".recipe")
	}
	for _, stage := range []struct {
		model   string
		classes []string
	}{{r.Describe, r.DescribeGPU}, {r.Embed, r.EmbedGPU}, {r.Transcribe, r.TranscribeGPU}} {
		if stage.model != "" && len(stage.classes) == 0 {
			return outside(field + ".recipe")
		}
		for _, class := range stage.classes {
			if !slices.Contains(video.GPUClasses(), class) {
				return outside(field + ".recipe")
			}
		}
	}
	return nil
}

// Lengths of the hexadecimal digests that name things.
const (
	digest    = 64 // of contents, recipes, generations
	jobDigest = 24 // of training jobs and optimizations
)

// isDigest: the text is lower-case hexadecimal, so that it is one element of a
// key or path and nothing else.
func isDigest(s string, digits int) bool {
	return len(s) == digits && strings.Trim(s, "0123456789abcdef") == ""
}

func outside(field string) error {
	return fault.New(fault.Input, "read input", field, "it is not what a run of this workflow hands on")
}
