package ingest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/ingest/texts"
	"github.com/cogniverse/cogflow/internal/blob"
	"github.com/cogniverse/cogflow/internal/broker"
	"github.com/cogniverse/cogflow/internal/ledger"
	"github.com/cogniverse/cogflow/internal/sqlite"
	"github.com/cogniverse/cogflow/video"
)

// pictureEmbedder embeds a picture by its first byte.
type pictureEmbedder struct {
	Embedder
	asked atomic.Int64
}

func (*pictureEmbedder) Limit(string) int { return 4 }

func (p *pictureEmbedder) EmbedPictures(_ context.Context, r video.PictureRequest) (video.Embedding, error) {
	p.asked.Add(1)
	return seen(r.JPEGs[0][0]), nil
}

func seen(b byte) video.Embedding {
	e := video.Embedding{Dim: 8, Rows: 1, Floats: make([]float32, 8)}
	e.Floats[b%8] = 1
	return e
}

// exampleWorld is a worker with a profile that embeds pictures, and with a published video.
type exampleWorld struct {
	*Activities
	embedder *pictureEmbedder
	profile  video.Profile
	recipe   video.Fingerprint
	env      *testsuite.TestActivityEnvironment
}

func newExampleWorld(t *testing.T, of video.Of) exampleWorld {
	t.Helper()
	store, err := blob.Open(t.Context(), "file://"+t.TempDir())
	require.NoError(t, err)
	calls, err := ledger.Open(filepath.Join(t.TempDir(), "ledger.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, calls.Close()) })
	index, err := sqlite.Open(filepath.Join(t.TempDir(), "index.db"))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, index.Close()) })
	w := exampleWorld{embedder: &pictureEmbedder{}, profile: video.LocalPreview()}
	w.profile.Name, w.profile.Embed = "frames", video.Stage{Model: "e", Dim: 8, Of: of, Keep: video.KeepBFloat16, CostMicroUSD: 7}
	w.recipe = storeRecipe(t, store, w.profile)
	w.Activities = &Activities{
		Store: store, Ledger: calls, Broker: broker.New(broker.Options{Ledger: calls, Spread: time.Millisecond}), Embedder: w.embedder,
		Runs: alone{}, Index: index, Pictured: []string{"frames", "patches"},
	}
	var suite testsuite.WorkflowTestSuite
	w.env = suite.NewTestActivityEnvironment()
	w.env.RegisterActivity(w.Activities)
	return w
}

// put stores a picture to search by.
func (w exampleWorld) put(t *testing.T, picture []byte) (image string) {
	t.Helper()
	sum := sha256.Sum256(picture)
	image = hex.EncodeToString(sum[:])
	_, err := w.Store.Put(t.Context(), video.ExampleKey("default", video.ID(image)), bytes.NewReader(picture))
	require.NoError(t, err)
	return image
}

func (w exampleWorld) embed(image string, limit int64) error {
	_, err := w.env.ExecuteActivity(w.EmbedQuery, EmbedQueryInput{Tenant: "default", Recipe: w.recipe, Image: image, LimitMicroUSD: limit})
	return err
}

func (w exampleWorld) search(t *testing.T, in SearchInput) SearchResult {
	t.Helper()
	in.Tenant, in.Recipe, in.Limit = "default", w.recipe, 10
	value, err := w.env.ExecuteActivity(w.Search, in)
	require.NoError(t, err)
	var out SearchResult
	require.NoError(t, value.Get(&out))
	require.True(t, out.ByExample)
	return out
}

// publish publishes frames with the embeddings of pictures, which are stored as a run does.
func (w exampleWorld) publish(t *testing.T, images ...string) (ids []string) {
	t.Helper()
	g := video.Generation{Tenant: "default", Profile: "frames", Video: video.ID(images[0]), Generation: "generation-of-thirty-two-letters!", Documents: len(images)}
	var docs []video.Document
	for i, image := range images {
		e, err := texts.Read(t.Context(), w.Store, "default", w.profile.PictureFingerprint(video.Frame{SHA256: image}))
		require.NoError(t, err)
		ids = append(ids, video.DocumentID("default", g.Generation, video.Frame{PTSMS: int64(i)}))
		docs = append(docs, video.Document{ID: ids[i], Tenant: "default", Profile: "frames", Video: g.Video, Generation: g.Generation, PTSMS: int64(i), StartMS: int64(i), EndMS: int64(i) + 1, Embedding: e})
	}
	require.NoError(t, w.Index.Upsert(t.Context(), docs))
	_, err := w.Index.Publish(t.Context(), g)
	require.NoError(t, err)
	return ids
}

