// Package indextest is what every search index must do. A backend's test calls
// Run; a backend that passes can stand in for any other.
package indextest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

// Index is what the activities ask of an index; see activities.Index.
type Index interface {
	Upsert(ctx context.Context, docs []video.Document) error
	Publish(ctx context.Context, g video.Generation) (removed int, err error)
	Published(ctx context.Context, f video.PublishedFilter) ([]video.Generation, error)
	Fence(ctx context.Context, t tenant.ID, profile string, v video.ID, claim int64) (held int64, err error)
	Discard(ctx context.Context, t tenant.ID, profile string, v video.ID, g video.Fingerprint) (removed int, err error)
	DeleteVideo(ctx context.Context, t tenant.ID, profile string, v video.ID) (removed int, err error)
	Search(ctx context.Context, q video.Query) ([]video.Hit, error)
	Vector(ctx context.Context, t tenant.ID, profile, document string) (video.Embedding, error)
}

// Run tests the index that open returns: an empty one, ready for use, closed by
// t.Cleanup. Each subtest opens its own.
func Run(t *testing.T, open func(t *testing.T) Index) {
	tests := map[string]func(t *testing.T, x Index){
		"invisible until published": testInvisible,
		"publish counts":            testPublishCounts,
		"publish again":             testPublishAgain,
		"generation switch":         testSwitch,
		"discard":                   testDiscard,
		"fence":                     testFence,
		"delete video":              testDelete,
		"tenants and profiles":      testSeparation,
		"upsert twice":              testUpsertTwice,
		"replaced text":             testReplacedText,
		"bad documents":             testBadDocuments,
		"bad queries":               testBadQueries,
		"published listing":         testListing,
		"empty":                     testEmpty,
		"words":                     testWords,
		"unicode":                   testUnicode,
		"scripts without spaces":    testScripts,
		"ranking of scripts":        testScriptRanking,
		"folding":                   testFolding,
		"untrusted queries":         testUntrustedQueries,
		"untrusted documents":       testUntrustedDocuments,
		"cosine":                    testCosine,
		"multi-vector bits":         testBits,
		"hybrid":                    testHybrid,
		"ties":                      testTies,
		"filters":                   testFilters,
		"filters of speech":         testSpeechFilters,
		"hits of a video":           testPerVideo,
		"limit":                     testLimit,
		"search by example":         testExample,
		"telling words":             testTelling,
		"whole hit":                 testWholeHit,
		"speech":                    testSpeech,
		"no documents":              testNoDocuments,
		"concurrent":                testConcurrent,
		"cancelled":                 testCancelled,
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, open(t))
		})
	}
}

const (
	acme    = tenant.ID("acme")
	profile = "frames"
	dim     = 16
)

// videoID and generation are well-formed names that say what they are for.
func videoID(name string) video.ID { return video.ID(digest("video " + name)) }

func generation(name string) video.Fingerprint {
	return video.Fingerprint(digest("generation " + name))
}

func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// clip makes documents: one for each caption, a second apart, with the i-th
// unit vector.
func clip(name, gen string, captions ...string) []video.Document {
	docs := make([]video.Document, len(captions))
	for i, caption := range captions {
		g := generation(gen)
		pts := int64(i) * 1000
		docs[i] = video.Document{
			ID:     video.DocumentID(acme, video.Fingerprint(digest(name+gen)), video.Frame{PTSMS: pts}),
			Tenant: acme, Profile: profile, Video: videoID(name), Generation: g,
			URI: "file:///" + name + ".mp4", Name: name + ".mp4",
			PTSMS: pts, StartMS: pts, EndMS: pts + 1000,
			Caption: caption, FrameKey: fmt.Sprintf("acme/%s/%d.jpg", name, pts),
			Embedding: unit(i),
		}
	}
	return docs
}

func unit(i int) video.Embedding {
	floats := make([]float32, dim)
	floats[i%dim] = 1
	return video.Embedding{Dim: dim, Rows: 1, Floats: floats}
}

// generationOf names the generation that whole documents make up.
func generationOf(docs []video.Document) video.Generation {
	d := docs[0]
	return video.Generation{
		Tenant: d.Tenant, Profile: d.Profile, Video: d.Video, Generation: d.Generation,
		Documents: len(docs), URI: d.URI, Name: d.Name, DurationMS: int64(len(docs)) * 1000,
	}
}

func upsert(t *testing.T, x Index, docs []video.Document) {
	t.Helper()
	require.NoError(t, x.Upsert(t.Context(), docs))
}

func publish(t *testing.T, x Index, docs []video.Document) (removed int) {
	t.Helper()
	upsert(t, x, docs)
	removed, err := x.Publish(t.Context(), generationOf(docs))
	require.NoError(t, err)
	return removed
}

func words(text string) video.Query {
	return video.Query{Tenant: acme, Profile: profile, Text: text, Limit: 100, Rank: video.RankBM25}
}

func vector(e video.Embedding) video.Query {
	return video.Query{Tenant: acme, Profile: profile, Embedding: e, Limit: 100, Rank: video.RankVector}
}

func search(t *testing.T, x Index, q video.Query) []video.Hit {
	t.Helper()
	hits, err := x.Search(t.Context(), q)
	require.NoError(t, err)
	for i := 1; i < len(hits); i++ {
		require.GreaterOrEqual(t, hits[i-1].Score, hits[i].Score, "hits come best first")
	}
	return hits
}

// captions is what a search found, best first.
func captions(hits []video.Hit) []string {
	found := make([]string, len(hits))
	for i, h := range hits {
		found[i] = h.Caption
	}
	return found
}
