package indextest

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

func testInvisible(t *testing.T, x Index) {
	docs := clip("tram", "1", "a red tram", "a blue tram")
	upsert(t, x, docs)
	require.Empty(t, search(t, x, words("tram")))
	require.Empty(t, search(t, x, vector(unit(0))))
	listed, err := x.Published(t.Context(), video.PublishedFilter{})
	require.NoError(t, err)
	require.Empty(t, listed)

	require.Zero(t, publish(t, x, docs))
	require.Len(t, search(t, x, words("tram")), 2)
	require.Len(t, search(t, x, vector(unit(0))), 2)
}

func testPublishCounts(t *testing.T, x Index) {
	old := clip("tram", "1", "an old tram")
	publish(t, x, old)
	docs := clip("tram", "2", "a red tram", "a blue tram")
	upsert(t, x, docs[:1])
	for _, announced := range []int{-1, 0, 2, 3} {
		g := generationOf(docs)
		g.Documents = announced
		_, err := x.Publish(t.Context(), g)
		require.Equal(t, fault.Input, fault.ClassOf(err), "announced %d of 1: %v", announced, err)
	}
	require.Equal(t, []string{"an old tram"}, captions(search(t, x, words("tram"))), "a refusal changes nothing")

	missing := generationOf(clip("never", "1", "indexed"))
	_, err := x.Publish(t.Context(), missing)
	require.Equal(t, fault.Input, fault.ClassOf(err))
}

func testPublishAgain(t *testing.T, x Index) {
	docs := clip("tram", "1", "a red tram")
	publish(t, x, docs)
	g := generationOf(docs)
	g.Name = "renamed.mp4"
	removed, err := x.Publish(t.Context(), g)
	require.NoError(t, err)
	require.Zero(t, removed)
	listed, err := x.Published(t.Context(), video.PublishedFilter{Tenant: acme})
	require.NoError(t, err)
	require.Equal(t, []video.Generation{g}, listed)
	require.Len(t, search(t, x, words("tram")), 1)

	// A document that comes after Publish waits for the next one.
	more := clip("tram", "1", "a red tram", "a late tram")
	upsert(t, x, more)
	require.Equal(t, []string{"a red tram"}, captions(search(t, x, words("tram"))))
	require.Len(t, search(t, x, vector(unit(0))), 1)
	publish(t, x, more)
	require.Len(t, search(t, x, words("tram")), 2)
}

func testSwitch(t *testing.T, x Index) {
	publish(t, x, clip("bus", "1", "a green bus"))
	publish(t, x, clip("tram", "1", "a red tram", "a blue tram"))
	abandoned := clip("tram", "abandoned", "a grey tram")
	upsert(t, x, abandoned)
	next := clip("tram", "2", "a yellow tram", "a white tram", "a black tram")
	upsert(t, x, next)
	require.ElementsMatch(t, []string{"a red tram", "a blue tram"}, captions(search(t, x, words("tram"))))

	require.Equal(t, 3, publish(t, x, next), "the published one and the abandoned one")
	require.ElementsMatch(t, captions(search(t, x, words("tram"))), captions(search(t, x, words("yellow white black"))))
	require.Empty(t, search(t, x, words("red blue grey")))
	require.Len(t, search(t, x, vector(unit(0))), 4)

	_, err := x.Publish(t.Context(), generationOf(abandoned))
	require.Equal(t, fault.Input, fault.ClassOf(err), "its documents are gone")
	listed, err := x.Published(t.Context(), video.PublishedFilter{Tenant: acme, Video: videoID("tram")})
	require.NoError(t, err)
	require.Equal(t, []video.Generation{generationOf(next)}, listed)
}