// TestSearchByPicture: a picture is embedded and paid for as a frame is, once; what is stored
// of frames costs nothing.
func TestSearchByPicture(t *testing.T) {
	t.Parallel()
	w := newExampleWorld(t, video.OfFrame)
	images := []string{w.put(t, []byte("1 a street")), w.put(t, []byte("2 a bridge")), w.put(t, []byte("3 a tram"))}
	require.ErrorContains(t, w.embed(images[0], 3), "its limit of $0.000003")
	require.Zero(t, w.embedder.asked.Load(), "a call above the budget is not made")
	for range 2 {
		for _, image := range images {
			require.NoError(t, w.embed(image, 100))
		}
	}
	require.Equal(t, int64(3), w.embedder.asked.Load())
	ids := w.publish(t, images...)
	for i, image := range images {
		hits := w.search(t, SearchInput{Example: video.Example{Image: image}, Rank: video.RankVector}).Hits
		require.Equal(t, ids[i], hits[0].ID)
		require.InDelta(t, 1, hits[0].Score, 1e-6)
	}
	hits := w.search(t, SearchInput{
		Example: video.Example{Image: images[1]}, Rank: video.RankVector, Filter: video.Filter{FromMS: 2},
	}).Hits
	require.Equal(t, ids[2], hits[0].ID, "filters work as for words")
	require.Len(t, hits, 1)
}

// TestSearchLikeADocument: the stored vector of a document is compared, without a model, and
// the document itself is the first of equal ones.
func TestSearchLikeADocument(t *testing.T) {
	t.Parallel()
	for _, of := range []video.Of{video.OfFrame, video.OfCaption} {
		w := newExampleWorld(t, of)
		same := w.put(t, []byte("1 black"))
		other := w.put(t, []byte("2 a bridge"))
		for i, image := range []string{same, other} {
			e := seen(byte(i))
			require.NoError(t, texts.Write(t.Context(), w.Store, video.EmbeddingKey("default", w.profile.PictureFingerprint(video.Frame{SHA256: image})), e))
		}
		ids := w.publish(t, same, other, same, same)
		for _, id := range ids {
			hits := w.search(t, SearchInput{Example: video.Example{Like: id}, Rank: video.RankVector}).Hits
			require.Len(t, hits, 4)
			require.Equal(t, id, hits[0].ID)
		}
		require.Zero(t, w.embedder.asked.Load())
		_, err := w.env.ExecuteActivity(w.Search, SearchInput{
			Tenant: "default", Recipe: w.recipe, Limit: 1, Rank: video.RankVector, Example: video.Example{Like: "default:old:1"},
		})
		require.ErrorContains(t, err, `"default:old:1": is not the id of a document in profile "frames"`)
	}
}

// TestBadExamples: what cannot be compared is refused before anything is paid.
func TestBadExamples(t *testing.T) {
	t.Parallel()
	captions := newExampleWorld(t, video.OfCaption)
	err := captions.embed(captions.put(t, []byte("1 a street")), 0)
	require.ErrorContains(t, err, `profile "frames" embeds captions`)
	require.ErrorContains(t, err, "search with a profile that embeds pictures: frames, patches")
	w := newExampleWorld(t, video.OfFrame)
	wrong := w.put(t, []byte("1 a street"))
	_, err = w.Store.Put(t.Context(), video.ExampleKey("default", video.ID(wrong)), bytes.NewReader([]byte("2 another")))
	require.NoError(t, err)
	for image, reason := range map[string]string{
		wrong:                                   "do not have the SHA-256",
		string(video.NewFingerprint("nothing")): "is not in the object store",
		w.put(t, make([]byte, video.MaxExample+1)): "at most 8 MiB",
		"../../another/videos/x":                   "64 lower-case hexadecimal digits",
	} {
		require.ErrorContains(t, w.embed(image, 0), reason)
	}
	require.Zero(t, w.embedder.asked.Load()+captions.embedder.asked.Load())
	_, err = activities.ReadAll(t.Context(), w.Store, video.EmbeddingKey("default", w.profile.PictureFingerprint(video.Frame{SHA256: wrong})))
	require.True(t, activities.Absent(err))
}
