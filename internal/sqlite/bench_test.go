package sqlite_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/sqlite"
	"github.com/cogniverse/cogflow/video"
)

const (
	benchBatch  = 64
	benchFrames = 500 // a video
	vocabulary  = 5000
)

// corpus makes documents like those of real videos: about 40 words each, of
// which some are in most documents and most are in few.
type corpus struct {
	rng *rand.Rand
	zip *rand.Zipf
}

func newCorpus() *corpus {
	rng := rand.New(rand.NewPCG(1, 2))
	return &corpus{rng: rng, zip: rand.NewZipf(rng, 1.2, 20, vocabulary-1)}
}

func (c *corpus) text(words int) string {
	var b strings.Builder
	for range words {
		fmt.Fprintf(&b, "word%d ", c.zip.Uint64())
	}
	return b.String()
}

func (c *corpus) floats(rows, dim int) video.Embedding {
	e := video.Embedding{Dim: dim, Rows: rows, Floats: make([]float32, rows*dim)}
	for i := range e.Floats {
		e.Floats[i] = float32(c.rng.NormFloat64())
	}
	return e
}

func (c *corpus) bits(rows, dim int) video.Embedding {
	e := video.Embedding{Dim: dim, Rows: rows, Bits: make([]byte, rows*dim/8)}
	for i := range e.Bits {
		e.Bits[i] = byte(c.rng.Uint32())
	}
	return e
}

func (c *corpus) documents(name string, n int, embedding func() video.Embedding) []video.Document {
	id := video.ID(video.NewFingerprint("video", name))
	docs := make([]video.Document, n)
	for i := range docs {
		pts := int64(i) * 1000
		docs[i] = video.Document{
			ID:     video.DocumentID("acme", video.Fingerprint(id), video.Frame{PTSMS: pts}),
			Tenant: "acme", Profile: "bench", Video: id, Generation: video.NewFingerprint("generation", name),
			URI: "file:///videos/" + name, Name: name, PTSMS: pts, StartMS: pts, EndMS: pts + 1000,
			Caption: c.text(35), OnScreenText: c.text(5), FrameKey: fmt.Sprintf("acme/videos/%s/%d.jpg", id, pts),
			Embedding: embedding(),
		}
	}
	return docs
}

// store upserts in batches, as the workflow does, and publishes.
func store(b *testing.B, x *sqlite.Index, docs []video.Document) {
	b.Helper()
	for batch := range slices.Chunk(docs, benchBatch) {
		require.NoError(b, x.Upsert(b.Context(), batch))
	}
	_, err := x.Publish(b.Context(), video.Generation{
		Tenant: docs[0].Tenant, Profile: docs[0].Profile, Video: docs[0].Video, Generation: docs[0].Generation,
		Documents: len(docs), Name: docs[0].Name,
	})
	require.NoError(b, err)
}

// BenchmarkUpsert measures the documents that become searchable per second:
// upserted in batches of 64 and published in videos of 500 frames.
func BenchmarkUpsert(b *testing.B) {
	c, x := newCorpus(), open(b, filepath.Join(b.TempDir(), "index.db"))
	docs := c.documents("video", benchFrames, func() video.Embedding { return c.floats(1, 256) })
	for i := 0; b.Loop(); i++ {
		id := video.ID(video.NewFingerprint("video", fmt.Sprint(i)))
		for d := range docs {
			docs[d].Video = id
		}
		store(b, x, docs)
	}
	b.ReportMetric(float64(b.N*benchFrames)/b.Elapsed().Seconds(), "docs/s")
}

// BenchmarkHybridSearch searches for three words, one of them frequent, and a
// vector among 10,000 frames with one vector each.
func BenchmarkHybridSearch(b *testing.B) {
	c, x := newCorpus(), open(b, filepath.Join(b.TempDir(), "index.db"))
	for i := range 10_000 / benchFrames {
		store(b, x, c.documents(fmt.Sprint(i), benchFrames, func() video.Embedding { return c.floats(1, 256) }))
	}
	measure(b, x, func() video.Query {
		return video.Query{
			Tenant: "acme", Profile: "bench", Limit: 10, Rank: video.RankHybrid,
			Text: c.text(3), Embedding: c.floats(1, 256),
		}
	})
}

// BenchmarkMaxSim compares 20 query tokens with documents of 832 patches of 128
// bits: a page of a late-interaction model.
func BenchmarkMaxSim(b *testing.B) {
	const documents = 1000
	c, x := newCorpus(), open(b, filepath.Join(b.TempDir(), "index.db"))
	store(b, x, c.documents("bits", documents, func() video.Embedding { return c.bits(832, 128) }))
	measure(b, x, func() video.Query {
		return video.Query{
			Tenant: "acme", Profile: "bench", Limit: 10, Rank: video.RankVector, Embedding: c.bits(20, 128),
		}
	})
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*documents), "µs/doc")
}

func measure(b *testing.B, x *sqlite.Index, query func() video.Query) {
	b.Helper()
	_, err := x.Search(b.Context(), query()) // reads the vectors into memory
	require.NoError(b, err)
	var took []time.Duration
	for b.Loop() {
		q := query()
		start := time.Now()
		_, err := x.Search(b.Context(), q)
		took = append(took, time.Since(start))
		require.NoError(b, err)
	}
	slices.Sort(took)
	ms := func(q float64) float64 { return took[int(q*float64(len(took)-1))].Seconds() * 1000 }
	b.ReportMetric(ms(0.50), "p50_ms")
	b.ReportMetric(ms(0.95), "p95_ms")
}