// testFence: what is published under a claim that a later one has replaced neither
// shows nor removes anything.
func testFence(t *testing.T, x Index) {
	loser, winner := clip("a", "loser", "old"), clip("a", "winner", "new", "newer")
	under := func(docs []video.Document, claim int64) video.Generation {
		g := generationOf(docs)
		g.Claim = claim
		return g
	}
	for _, c := range []struct{ claim, held int64 }{{0, 0}, {1, 1}, {2, 2}, {1, 2}, {2, 2}, {0, 2}} {
		held, err := x.Fence(t.Context(), acme, profile, videoID("a"), c.claim)
		require.NoError(t, err)
		require.Equal(t, c.held, held)
	}
	held, err := x.Fence(t.Context(), acme, profile, videoID("b"), 1)
	require.NoError(t, err)
	require.EqualValues(t, 1, held, "each video has its own")
	upsert(t, x, loser)
	upsert(t, x, winner)
	_, err = x.Publish(t.Context(), under(loser, 1))
	require.Equal(t, fault.Input, fault.ClassOf(err))
	require.Empty(t, search(t, x, words("old")))
	_, err = x.Publish(t.Context(), under(winner, 2))
	require.NoError(t, err, "the winner's documents are all there")
	upsert(t, x, loser)
	_, err = x.Publish(t.Context(), under(loser, 1))
	require.Error(t, err)
	require.Equal(t, []string{"new"}, captions(search(t, x, words("new"))))
	listed, err := x.Published(t.Context(), video.PublishedFilter{Tenant: acme, Profile: profile})
	require.NoError(t, err)
	require.Equal(t, []video.Generation{generationOf(winner)}, listed, "a claim is no generation")
}

func testDiscard(t *testing.T, x Index) {
	discard := func(docs []video.Document) int {
		d := docs[0]
		removed, err := x.Discard(t.Context(), d.Tenant, d.Profile, d.Video, d.Generation)
		require.NoError(t, err)
		return removed
	}
	published := clip("tram", "1", "a red tram")
	publish(t, x, published)
	staged := clip("tram", "2", "a blue tram", "a grey tram")
	upsert(t, x, staged)

	require.Zero(t, discard(published), "what is published stays")
	require.Equal(t, 2, discard(staged))
	require.Zero(t, discard(staged))
	require.Zero(t, discard(clip("never", "1", "indexed")))
	require.Equal(t, []string{"a red tram"}, captions(search(t, x, words("tram"))))
	_, err := x.Publish(t.Context(), generationOf(staged))
	require.Equal(t, fault.Input, fault.ClassOf(err))
}

// in moves documents to another tenant and profile.
func in(docs []video.Document, t tenant.ID, profile string) []video.Document {
	for i := range docs {
		docs[i].Tenant, docs[i].Profile = t, profile
	}
	return docs
}

func testDelete(t *testing.T, x Index) {
	remove := func(owner tenant.ID, profile string) int {
		removed, err := x.DeleteVideo(t.Context(), owner, profile, videoID("tram"))
		require.NoError(t, err)
		return removed
	}
	tram := func() []video.Document { return clip("tram", "1", "a red tram", "a blue tram") }
	publish(t, x, tram())
	upsert(t, x, clip("tram", "staged", "a staged tram"))
	publish(t, x, in(tram(), acme, "other"))
	publish(t, x, in(tram(), acme, "third"))
	publish(t, x, in(tram(), "rival", profile))
	publish(t, x, clip("bus", "1", "a green bus"))

	require.Equal(t, 3, remove(acme, profile), "two published, one staged")
	require.Empty(t, search(t, x, words("tram")))
	require.Len(t, search(t, x, words("bus")), 1)
	require.Equal(t, 4, remove(acme, ""), "every other profile")
	require.Zero(t, remove(acme, ""))
	require.Zero(t, remove("nobody", ""))

	listed, err := x.Published(t.Context(), video.PublishedFilter{})
	require.NoError(t, err)
	require.Len(t, listed, 2, "the rival's tram and the bus: %v", listed)
	q := words("tram")
	q.Tenant = "rival"
	require.Len(t, search(t, x, q), 2)
}

