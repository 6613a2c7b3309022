package ingest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities/activitytest"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/blob"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

// listed is a source with a number of videos, whose listing can break off.
type listed struct {
	Sources
	videos  int
	breakAt int // 0 = it does not
	long    string
}

func (s *listed) List(_ context.Context, _ tenant.ID, _ string, _ bool, yield func(uri string) error) (int, error) {
	for i := range s.videos {
		if s.breakAt > 0 && i == s.breakAt {
			return 0, fault.New(fault.Transport, "list", "source", "the connection broke off")
		}
		uri := fmt.Sprintf("file:///v/%04d.mp4", i)
		if s.long != "" && i == 0 {
			uri = s.long
		}
		if err := yield(uri); err != nil {
			return 2, err
		}
	}
	return 2, nil
}

func listing(t *testing.T, s *listed) (*Activities, *activitytest.Store, func() int) {
	t.Helper()
	files, err := blob.Open(t.Context(), "file://"+t.TempDir())
	require.NoError(t, err)
	store := &activitytest.Store{Store: files}
	objects := func() (n int) {
		require.NoError(t, store.List(t.Context(), "default/", func(object.Info) error { n++; return nil }))
		return n
	}
	return &Activities{Store: store, Sources: s, Runs: alone{}}, store, objects
}

// TestListing: a library is listed in pages, which are read back in order and dropped.
func TestListing(t *testing.T) {
	t.Parallel()
	const videos = 2*ListingPage + 3
	a, _, objects := listing(t, &listed{videos: videos, long: "file:///v/" + strings.Repeat("x", video.MaxURI)})
	for name, c := range map[string]struct{ most, want int }{"all": {0, videos}, "some": {ListingPage + 1, ListingPage + 1}, "one page": {ListingPage, ListingPage}} {
		out, err := activitytest.Run(t, a.ListSource, ListSourceInput{Tenant: "default", MaxVideos: c.most})
		require.NoError(t, err, name)
		require.Equal(t, c.want, out.Videos, name)
		require.Equal(t, 1, out.Cut, "the name that is too long")
		run, ok := video.ListingRun("default", out.Prefix)
		require.True(t, ok)
		var uris []string
		for page := 0; len(uris) < c.want; page++ {
			got, err := activitytest.Run(t, a.ReadListing, ReadListingInput{Tenant: "default", Run: run, Prefix: out.Prefix, Page: page})
			require.NoError(t, err)
			uris = append(uris, got.URIs...)
		}
		require.Len(t, uris, c.want)
		require.Equal(t, "file:///v/0001.mp4", uris[1])
		require.NoError(t, activitytest.Do(t, a.DropListing, DropListingInput{Tenant: "default", Run: run, Prefix: out.Prefix}))
		require.Zero(t, objects(), name)
	}
}

// TestListingBreaksOff: an incomplete listing is removed, and a page that cannot be stored ends
// the listing.
func TestListingBreaksOff(t *testing.T) {
	t.Parallel()
	s := &listed{videos: 3 * ListingPage, breakAt: 2*ListingPage + 1}
	a, store, objects := listing(t, s)
	list := func() error {
		_, err := activitytest.Run(t, a.ListSource, ListSourceInput{Tenant: "default"})
		return err
	}
	err := list()
	require.Equal(t, fault.Transport, activitytest.ClassOf(err), "%v", err)
	require.Zero(t, objects())
	s.breakAt = 0
	pages := 0
	store.NoRoom = func(string) bool { pages++; return pages == 2 }
	err = list()
	require.Equal(t, fault.Capacity, activitytest.ClassOf(err), "%v", err)
	require.Zero(t, objects())
	store.NoRoom = nil
	require.NoError(t, list())
	require.Equal(t, 3, objects())
}

// TestListingOfAnother: a payload that refers to the listing of another run is rejected.
func TestListingOfAnother(t *testing.T) {
	t.Parallel()
	a, _, _ := listing(t, &listed{})
	for _, run := range []string{"", "..", "../../other/listings/x", "not a run"} {
		_, err := activitytest.Run(t, a.ReadListing, ReadListingInput{Tenant: "default", Run: run})
		require.Equal(t, fault.Input, activitytest.ClassOf(err), "%q: %v", run, err)
		err = activitytest.Do(t, a.DropListing, DropListingInput{Tenant: "default", Run: run})
		require.Equal(t, fault.Input, activitytest.ClassOf(err), "%q: %v", run, err)
	}
}

// openWorkflows is a server on which some workflows are open, each of a tenant.
type openWorkflows map[string]tenant.ID

func (k openWorkflows) Running(_ context.Context, workflow, _ string) (bool, error) {
	if workflow == "unknown" {
		return false, errors.New("the server is away")
	}
	_, open := k[workflow]
	return open, nil
}

func (k openWorkflows) ChainRunning(ctx context.Context, workflow, run string) (bool, error) {
	return k.Running(ctx, workflow, run)
}

func (k openWorkflows) VideoTenant(_ context.Context, workflow, _ string) (tenant.ID, error) {
	return k[workflow], nil
}
func (openWorkflows) Signal(context.Context, string, string, string, any) error { return nil }

// TestRunning distinguishes ended children from workflows that do not belong to the library.
func TestRunning(t *testing.T) {
	t.Parallel()
	a := &Activities{Runs: openWorkflows{"mine": "default", "theirs": "other", "no video": ""}}
	out, err := activitytest.Run(t, a.Running, RunningInput{Tenant: "default", Workflows: []string{"mine", "gone", "theirs", "no video"}})
	require.NoError(t, err)
	require.Equal(t, RunningResult{Closed: []string{"gone"}, Others: []string{"theirs", "no video"}}, out)
	_, err = activitytest.Run(t, a.Running, RunningInput{Tenant: "default", Workflows: []string{"unknown"}})
	require.ErrorContains(t, err, "the server is away")
}

// TestSoundIsListedIfItIsTranscribed: songs among videos are no failures of a profile that
// does not listen to them.
func TestSoundIsListedIfItIsTranscribed(t *testing.T) {
	t.Parallel()
	a, _, _ := listing(t, &listed{videos: 3, long: "file:///v/talk.MP3"})
	for sound, want := range map[bool]Listing{true: {Videos: 3, Skipped: 2}, false: {Videos: 2, Skipped: 3}} {
		out, err := activitytest.Run(t, a.ListSource, ListSourceInput{Tenant: "default", Source: "/v", Sound: sound})
		require.NoError(t, err)
		require.Equal(t, want, Listing{Videos: out.Videos, Skipped: out.Skipped})
	}
}
