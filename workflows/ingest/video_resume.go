package ingest

import (
	"time"

	"github.com/cogniverse/cogflow/activities/ingest"
	"github.com/cogniverse/cogflow/prompt/outcome"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/job"
)

// videoResume is what a run hands to the next at continue-as-new. By then the
// video is extracted and every chunk before Next is indexed.
type videoResume struct {
	Recipe      ingest.Recipe      `json:"recipe"`
	Source      video.Source       `json:"source"`
	Claim       ingest.ClaimResult `json:"claim"`
	Extraction  video.Extraction   `json:"extraction"`
	Next        int                `json:"next"`
	Indexed     int                `json:"indexed"`
	Calls       int                `json:"calls"`
	CostMicro   int64              `json:"cost_micro_usd"`
	Refused     int                `json:"refused,omitempty"`
	Unusable    []outcome.Group    `json:"unusable,omitempty"`
	Stages      []video.StageTime  `json:"stages"`
	Started     time.Time          `json:"started"`
	Paused      bool               `json:"paused,omitempty"`
	Transcribed bool               `json:"transcribed,omitempty"`
}

// videoContinuation is the input of a continued run.
type videoContinuation struct {
	videoOfLibrary
	Resume *videoResume `json:"resume,omitempty"`
}

// check limits what the previous run handed on.
func (s *videoResume) check() error {
	_, err := video.ParseID(string(s.Source.Video))
	switch {
	case err != nil:
		return err
	case !job.IsDigest(string(s.Claim.Generation), job.Digest):
		return job.Outside("claim")
	case s.Extraction.Chunks < 0 || s.Next < 0 || s.Next > s.Extraction.Chunks:
		return job.Outside("next")
	}
	if s.Unusable, err = checkUnusable(s.Unusable); err != nil {
		return err
	}
	return checkRecipe("resume", s.Recipe)
}

// continuation is the input of the next run of the chain.
func (r *videoRun) continuation() any {
	in := videoContinuation{videoOfLibrary: videoOfLibrary{VideoInput: r.in, Library: r.library}}
	in.BudgetUSD = r.Budget
	in.Resume = &videoResume{
		Recipe: r.recipe, Source: r.source, Claim: r.claim, Extraction: *r.extraction,
		Next: r.at.next, Indexed: r.progress.Indexed, Calls: r.calls, CostMicro: r.micro, Refused: r.refused, Unusable: r.unusable,
		Stages: r.times, Started: r.Started, Paused: r.Paused, Transcribed: r.at.transcribed,
	}
	return in
}

func (r *videoRun) restore(s videoResume) {
	r.recipe, r.source, r.claim, r.extraction = s.Recipe, s.Source, s.Claim, &s.Extraction
	r.at = stages{
		extracted: true, next: s.Next, available: s.Extraction.Chunks, transcribed: s.Transcribed || wordless(s.Recipe, s.Source),
		speechApart: s.Extraction.SpeechApart,
	}
	r.calls, r.micro, r.times = s.Calls, s.CostMicro, s.Stages
	r.Started, r.Paused = s.Started, s.Paused
	p := &r.progress
	r.refused, r.unusable = s.Refused, s.Unusable
	p.Name, p.Video, p.Profile, p.Stage = s.Source.Name, string(s.Source.Video), s.Recipe.Profile, r.firstModel()
	p.Expected, p.Extracted = s.Extraction.Frames, s.Extraction.Frames
	p.Described, p.Embedded, p.Indexed, p.CostUSD = s.Indexed, s.Indexed, s.Indexed, workflows.USD(s.CostMicro)
}