func testSeparation(t *testing.T, x Index) {
	owners := []tenant.ID{acme, "acme:eu", "acme_eu"}
	profiles := []string{profile, profile + "_2"}
	for _, owner := range owners {
		for _, p := range profiles {
			docs := in(clip("tram", "1", "a red tram"), owner, p)
			docs[0].Caption += " of " + string(owner) + " in " + p
			publish(t, x, docs)
		}
	}
	for _, owner := range owners {
		for _, p := range profiles {
			for _, q := range []video.Query{words("tram"), vector(unit(0))} {
				q.Tenant, q.Profile = owner, p
				require.Equal(t, []string{"a red tram of " + string(owner) + " in " + p}, captions(search(t, x, q)))
			}
		}
	}
	// What a rival stores changes no score.
	before := search(t, x, words("red tram"))
	publish(t, x, in(clip("many", "1", "red", "red", "tram tram tram", "a long text without"), "rival", profile))
	require.Equal(t, before, search(t, x, words("red tram")))
}

func testUpsertTwice(t *testing.T, x Index) {
	docs := clip("tram", "1", "a red tram", "a blue tram")
	upsert(t, x, docs)
	upsert(t, x, docs)
	upsert(t, x, []video.Document{docs[1], docs[1]})
	publish(t, x, docs)
	before := search(t, x, words("tram"))
	upsert(t, x, docs)
	require.Equal(t, before, search(t, x, words("tram")))
	require.Len(t, search(t, x, vector(unit(1))), 2)
}

func testReplacedText(t *testing.T, x Index) {
	docs := clip("tram", "1", "a red tram", "a blue tram")
	publish(t, x, docs)
	docs[0].Caption, docs[0].Embedding = "a violet ferry", unit(5)
	upsert(t, x, docs[:1])
	require.Equal(t, []string{"a violet ferry"}, captions(search(t, x, words("ferry"))))
	require.Empty(t, search(t, x, words("red")))
	require.Equal(t, "a violet ferry", search(t, x, vector(unit(5)))[0].Caption)
	publish(t, x, docs)
	require.Len(t, search(t, x, words("ferry tram")), 2)
}

func testListing(t *testing.T, x Index) {
	for _, name := range []string{"c", "a", "b", "Ä", "e"} {
		publish(t, x, clip(name, "1", "one", "two"))
		publish(t, x, in(clip(name, "1", "one", "two"), acme, "alpha"))
	}
	publish(t, x, in(clip("a", "1", "one"), "rival", profile))
	list := func(f video.PublishedFilter) (names []string) {
		found, err := x.Published(t.Context(), f)
		require.NoError(t, err)
		for _, g := range found {
			names = append(names, string(g.Tenant)+" "+g.Profile+" "+g.Name)
		}
		return names
	}
	all := list(video.PublishedFilter{Tenant: acme})
	require.Equal(t, []string{
		"acme alpha a.mp4", "acme alpha b.mp4", "acme alpha c.mp4", "acme alpha e.mp4", "acme alpha Ä.mp4",
		"acme frames a.mp4", "acme frames b.mp4", "acme frames c.mp4", "acme frames e.mp4", "acme frames Ä.mp4",
	}, all)
	var paged []string
	for offset := 0; offset < len(all); offset += 3 {
		paged = append(paged, list(video.PublishedFilter{Tenant: acme, Offset: offset, Limit: 3})...)
	}
	require.Equal(t, all, paged)
	require.Empty(t, list(video.PublishedFilter{Tenant: acme, Offset: len(all)}))
	require.Equal(t, all[:5], list(video.PublishedFilter{Tenant: acme, Profile: "alpha"}))
	require.Equal(t, []string{"acme alpha b.mp4", "acme frames b.mp4"},
		list(video.PublishedFilter{Tenant: acme, Video: videoID("b")}))
	require.Len(t, list(video.PublishedFilter{}), 11)
	require.Equal(t, []string{"acme alpha Ä.mp4", "acme frames Ä.mp4"}, list(video.PublishedFilter{Tenant: acme, Name: "Ä.mp4"}))
	require.Empty(t, list(video.PublishedFilter{Name: "a"}), "the whole name")
	_, err := x.Published(t.Context(), video.PublishedFilter{Offset: -1})
	require.Equal(t, fault.Input, fault.ClassOf(err))
}
