package ingest

import (
	"context"
	"errors"

	"go.temporal.io/sdk/activity"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

// ListingPage is how many URIs a page of a listing holds.
const ListingPage = 100

// ListSourceInput asks for a listing of a library.
type ListSourceInput struct {
	Tenant    tenant.ID `json:"tenant"`
	Source    string    `json:"source"`
	Recursive bool      `json:"recursive,omitempty"`
	MaxVideos int       `json:"max_videos,omitempty"` // 0 = all
	Sound     bool      `json:"sound,omitempty"`      // list files that have only sound, too
}

// Owner is the tenant that the activity works for.
func (in ListSourceInput) Owner() tenant.ID { return in.Tenant }

// Listing names a stored listing: the content of the library when the run began.
type Listing struct {
	Prefix  string `json:"prefix"`
	Videos  int    `json:"videos"`
	Skipped int    `json:"skipped"`         // files whose names are not those of videos
	Cut     int    `json:"cut,omitempty"`   // URIs that were too long, see video.CutURI; earlier builds cut none
	Rules   bool   `json:"rules,omitempty"` // there are rules of placement, and the number of videos is a fact
}

// listingPrefix is the prefix of a listing. It is made of tenant and run, and never taken
// from a payload. Tasks that an earlier build scheduled have only the prefix, which is
// parsed and made again.
func listingPrefix(t tenant.ID, run, prefix string) (string, error) {
	if t == "" {
		t = activities.OwnerOf(prefix)
		run, _ = video.ListingRun(t, prefix)
	}
	if t == "" || !video.IsRun(run) {
		return "", fault.New(fault.Input, "find listing", prefix, "it is not the prefix of a listing")
	}
	return video.ListingPrefix(t, run), nil
}

// DropListingInput names a listing.
type DropListingInput struct {
	Tenant tenant.ID `json:"tenant"`
	Run    string    `json:"run"`    // that listed the source
	Prefix string    `json:"prefix"` // for workers of earlier builds
}

// Owner is the tenant that the activity works for.
func (in DropListingInput) Owner() tenant.ID { return activities.OwnerOfPrefix(in.Tenant, in.Prefix) }

// errEnough ends a listing that has found max_videos.
var errEnough = errors.New("enough videos")

// ListSource lists a library once and stores the pages, so that a run of days neither holds
// a million names nor sees the library change meanwhile.
func (a *Activities) ListSource(ctx context.Context, in ListSourceInput) (Listing, error) {
	out := Listing{Prefix: video.ListingPrefix(in.Tenant, activity.GetInfo(ctx).WorkflowExecution.RunID), Rules: a.Placing.Any()}
	var page []string
	flush := func() error {
		key := video.ListingKey(out.Prefix, (out.Videos-1)/ListingPage)
		err := activities.WriteJSON(ctx, a.Store, key, page)
		page = page[:0]
		return err
	}
	skipped, err := a.list(ctx, in, func(uri string) error {
		if in.MaxVideos > 0 && out.Videos == in.MaxVideos {
			return errEnough
		}
		page = append(page, video.CutURI(uri))
		if len(uri) > video.MaxURI {
			out.Cut++
		}
		if out.Videos++; len(page) == ListingPage {
			return flush()
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		// The run will not learn what is listed so far.
		_, dropErr := activities.DeletePrefix(context.WithoutCancel(ctx), a.Store, out.Prefix)
		return Listing{}, errors.Join(err, dropErr)
	}
	out.Skipped = skipped
	if len(page) > 0 {
		return out, flush()
	}
	return out, nil
}

// list yields what is to be ingested of a source. Files that have only sound are skipped unless
// they are asked for, or named.
func (a *Activities) list(ctx context.Context, in ListSourceInput, yield func(uri string) error) (skipped int, err error) {
	sounds := 0
	skipped, err = a.Sources.List(ctx, in.Tenant, in.Source, in.Recursive, func(uri string) error {
		if !in.Sound && video.IsSound(uri) && !video.IsSound(in.Source) {
			sounds++
			return nil
		}
		return yield(uri)
	})
	return skipped + sounds, err
}

// ReadListingInput asks for one page.
type ReadListingInput struct {
	Tenant tenant.ID `json:"tenant"`
	Run    string    `json:"run"`    // that listed the source
	Prefix string    `json:"prefix"` // for workers of earlier builds
	Page   int       `json:"page"`
}

// Owner is the tenant that the activity works for.
func (in ReadListingInput) Owner() tenant.ID { return activities.OwnerOfPrefix(in.Tenant, in.Prefix) }

// ReadListingResult holds its URIs.
type ReadListingResult struct {
	URIs []string `json:"uris"`
}

// ReadListing returns the URIs of a page.
func (a *Activities) ReadListing(ctx context.Context, in ReadListingInput) (ReadListingResult, error) {
	var out ReadListingResult
	prefix, err := listingPrefix(in.Tenant, in.Run, in.Prefix)
	if err != nil {
		return out, err
	}
	return out, activities.ReadJSON(ctx, a.Store, video.ListingKey(prefix, in.Page), &out.URIs)
}

// DropListing removes a listing that is no longer needed.
func (a *Activities) DropListing(ctx context.Context, in DropListingInput) error {
	prefix, err := listingPrefix(in.Tenant, in.Run, in.Prefix)
	if err != nil {
		return err
	}
	_, err = activities.DeletePrefix(ctx, a.Store, prefix)
	return err
}

// RunningInput names child workflows that a former run started.
type RunningInput struct {
	Tenant    tenant.ID `json:"tenant,omitempty"`
	Workflows []string  `json:"workflows"`
}

// RunningResult holds those that are no longer open.
type RunningResult struct {
	Closed []string `json:"closed"`
	Others []string `json:"others,omitempty"` // open, but not a video of this library, or of another tenant
}

// Running finds children that ended without a report, as terminated ones do.
func (a *Activities) Running(ctx context.Context, in RunningInput) (RunningResult, error) {
	var out RunningResult
	for _, id := range in.Workflows {
		running, err := a.Runs.Running(ctx, id, "")
		if err != nil {
			return out, err
		}
		if !running {
			out.Closed = append(out.Closed, id)
			continue
		}
		switch owner, err := a.Runs.VideoTenant(ctx, id, activity.GetInfo(ctx).WorkflowExecution.ID); {
		case err != nil:
			return out, err
		case in.Tenant != "" && owner != in.Tenant: // a library of an earlier build does not name its tenant
			out.Others = append(out.Others, id)
		}
	}
	return out, nil
}

// MaxFailures is the maximum of failures in a result.
const MaxFailures = 50

// SpendInput names a job.
type SpendInput struct {
	Tenant tenant.ID `json:"tenant"`
	Job    string    `json:"job"`
	// Workflow limits the cost to one workflow in the job.
	Workflow string `json:"workflow,omitempty"`
}

// Owner is the tenant that the activity works for.
func (in SpendInput) Owner() tenant.ID { return in.Tenant }

// Spend sums up what a job has cost that has ended, or one workflow in it.
func (a *Activities) Spend(ctx context.Context, in SpendInput) (video.Spend, error) {
	if in.Workflow != "" {
		micro, err := a.Ledger.Spent(ctx, in.Tenant, in.Job, in.Workflow)
		return video.Spend{CostMicroUSD: micro}, err
	}
	out, err := activities.FinalSpend(ctx, a.Ledger, in.Tenant, in.Job)
	out.ByKind = true
	return out, err
}
