package ingest

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/internal/blob"
	"github.com/cogniverse/cogflow/internal/sqlite"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/video"
)

// raceIndex lets another workflow take over between the check of the claim and the
// publication.
type raceIndex struct {
	Index
	before func()
}

func (r *raceIndex) Publish(ctx context.Context, g video.Generation) (int, error) {
	if r.before != nil {
		r.before()
	}
	return r.Index.Publish(ctx, g)
}

// claimTest is a video that a loser has indexed, and that a winner takes over.
type claimTest struct {
	*lifecycleTest
	a      *Activities
	index  *raceIndex
	p      video.Profile
	in     PublishInput // of the loser
	winner video.Generation
}

const claimedVideo = "v"

func newClaimTest(t *testing.T) *claimTest {
	t.Helper()
	store, err := blob.Open(t.Context(), "file://"+t.TempDir())
	require.NoError(t, err)
	index, err := sqlite.Open(filepath.Join(t.TempDir(), "index.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, index.Close()) })
	c := &claimTest{lifecycleTest: newLifecycleTest(t, 0), index: &raceIndex{Index: index}, p: video.LocalPreview()}
	c.a = &Activities{Store: store, Index: c.index, Runs: alone{}}
	c.in.VideoRef = VideoRef{Tenant: "default", Video: claimedVideo, Recipe: storeRecipe(t, store, c.p)}
	c.in.Generation = "loser"
	prefix := video.FramesPrefix("default", claimedVideo, c.p.ExtractFingerprint(claimedVideo))
	require.NoError(t, activities.WriteJSON(t.Context(), store, video.ExtractionKey(prefix), video.Extraction{Frames: 1}))
	require.NoError(t, activities.WriteJSON(t.Context(), store, video.SourceKey("default", claimedVideo), video.Source{Video: claimedVideo}))
	for _, activity := range []any{c.a.Claim, c.a.PublishVideo, c.a.IndexChunks} {
		c.env.RegisterActivity(activity)
	}
	value, err := c.env.ExecuteActivity(c.a.Claim, ClaimInput{VideoRef: c.in.VideoRef, Force: true})
	require.NoError(t, err)
	var claim ClaimResult
	require.NoError(t, value.Get(&claim))
	require.EqualValues(t, 1, claim.Claim)
	c.in.Claim = claim.Claim
	c.upsert("loser")
	return c
}

func (c *claimTest) upsert(g video.Fingerprint) {
	c.t.Helper()
	require.NoError(c.t, c.a.Index.Upsert(c.t.Context(), []video.Document{{
		ID: string(g) + ":0", Tenant: "default", Profile: c.p.Name, Video: claimedVideo,
		Generation: g, Caption: string(g), Embedding: video.Embedding{Dim: 1, Rows: 1, Floats: []float32{1}},
	}}))
}

// takeOver does the steps of a workflow that finds that the loser is not running: it takes
// the claim over and indexes its own documents.
func (c *claimTest) takeOver() {
	c.t.Helper()
	key := video.ClaimKey("default", claimedVideo, c.p.Name)
	require.NoError(c.t, activities.WriteManifest(c.t.Context(), c.a.Store, key, video.Claim{Workflow: "winner", Run: "run", Number: 2}))
	held, err := c.index.Fence(c.t.Context(), "default", c.p.Name, claimedVideo, 2)
	require.NoError(c.t, err)
	require.EqualValues(c.t, 2, held)
	c.upsert("winner")
	c.winner = video.Generation{Tenant: "default", Profile: c.p.Name, Video: claimedVideo, Generation: "winner", Documents: 1, Claim: 2}
}

// published publishes as the winner and checks that only its generation is listed.
func (c *claimTest) published() {
	c.t.Helper()
	_, err := c.index.Index.Publish(c.t.Context(), c.winner)
	require.NoError(c.t, err)
	listed, err := c.index.Published(c.t.Context(), video.PublishedFilter{Tenant: "default"})
	require.NoError(c.t, err)
	require.Len(c.t, listed, 1)
	require.EqualValues(c.t, "winner", listed[0].Generation)
}

// TestLostClaimChangesNothing: a run that lost its claim, before or after its check of the
// claim, removes nothing of the new holder and records nothing.
func TestLostClaimChangesNothing(t *testing.T) {
	t.Parallel()
	for name, moment := range map[string]func(c *claimTest){
		"before the check":                      (*claimTest).takeOver,
		"between the check and the publication": func(c *claimTest) { c.index.before = c.takeOver },
		"and publishes before the check":        func(c *claimTest) { c.takeOver(); c.published() },
		"and publishes in between":              func(c *claimTest) { c.index.before = func() { c.takeOver(); c.published() } },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newClaimTest(t)
			moment(c)
			_, err := c.env.ExecuteActivity(c.a.PublishVideo, c.in)
			require.ErrorContains(t, err, "nothing is changed")
			c.published()
			require.ErrorIs(t, activities.ReadJSON(t.Context(), c.a.Store, video.PublicationKey("default", claimedVideo, c.p.Name), &video.Publication{}),
				object.ErrNotFound, "the loser records no publication")
			_, err = c.env.ExecuteActivity(c.a.IndexChunks, IndexInput{VideoRef: c.in.VideoRef, Chunks: []int{0}})
			require.ErrorContains(t, err, "has taken over its claim")
		})
	}
}

// TestPublishTwice: an attempt published and released the claim, but its result was lost. The
// next attempt succeeds with the same result.
func TestPublishTwice(t *testing.T) {
	t.Parallel()
	c := newClaimTest(t)
	for range 2 {
		value, err := c.env.ExecuteActivity(c.a.PublishVideo, c.in)
		require.NoError(t, err)
		var out PublishResult
		require.NoError(t, value.Get(&out))
		require.Equal(t, 1, out.Documents)
	}
}

// TestClaimNumbersGrow: a claim that starts again at one is raised above the number in
// the index, so that its holder is never mistaken for an earlier one.
func TestClaimNumbersGrow(t *testing.T) {
	t.Parallel()
	c := newClaimTest(t)
	key := video.ClaimKey("default", claimedVideo, c.p.Name)
	_, err := c.index.Fence(t.Context(), "default", c.p.Name, claimedVideo, 7)
	require.NoError(t, err)
	require.NoError(t, c.a.Store.Delete(t.Context(), key)) // as an earlier build releases it
	value, err := c.env.ExecuteActivity(c.a.Claim, ClaimInput{VideoRef: c.in.VideoRef, Force: true})
	require.NoError(t, err)
	var claim ClaimResult
	require.NoError(t, value.Get(&claim))
	require.EqualValues(t, 8, claim.Claim)
	c.in.Claim = claim.Claim
	_, err = c.env.ExecuteActivity(c.a.PublishVideo, c.in)
	require.NoError(t, err)

	// A run of an earlier build has a claim without a number, and publishes.
	c = newClaimTest(t)
	require.NoError(t, activities.WriteManifest(t.Context(), c.a.Store, key, video.Claim{Workflow: "default-test-workflow-id"}))
	c.in.Claim = 0
	_, err = c.env.ExecuteActivity(c.a.PublishVideo, c.in)
	require.NoError(t, err)
}
