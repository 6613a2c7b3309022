package ingest

import (
	"strconv"
	"strings"
	"time"

	"github.com/cogniverse/cogflow/activities/ingest"
	"github.com/cogniverse/cogflow/prompt/outcome"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows/job"
)

// libraryResume is what a run hands to the next at continue-as-new.
type libraryResume struct {
	Job      string               `json:"job"`
	Recipe   ingest.Recipe        `json:"recipe"`
	Listing  ingest.Listing       `json:"listing"`
	Next     int                  `json:"next"`
	InFlight []child              `json:"in_flight"`
	Totals   video.Totals         `json:"totals"`
	Failures []video.Failure      `json:"failures"`
	Unusable []outcome.Group      `json:"unusable,omitempty"`
	Report   []ingest.ReportVideo `json:"report"`
	Started  time.Time            `json:"started"`
	Paused   bool                 `json:"paused,omitempty"`
}

// libraryContinuation is the input of a continued run.
type libraryContinuation struct {
	LibraryInput
	Resume *libraryResume `json:"resume,omitempty"`
}

// check limits what the previous run handed on to the library's own tenant and children.
func (s *libraryResume) check(t tenant.ID, library string) error {
	if _, err := listingRun(t, s.Listing); err != nil {
		return err
	}
	if s.Listing.Videos < 0 || s.Next < 0 || s.Next > s.Listing.Videos {
		return job.Outside("next")
	}
	for _, c := range s.InFlight {
		number, _ := strings.CutPrefix(c.ID, library+"/")
		if i, err := strconv.Atoi(number); err != nil || i >= s.Next || c.ID != childID(library, i) {
			return job.Outside("in_flight")
		}
	}
	for _, v := range s.Report {
		if _, err := video.ParseID(string(v.Video)); err != nil {
			return err
		}
	}
	var err error
	if s.Unusable, err = checkUnusable(s.Unusable); err != nil {
		return err
	}
	return checkRecipe("resume", s.Recipe)
}

// listingRun is the run that stored a listing. The prefix may name nothing else, and the
// tenant must be that of the input.
func listingRun(t tenant.ID, l ingest.Listing) (string, error) {
	run, ok := video.ListingRun(t, l.Prefix)
	if !ok {
		return "", job.Outside("listing")
	}
	return run, nil
}

// continuation is the input of the next run of the chain.
func (r *libraryRun) continuation() any {
	in := libraryContinuation{LibraryInput: r.in}
	in.Concurrency, in.BudgetUSD = r.concurrency, r.Budget
	in.Resume = &libraryResume{
		Job: r.ID, Recipe: r.recipe, Listing: r.listing, Next: r.next, InFlight: r.inFlight,
		Totals: r.totals, Failures: r.failures, Unusable: r.unusable, Report: r.report, Started: r.Started, Paused: r.Paused,
	}
	return in
}

func (r *libraryRun) restore(s libraryResume) {
	r.recipe, r.listing, r.next, r.inFlight = s.Recipe, s.Listing, s.Next, s.InFlight
	r.totals, r.failures, r.report, r.Started, r.Paused = s.Totals, s.Failures, s.Report, s.Started, s.Paused
	for i := range r.failures {
		r.failures[i].URI = video.CutURI(r.failures[i].URI) // an earlier build listed it
	}
	r.unusable = s.Unusable
	r.inherited, r.stage, r.pageIndex = len(s.InFlight), stageIngest, -1
}
