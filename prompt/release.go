package prompt

import (
	"cmp"
	"strconv"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/training"
)

// Release is the manifest of one published version of a program.
type Release struct {
	Name     string    `json:"name"`
	Version  int       `json:"version"`
	Job      string    `json:"job"`
	Workflow string    `json:"workflow"`
	Mode     string    `json:"mode"` // "compat", "improved"
	Created  time.Time `json:"created"`

	Default  float64        `json:"default_score"` // of the program as it was, on rows that no search saw; else on those of the search
	Score    float64        `json:"score"`
	Verdict  Verdict        `json:"verdict"`
	Trials   int            `json:"trials"`
	Calls    int            `json:"calls"`
	Repeated int            `json:"repeated_calls"`
	CostUSD  float64        `json:"cost_usd"`
	Choice   map[string]int `json:"choice"` // of instructions and demos; empty = the program as it was
	Stopped  bool           `json:"stopped,omitempty"`
	Models   Models         `json:"models"`

	Files []training.CheckpointFile `json:"files"`
}

// Models name who was asked, for people.
type Models struct {
	Student  string `json:"student"`
	Teacher  string `json:"teacher"`
	Proposer string `json:"proposer"`
	Judge    string `json:"judge,omitempty"`
}

// Verdict says whether a program is better than the one it would replace.
type Verdict struct {
	Examples int     `json:"examples"`          // that were asked
	Planned  int     `json:"planned,omitempty"` // at most; Examples below it = decided early
	Before   float64 `json:"before"`            // mean score, from 0 to 1
	After    float64 `json:"after"`
	Bound    float64 `json:"bound"`           // the gain is above it, but for Level
	Chance   float64 `json:"chance"`          // how often so much is gained when neither is better
	Level    float64 `json:"level,omitempty"` // how often a program that is no better is promoted; 0 = 0.05
	Promote  bool    `json:"promote"`         // the gain is no accident, by both measures
}

// Sure is in how many of a hundred cases the gain is above Bound.
func (v Verdict) Sure() string {
	const former = 0.05 // of verdicts that do not say
	text := strconv.FormatFloat(100*(1-cmp.Or(v.Level, former)), 'f', 2, 64)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
}

// Report is all that the page about one optimization shows.
type Report struct {
	Release     Release
	Tenant      tenant.ID
	Run         string
	Started     time.Time
	Ended       time.Time
	Promoted    bool
	Unsandboxed bool // metric commands ran without a sandbox
	Trials      []ReportTrial
	Before      *Program
	After       *Program
	Rows        []ReportRow // confirmed rows whose score differs, then some that both got wrong
}

// ReportTrial is one trial, for a plot.
type ReportTrial struct {
	Number int
	Kind   string
	Choice string // the same text = the same candidate
	Rows   int
	Score  float64 // in percent
	Best   float64 // so far, of full evaluations or as it is expected
}

// ReportRow is an example with what came out before and after.
type ReportRow struct {
	Example     *Object
	Before      *Object // nil = the answer could not be read
	After       *Object
	BeforeScore float64
	AfterScore  float64
}
