package train

import (
	"slices"
	"time"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows/job"
)

// trainState is what a run hands to the next at continue-as-new.
type trainState struct {
	trainWork
	Budget  float64   `json:"budget"`
	Paused  bool      `json:"paused,omitempty"`
	Finish  bool      `json:"finish,omitempty"`
	Stops   int       `json:"stops,omitempty"`
	Started time.Time `json:"started"`
	Chain   string    `json:"chain"`
}

// trainContinuation is the input of a continued run.
type trainContinuation struct {
	Input
	Resume *trainState `json:"resume,omitempty"`
}

// check limits what the previous run handed on.
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
	case !job.IsDigest(s.Plan.Job, job.JobDigest):
		return job.Outside("plan")
	case s.Check.TrainFile == nil || slices.ContainsFunc(files, func(sum string) bool { return !job.IsDigest(sum, job.Digest) }):
		return job.Outside("check")
	case s.Class < 0 || s.Class >= len(classes) || !slices.ContainsFunc(classes, usable):
		return job.Outside("class")
	}
	for _, c := range classes {
		if !slices.Contains(video.GPUClasses(), c.Class) {
			return job.Outside("class")
		}
	}
	return nil
}

// continuation is the input of the next run of the chain.
func (r *trainRun) continuation() any {
	in := trainContinuation{Input: r.in, Resume: &trainState{
		trainWork: r.trainWork, Budget: r.Budget, Paused: r.Paused, Finish: r.Enough, Stops: r.Stops, Started: r.Started, Chain: r.ID,
	}}
	in.BudgetUSD = r.Budget
	in.Dataset, in.EvalDataset = activities.Dataset{URI: activities.UploadScheme + r.Check.TrainFile.SHA256}, nil
	return in
}

// restore continues from what the previous run handed on. The budget comes from the input,
// where input checks see it.
func (r *trainRun) restore(s trainState) {
	r.trainWork, r.Paused, r.Enough, r.Stops, r.Started = s.trainWork, s.Paused, s.Finish, s.Stops, s.Started
}
