package prompt

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/prompt/outcome"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/training"
)

// Release is the manifest of one published version of a program.
type Release struct {
	Name     string    `json:"name"`     // name
	Version  int       `json:"version"`  // counts up from 1
	Job      string    `json:"job"`      // job that found it
	Workflow string    `json:"workflow"` // workflow id of that job
	Mode     string    `json:"mode"`     // "compat", "improved" or "gepa"
	Created  time.Time `json:"created"`  // time of publication

	Default  float64        `json:"default_score"`     // score of the default program: on the testset, corrected for early ends, else on the rows of the search
	Score    float64        `json:"score"`             // score of this version on the same rows; optimistic if they are those of the search
	Verdict  Verdict        `json:"verdict"`           // the test on rows that the search never saw
	Trials   int            `json:"trials"`            // trials of the search
	Calls    int            `json:"calls"`             // paid calls
	Repeated int            `json:"repeated_calls"`    // billed calls for a request after its first one
	CostUSD  float64        `json:"cost_usd"`          // paid in all, in USD
	Choice   map[string]int `json:"choice"`            // chosen instruction and demos by predictor; empty = the default program
	Stopped  bool           `json:"stopped,omitempty"` // the search was ended early
	Models   Models         `json:"models"`            // models that were called

	Files []training.CheckpointFile `json:"files"` // files in the object store
}

// Models are the names of the models that were called.
type Models struct {
	Student  string `json:"student"`         // model that is optimized for
	Teacher  string `json:"teacher"`         // model that makes demos
	Proposer string `json:"proposer"`        // model that writes instructions
	Judge    string `json:"judge,omitempty"` // model that scores; empty = none
}

// Verdict says whether a candidate is better than the default program.
type Verdict struct {
	Examples int     `json:"examples"`          // rows that were compared
	Planned  int     `json:"planned,omitempty"` // rows that could have been compared; examples below it = decided early
	Gain     *Gain   `json:"gain,omitempty"`    // estimate of the true gain; absent if no rows were compared, and in earlier releases
	Before   float64 `json:"before"`            // mean score of the default program on these rows, 0 to 1, not corrected
	After    float64 `json:"after"`             // mean score of the candidate on these rows, 0 to 1, not corrected
	Bound    float64 `json:"bound"`             // lower confidence bound of the gain, at level
	Chance   float64 `json:"chance"`            // probability of such a gain if neither is better (p-value)
	Level    float64 `json:"level,omitempty"`   // significance level; 0 = 0.05
	Promote  bool    `json:"promote"`           // true if the gain is significant, by both measures
}

// GainConfidence is the confidence level of a Gain's interval.
const GainConfidence = 0.95

// Gain is the difference in the mean score, 0 to 1, between a candidate and the default program
// on rows like the compared ones.
type Gain struct {
	Low      float64 `json:"low"`      // lower end of the confidence interval of 95 %, which allows for early ends
	High     float64 `json:"high"`     // upper end
	Estimate float64 `json:"estimate"` // corrected for early ends; after - before is too high for a program that was promoted
}

// Scores are the mean scores of both programs, 0 to 1, which differ by the estimated gain.
func (v Verdict) Scores() (before, after float64) {
	if v.Gain == nil {
		return v.Before, v.After
	}
	middle := (v.Before + v.After) / 2
	return middle - v.Gain.Estimate/2, middle + v.Gain.Estimate/2
}

// ConfidencePercent is the confidence, in percent, that the gain is above Bound.
func (v Verdict) ConfidencePercent() string {
	const former = 0.05 // of verdicts without a level
	text := strconv.FormatFloat(100*(1-cmp.Or(v.Level, former)), 'f', 2, 64)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
}

// Report is the content of the page about one optimization.
type Report struct {
	Release     Release
	Tenant      tenant.ID
	Run         string
	Version     string // of the cogflow that renders the page
	Started     time.Time
	Ended       time.Time
	Promoted    bool
	Unsandboxed bool   // metric commands ran without a sandbox
	Unscored    int    // answers that a metric command failed on; they score 0
	UnscoredWhy string // the reason of one of them
	Unusable    []outcome.Group
	Trials      []ReportTrial
	Candidates  []ReportCandidate // of mode gepa
	Before      *Program
	After       *Program
	Rows        []ReportRow // confirmed rows whose score differs, then some that both got wrong
}

// ReportTrial is one trial, for a plot.
type ReportTrial struct {
	Number int
	Kind   string
	Choice string // equal text = the same candidate
	Rows   int
	Score  float64 // in percent
	Best   float64 // best so far, of full evaluations or as expected
}

// ReportCandidate is a candidate of mode gepa that was scored on the whole valset.
type ReportCandidate struct {
	Parents  []int    // indexes of candidates; two = it is their merge
	Choice   string   // as in its trials
	Changed  []string // predictors with another instruction than the first parent
	Score    float64  // in percent
	Front    int      // rows on which no other candidate scores higher
	Feedback []string // feedback that the proposer read before it wrote the new instructions
}

// ReportRow is an example with the outputs before and after.
type ReportRow struct {
	Example     *Object
	Before      *Object // nil = the answer could not be read
	After       *Object
	BeforeScore float64
	AfterScore  float64
}
