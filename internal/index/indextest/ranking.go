package indextest

import (
	"fmt"
	"math"
	"math/bits"
	"math/rand/v2"
	"sort"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/video"
)

func testWords(t *testing.T, x Index) {
	docs := clip("tour", "1",
		"a tram crosses the bridge at night",
		"a tram, another tram and a third tram",
		"people wait at the stop",
		"an empty street with nothing to report at all in the morning light")
	docs[2].OnScreenText = "PLATFORM NINE"
	docs[3].Transcript = "mind the gap between train and platform"
	publish(t, x, docs)
	require.Equal(t, docs[1].Caption, search(t, x, words("tram"))[0].Caption, "more often is better")
	require.Equal(t, []string{docs[0].Caption}, captions(search(t, x, words("bridge"))))
	require.ElementsMatch(t, []string{docs[2].Caption, docs[3].Caption}, captions(search(t, x, words("Platform"))))
	require.Len(t, search(t, x, words("tour")), 4, "the file's name counts")
	require.Equal(t, docs[0].Caption, search(t, x, words("tram bridge unheard-of"))[0].Caption, "any word finds")
	require.Empty(t, search(t, x, words("zeppelin")))
}

func testCosine(t *testing.T, x Index) {
	rng := rand.New(rand.NewPCG(1, 2))
	docs := clip("noise", "1", numbered(50)...)
	for i := range docs {
		docs[i].Embedding = floats(rng, 1, 100)
	}
	docs[7].Embedding = video.Embedding{Dim: 100, Rows: 1, Floats: make([]float32, 100)}
	publish(t, x, docs)
	q := floats(rng, 1, 100)
	hits := search(t, x, vector(q))
	want := make(map[string]float64)
	for _, d := range docs {
		want[d.Caption] = cosine(q.Floats, d.Embedding.Floats)
	}
	requireScores(t, want, hits, 1e-5)
	require.InDelta(t, 1, search(t, x, vector(docs[3].Embedding))[0].Score, 1e-5, "a vector is most like itself")
}

// testBits compares with the definition:
// max_sim_binary = sum over query rows of max over patches of 1/(1+hamming).
func testBits(t *testing.T, x Index) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, width := range []int{8, 64, 72, 128, 320} {
		p := fmt.Sprintf("bits_%d", width)
		docs := in(clip(p, "1", numbered(40)...), acme, p)
		for i := range docs {
			docs[i].Embedding = packed(rng, 1+rng.IntN(30), width)
		}
		publish(t, x, docs)
		q := vector(packed(rng, 9, width))
		q.Profile = p
		want := make(map[string]float64)
		for _, d := range docs {
			want[d.Caption] = maxSim(q.Embedding, d.Embedding)
		}
		requireScores(t, want, search(t, x, q), 1e-9)
	}
}

func testHybrid(t *testing.T, x Index) {
	docs := clip("tour", "1", "a red tram", "a blue bus", "a green ferry", "a grey cloud")
	publish(t, x, docs)
	q := words("tram")
	q.Rank, q.Embedding = video.RankHybrid, unit(1)
	hits := search(t, x, q)
	require.Equal(t, "a red tram", hits[0].Caption, "in both lists, so ahead of the best vector")
	require.Equal(t, "a blue bus", hits[1].Caption)
	require.Len(t, hits, 4)
	// The other vectors tie at 0 and are ordered by document id, where the
	// tram's 0 ms come first.
	require.InDelta(t, 1.0/61+1.0/62, hits[0].Score, 1e-9)
	require.InDelta(t, 1.0/61, hits[1].Score, 1e-9)

	q.Text = "?!"
	require.Equal(t, "a blue bus", search(t, x, q)[0].Caption, "without words the vectors decide")
}

func testTies(t *testing.T, x Index) {
	for _, name := range []string{"b", "c", "a"} {
		docs := clip(name, "1", "same", "same", "same")
		for i := range docs {
			docs[i].Name, docs[i].Embedding = "same.mp4", unit(0)
		}
		publish(t, x, []video.Document{docs[2], docs[0], docs[1]})
	}
	var ids []string
	keys := map[string]string{}
	for _, name := range []string{"a", "b", "c"} {
		for _, d := range clip(name, "1", "same", "same", "same") {
			ids = append(ids, d.ID)
			keys[d.ID] = d.FrameKey
		}
	}
	sort.Strings(ids)
	for _, q := range []video.Query{words("same"), vector(unit(0))} {
		for _, limit := range []int{1, 4, 9} {
			q.Limit = limit
			hits := search(t, x, q)
			require.Len(t, hits, limit)
			for i, h := range hits {
				require.Equal(t, keys[ids[i]], h.FrameKey, "%s, hit %d of %d", q.Rank, i, limit)
			}
		}
	}
}

func testLimit(t *testing.T, x Index) {
	docs := clip("long", "1", numbered(30)...)
	publish(t, x, docs)
	for _, r := range []video.Rank{video.RankBM25, video.RankVector, video.RankHybrid} {
		q := video.Query{Tenant: acme, Profile: profile, Text: "frame", Embedding: unit(3), Limit: 1000, Rank: r}
		all := search(t, x, q)
		require.Len(t, all, 30)
		for _, limit := range []int{1, 7, 30} {
			q.Limit = limit
			require.Equal(t, all[:limit], search(t, x, q), "a smaller limit yields the beginning")
		}
	}
}

func numbered(n int) []string {
	texts := make([]string, n)
	for i := range texts {
		texts[i] = fmt.Sprintf("frame number %d", i)
	}
	return texts
}

// requireScores compares order and scores with those of a plain computation.
func requireScores(t *testing.T, want map[string]float64, hits []video.Hit, delta float64) {
	t.Helper()
	require.Len(t, hits, len(want))
	for _, h := range hits {
		require.InDelta(t, want[h.Caption], h.Score, delta, h.Caption)
	}
}

func floats(rng *rand.Rand, rows, width int) video.Embedding {
	e := video.Embedding{Dim: width, Rows: rows, Floats: make([]float32, rows*width)}
	for i := range e.Floats {
		e.Floats[i] = float32(rng.NormFloat64())
	}
	return e
}

func packed(rng *rand.Rand, rows, width int) video.Embedding {
	e := video.Embedding{Dim: width, Rows: rows, Bits: make([]byte, rows*width/8)}
	for i := range e.Bits {
		e.Bits[i] = byte(rng.Uint32())
	}
	return e
}

func cosine(a, b []float32) float64 {
	var ab, aa, bb float64
	for i := range a {
		x, y := float64(a[i]), float64(b[i])
		ab, aa, bb = ab+x*y, aa+x*x, bb+y*y
	}
	if aa == 0 || bb == 0 {
		return 0
	}
	return ab / math.Sqrt(aa*bb)
}

func maxSim(query, doc video.Embedding) float64 {
	sum, row := 0.0, query.Dim/8
	for q := range query.Rows {
		best := 0.0
		for d := range doc.Rows {
			hamming := 0
			for i := range row {
				hamming += bits.OnesCount8(query.Bits[q*row+i] ^ doc.Bits[d*row+i])
			}
			best = max(best, 1/float64(1+hamming))
		}
		sum += best
	}
	return sum
}
