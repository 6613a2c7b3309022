package vespa_test

import (
	"fmt"
	"io"
	"math"
	"math/bits"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/vespa"
	"github.com/cogniverse/cogflow/internal/vespa/vespatest"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

// maxSim is the definition of MaxSim: the sum over query rows of the best row.
func maxSim(q, d video.Embedding, similarity func(q, d video.Embedding, i, j int) float64) float64 {
	sum := 0.0
	for i := range q.Rows {
		best := math.Inf(-1)
		for j := range d.Rows {
			best = max(best, similarity(q, d, i, j))
		}
		sum += best
	}
	return sum
}

func product(q, d video.Embedding, i, j int) float64 {
	sum := 0.0
	for k := range q.Dim {
		sum += float64(q.Floats[i*q.Dim+k]) * float64(d.Floats[j*q.Dim+k])
	}
	return sum
}

func overlap(q, d video.Embedding, i, j int) float64 {
	distance := 0
	a, b := q.Binary().Bits, d.Binary().Bits
	for k := range q.Dim / 8 {
		distance += bits.OnesCount8(a[i*q.Dim/8+k] ^ b[j*q.Dim/8+k])
	}
	return 1 / float64(1+distance)
}

func asymmetric(q, d video.Embedding, i, j int) float64 {
	sum := 0.0
	for k := range q.Dim {
		if d.Floats[j*q.Dim+k] > 0 {
			sum += float64(q.Floats[i*q.Dim+k])
		}
	}
	return sum
}

// TestPatches compares the scores of multi-vectors stored as bfloat16 with their
// definitions.
func TestPatches(t *testing.T) {
	t.Parallel()
	const dim, frames = 24, 30
	_, url := vespatest.Start(t)
	profile := video.Profile{Name: "patches", Embed: video.Stage{Multi: true, Dim: dim, Keep: video.KeepBFloat16}}
	files, err := vespa.Package([]tenant.ID{"acme"}, []video.Profile{profile}, vespa.PackageOptions{})
	require.NoError(t, err)
	_, err = vespa.Deploy(t.Context(), url, files)
	require.NoError(t, err)
	x, err := vespa.Open(vespa.Options{URL: url, Tenants: []tenant.ID{"acme"}, Profiles: []video.Profile{profile}})
	require.NoError(t, err)
	rng := rand.New(rand.NewPCG(5, 6))
	random := func(rows int) video.Embedding {
		e := video.Embedding{Dim: dim, Rows: rows, Floats: make([]float32, rows*dim)}
		for i := range e.Floats {
			e.Floats[i] = float32(rng.NormFloat64())
		}
		return e.Kept(video.KeepBFloat16)
	}
	list := docs("g", frames)
	for i := range list {
		list[i].Profile, list[i].Embedding = "patches", random(1+rng.IntN(12))
	}
	require.NoError(t, x.Upsert(t.Context(), list))
	_, err = x.Publish(t.Context(), whole(list))
	require.NoError(t, err)
	query := random(5)
	for rank, similarity := range map[video.Rank]func(q, d video.Embedding, i, j int) float64{
		video.RankVector: product, "float_float": product, "phased": product, "default": overlap, "binary_binary": overlap,
		"float_binary": asymmetric,
	} {
		hits, err := x.Search(t.Context(), video.Query{Tenant: "acme", Profile: "patches", Embedding: query, Limit: 100, Rank: rank})
		require.NoError(t, err)
		require.Len(t, hits, frames)
		for i, h := range hits {
			require.InDelta(t, maxSim(query, list[h.PTSMS].Embedding, similarity), h.Score, 1e-5, "%s", rank)
			require.True(t, i == 0 || hits[i-1].Score >= h.Score)
		}
	}
}

// TestFakeIsStrict sends requests that Vespa refuses or ignores.
func TestFakeIsStrict(t *testing.T) {
	t.Parallel()
	_, url := vespatest.Start(t)
	files, err := vespa.Package([]tenant.ID{"acme"}, frames(), vespa.PackageOptions{})
	require.NoError(t, err)
	_, err = vespa.Deploy(t.Context(), url, files)
	require.NoError(t, err)
	send := func(docType, body string) (status int, ignored string) {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url+"/document/v1/video/"+docType+"/docid/x", strings.NewReader(body))
		require.NoError(t, err)
		reply, err := http.DefaultClient.Do(r)
		require.NoError(t, err)
		_, err = io.Copy(io.Discard, reply.Body)
		require.NoError(t, err)
		require.NoError(t, reply.Body.Close())
		return reply.StatusCode, reply.Header.Get("X-Vespa-Ignored-Fields")
	}
	status, ignored := send("frames_acme", `{"fields":{"colour":"red"}}`)
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, "true", ignored)
	refused := func(docType, body string) {
		t.Helper()
		status, _ := send(docType, body)
		require.Equal(t, http.StatusBadRequest, status, body)
	}
	for _, field := range []string{
		`"embedding":{"values":"00"}`, `"embedding":{"blocks":{"0":"00"}}`, `"embedding":[1,2]`,
		fmt.Sprintf(`"embedding_binary":{"values":%q}`, "FFFF"), `"late":300`, `"pts_ms":"soon"`, `"preview":1`,
		`"doc_id":"a\u0000"`, `"generation_ref":"id:video:other::x"`, `"start_time":"1"`,
	} {
		refused("frames_acme", `{"fields":{`+field+`}}`)
	}
	refused("frames_rival", `{"fields":{}}`)
	refused("frames_acme", `{"fields":{}`)
}
