package sqlite_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"runtime"
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

// BenchmarkHybridSearch searches for three words, one of them frequent, and a vector. It
// compares with the exact similarity of all vectors in memory: the time of that alone, the
// recall of the best ten, and the memory that the vectors take.
func BenchmarkHybridSearch(b *testing.B) {
	for _, frames := range []int{10_000, 300_000} {
		b.Run(fmt.Sprint(frames), func(b *testing.B) {
			c, x := newCorpus(), open(b, filepath.Join(b.TempDir(), "index.db"))
			all := make([][]float32, 0, frames)
			for i := range frames / benchFrames {
				docs := c.documents(fmt.Sprint(i), benchFrames, func() video.Embedding { return c.floats(1, 256) })
				store(b, x, docs)
				for _, d := range docs {
					all = append(all, d.Embedding.Floats)
				}
			}
			query := func() video.Query {
				return video.Query{
					Tenant: "acme", Profile: "bench", Limit: 10, Rank: video.RankHybrid,
					Text: c.text(3), Embedding: c.floats(1, 256),
				}
			}
			before := heap()
			p50 := measure(b, x, query)
			b.ReportMetric(float64(heap()-before)/float64(4*256*frames), "of_the_floats'_memory")
			compare(b, x, all, query, p50)
		})
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// compare reports p50 and the best ten of vector searches against an exhaustive comparison.
func compare(b *testing.B, x *sqlite.Index, all [][]float32, query func() video.Query, p50 time.Duration) {
	b.Helper()
	const queries = 20
	found := 0
	var took []time.Duration
	for range queries {
		q := query()
		start := time.Now()
		scores := make([]float64, len(all))
		for i, v := range all {
			scores[i] = cosine(q.Embedding.Floats, v)
		}
		slices.Sort(scores)
		took = append(took, time.Since(start))
		q.Rank = video.RankVector
		hits, err := x.Search(b.Context(), q)
		require.NoError(b, err)
		for _, h := range hits {
			if h.Score >= scores[len(scores)-10]-1e-6 {
				found++
			}
		}
	}
	slices.Sort(took)
	b.ReportMetric(float64(found)/(10*queries), "recall@10")
	b.ReportMetric(p50.Seconds()/took[queries/2].Seconds(), "of_exhaustive_time")
}

func cosine(a, b []float32) float64 {
	var ab, aa, bb float64
	for i := range a {
		x, y := float64(a[i]), float64(b[i])
		ab, aa, bb = ab+x*y, aa+x*x, bb+y*y
	}
	return ab / math.Sqrt(aa*bb)
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

func measure(b *testing.B, x *sqlite.Index, query func() video.Query) (p50 time.Duration) {
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
	return took[len(took)/2]
}
