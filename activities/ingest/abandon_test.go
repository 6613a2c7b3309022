package ingest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/activitytest"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/video"
)

// newPartialRun makes a run that has extracted some frames and indexed one document.
func newPartialRun(t *testing.T) (c *claimTest, frame string) {
	t.Helper()
	c = newClaimTest(t)
	prefix := video.FramesPrefix("default", claimedVideo, c.p.ExtractFingerprint(claimedVideo))
	require.NoError(t, c.a.Store.Delete(t.Context(), video.ExtractionKey(prefix)))
	frame = video.FrameKey(prefix, video.Frame{})
	require.NoError(t, activities.WriteJSON(t.Context(), c.a.Store, frame, "a frame"))
	c.upsert(c.p.Generation(claimedVideo))
	return c, frame
}

func (c *claimTest) documents(g video.Fingerprint) int {
	c.t.Helper()
	n, err := c.index.Discard(c.t.Context(), "default", c.p.Name, claimedVideo, g)
	require.NoError(c.t, err)
	return n
}

// TestAbandon: an abandoned run leaves neither frames nor documents, and its claim is free, even
// if it is abandoned repeatedly.
func TestAbandon(t *testing.T) {
	t.Parallel()
	c, frame := newPartialRun(t)
	key := video.ClaimKey("default", claimedVideo, c.p.Name)
	for range 2 {
		require.NoError(t, activitytest.Do(t, c.a.Abandon, c.in.VideoRef))
		_, err := c.a.Store.Stat(t.Context(), frame)
		require.True(t, activities.Absent(err), "%v", err)
		free, err := c.a.claims().Released(t.Context(), key)
		require.NoError(t, err)
		require.True(t, free)
	}
	require.Zero(t, c.documents(c.p.Generation(claimedVideo)))
}

// TestAbandonWithoutClaim: data of the run that has taken over is kept.
func TestAbandonWithoutClaim(t *testing.T) {
	t.Parallel()
	c, frame := newPartialRun(t)
	c.takeOver()
	require.NoError(t, activitytest.Do(t, c.a.Abandon, c.in.VideoRef))
	_, err := c.a.Store.Stat(t.Context(), frame)
	require.NoError(t, err)
	require.Equal(t, 1, c.documents(c.p.Generation(claimedVideo)))
	var holder video.Claim
	require.NoError(t, activities.ReadJSON(t.Context(), c.a.Store, video.ClaimKey("default", claimedVideo, c.p.Name), &holder))
	require.Equal(t, "winner", holder.Workflow)
}

// TestAbandonBesideAnotherProfile: frames that another profile may be extracting are kept until
// the claim of that profile is released.
func TestAbandonBesideAnotherProfile(t *testing.T) {
	t.Parallel()
	c, frame := newPartialRun(t)
	other := video.ClaimKey("default", claimedVideo, "another")
	require.NoError(t, activities.WriteManifest(t.Context(), c.a.Store, other, video.Claim{Workflow: "other", Run: "r", Number: 1}))
	require.NoError(t, activitytest.Do(t, c.a.Abandon, c.in.VideoRef))
	_, err := c.a.Store.Stat(t.Context(), frame)
	require.NoError(t, err)

	c, frame = newPartialRun(t)
	require.NoError(t, activities.WriteManifest(t.Context(), c.a.Store, other, video.Claim{Number: 3})) // released
	require.NoError(t, activitytest.Do(t, c.a.Abandon, c.in.VideoRef))
	_, err = c.a.Store.Stat(t.Context(), frame)
	require.True(t, activities.Absent(err), "%v", err)
}

// TestPublishWithoutRoom: a publication that could not be recorded is recorded by the next
// attempt, which finds the claim still held.
func TestPublishWithoutRoom(t *testing.T) {
	t.Parallel()
	c := newClaimTest(t)
	key := video.PublicationKey("default", claimedVideo, c.p.Name)
	full := &activitytest.Store{Store: c.a.Store, NoRoom: func(k string) bool { return k == key }}
	c.a.Store = full
	publish := func() (PublishResult, error) { return activitytest.Run(t, c.a.PublishVideo, c.in) }
	_, err := publish()
	require.Equal(t, fault.Capacity, activitytest.ClassOf(err), "%v", err)
	free, err := c.a.claims().Released(t.Context(), video.ClaimKey("default", claimedVideo, c.p.Name))
	require.NoError(t, err)
	require.False(t, free)
	full.NoRoom = nil
	for range 2 {
		out, err := publish()
		require.NoError(t, err)
		require.Equal(t, 1, out.Documents)
	}
	var recorded video.Publication
	require.NoError(t, activities.ReadJSON(t.Context(), full, key, &recorded))
	require.EqualValues(t, "loser", recorded.Generation.Generation)
}
