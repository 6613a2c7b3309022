package mipro

import (
	"slices"

	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/image"
)

// MaxBatches is the maximum number of batches of examples that the proposer is shown, after the
// first.
const MaxBatches = 9

const descriptions = 2 // of the program and of the predictor, before an instruction is written

// Quote is the maximum number of calls of a run, per model. Metric commands are not
// counted, because they cost nothing.
type Quote struct {
	Student  int `json:"student"`  // calls to the student
	Teacher  int `json:"teacher"`  // calls to the teacher
	Proposer int `json:"proposer"` // calls to the proposer
	Judge    int `json:"judge"`    // calls to the judge
	Retries  int `json:"retries"`  // further calls, if every answer had to be requested again because it cannot be parsed
}

// Quote is the maximum cost of the run before its first call. The teacher's share assumes
// that no example scores; usually it needs far fewer calls.
func (p *Plan) Quote() Quote {
	predictors := len(p.Job.Program.Predictors)
	runs := p.SearchRuns()
	teacher := 0
	for _, set := range p.DemoSets {
		if set.Kind == BootstrappedSet && set.Boot > 0 {
			teacher += len(set.Order)
		}
	}
	q := Quote{Student: runs * predictors, Teacher: teacher * predictors, Judge: (runs + teacher) * p.Job.Metric.Questions()}
	for _, proposals := range p.Proposals {
		written := max(len(proposals)-1, 0)
		q.Proposer += written
		switch {
		case !p.Job.Settings.ProgramAware():
		case p.Job.Instructions > 0:
			q.Proposer += min(written, 1) * descriptions
		default:
			q.Proposer += written * descriptions
		}
	}
	if p.Job.Settings.DataAware() {
		size := p.Job.Settings.ViewBatch()
		batches := (len(p.Train) + size - 1) / size
		q.Proposer += 1 + min(batches-1, MaxBatches) + 1
	}
	q.Retries = q.Student*Retries(p.Job.Student) + q.Teacher*Retries(p.Job.Tutor) +
		q.Proposer*Retries(p.Job.Proposer) + q.Judge*Retries(p.Job.Judge)
	return q
}

// SearchRuns is the maximum number of program runs in this search: Runs, less those that are left
// to the confirmation. A confirmation runs two programs on each example, and on average
// stops after half of the examples.
func (p *Plan) SearchRuns() int {
	runs := p.Runs()
	return runs - min(p.Job.HeldOut, int(float64(runs)*p.Job.Confirmed))
}

// Runs is the maximum number of program runs in DSPy's search.
func (p *Plan) Runs() int {
	all := len(p.Val) // the original program
	if p.Minibatch > 0 {
		return all + p.Trials*min(p.Minibatch, len(p.Val)) + len(p.Val)*((p.Trials+p.FullEvery-1)/p.FullEvery)
	}
	return all + p.Trials*len(p.Val)
}

// Retries is how often one request may be repeated.
func Retries(server prompt.Server) int {
	if server.JSON && server.Schema {
		return 2
	}
	return 1
}

// Images is the maximum number of images in one request, if every demo has as many as the row
// with the most.
func (p *Plan) Images() int {
	most := 0
	for _, row := range slices.Concat(p.Train, p.Val) {
		most = max(most, len(image.In(row)))
	}
	return most * (1 + p.boot + p.Labeled)
}
