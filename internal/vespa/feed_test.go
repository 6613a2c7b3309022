package vespa_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/vespa"
	"github.com/cogniverse/cogflow/internal/vespa/vespatest"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

func frames() []video.Profile {
	return []video.Profile{{Name: "frames", Embed: video.Stage{Dim: 16}}}
}

func open(tb testing.TB) (*vespatest.Server, *vespa.Index) {
	tb.Helper()
	server, url := vespatest.Start(tb)
	files, err := vespa.Package([]tenant.ID{"acme"}, frames(), vespa.PackageOptions{})
	require.NoError(tb, err)
	_, err = vespa.Deploy(tb.Context(), url, files)
	require.NoError(tb, err)
	x, err := vespa.Open(vespa.Options{URL: url, Tenants: []tenant.ID{"acme"}, Profiles: frames(), Connections: 2})
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, x.Close()) })
	return server, x
}

func docs(generation string, n int) []video.Document {
	out := make([]video.Document, n)
	for i := range out {
		floats := make([]float32, 16)
		floats[i%16] = 1
		out[i] = document(video.Embedding{Dim: 16, Rows: 1, Floats: floats})
		out[i].ID, out[i].Generation, out[i].PTSMS = fmt.Sprintf("acme:%s:%d", generation, i), video.Fingerprint(generation), int64(i)
	}
	return out
}

func whole(list []video.Document) video.Generation {
	d := list[0]
	return video.Generation{Tenant: d.Tenant, Profile: d.Profile, Video: d.Video, Generation: d.Generation, Documents: len(list), Name: d.Name}
}

func writing(r *http.Request) bool {
	return strings.HasPrefix(r.URL.Path, "/document/") && r.Method != http.MethodGet
}

// TestFailedWritesAreRetried: each write fails once in one way; all documents are stored, and
// only the failed ones are sent again.
func TestFailedWritesAreRetried(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]vespatest.Fault{
		"429": {Status: 429}, "503": {Status: 503}, "504": {Status: 504}, "500": {Status: 500}, "502": {Status: 502},
		"reset": {Reset: true}, "lost response": {Lost: true}, "truncated": {Truncate: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, x := open(t)
			var sent sync.Map
			var requests atomic.Int64
			server.Script(func(r *http.Request) vespatest.Fault {
				if !writing(r) {
					return vespatest.Fault{}
				}
				requests.Add(1)
				_, again := sent.LoadOrStore(r.URL.Path, true)
				if again || strings.HasSuffix(r.URL.Path, "0") {
					return vespatest.Fault{}
				}
				return f
			})
			list := docs("g", 40)
			require.NoError(t, x.Upsert(t.Context(), list))
			require.EqualValues(t, 40+36, requests.Load(), "the four that succeeded were not sent again")
			server.Script(nil)
			_, err := x.Publish(t.Context(), whole(list))
			require.NoError(t, err)
		})
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	for name, try := range map[string]struct {
		fault vespatest.Fault
		class fault.Class
		after time.Duration
	}{
		"400": {vespatest.Fault{Status: 400}, fault.Input, 0},
		"413": {vespatest.Fault{Status: 413}, fault.Input, 0},
		"412": {vespatest.Fault{Status: 412}, fault.Input, 0},
		"401": {vespatest.Fault{Status: 401}, fault.Auth, 0},
		"507": {vespatest.Fault{Status: 507}, fault.Capacity, time.Minute},
		"504": {vespatest.Fault{Status: 504}, fault.Transport, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server, x := open(t)
			server.Script(func(r *http.Request) vespatest.Fault {
				if writing(r) {
					return try.fault
				}
				return vespatest.Fault{}
			})
			err := x.Upsert(t.Context(), docs("g", 3))
			require.Equal(t, try.class, fault.ClassOf(err), "%v", err)
			require.Equal(t, try.after, fault.RetryAfter(err))
		})
	}
}

func TestIgnoredFieldsLeaveNothing(t *testing.T) {
	t.Parallel()
	server, x := open(t)
	server.Script(func(r *http.Request) vespatest.Fault {
		return vespatest.Fault{IgnoredFields: r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "1")}
	})
	err := x.Upsert(t.Context(), docs("g", 3))
	require.Equal(t, fault.Input, fault.ClassOf(err), "%v", err)
	require.ErrorContains(t, err, "cogflow vespa deploy")
	require.Equal(t, 2, server.Documents("frames_acme"))
}

func TestBlockedFeed(t *testing.T) {
	t.Parallel()
	server, x := open(t)
	list := docs("g", 3)
	require.NoError(t, x.Upsert(t.Context(), list))
	server.Block(true)
	require.Equal(t, fault.Capacity, fault.ClassOf(x.Upsert(t.Context(), docs("h", 1))))
	removed, err := x.DeleteVideo(t.Context(), "acme", "", "aa")
	require.NoError(t, err, "deletions unblock the feed")
	require.Equal(t, 3, removed)
}

// TestOverload: a server that accepts 4 operations at once gets 300 documents; the feeder
// adapts until no 429 is left.
func TestOverload(t *testing.T) {
	t.Parallel()
	server, x := open(t)
	server.Queue(2)
	require.NoError(t, x.Upsert(t.Context(), docs("g", 300)))
	require.Equal(t, 300, server.Documents("frames_acme"))
}

func TestOverloadEndsWithItsContext(t *testing.T) {
	t.Parallel()
	server, x := open(t)
	ctx := make(expiring)
	writes := 0
	server.Script(func(r *http.Request) vespatest.Fault {
		if !writing(r) {
			return vespatest.Fault{}
		}
		if writes++; writes == 2 { // the first 429 has arrived
			close(ctx)
		}
		return vespatest.Fault{Status: 429}
	})
	require.Equal(t, fault.Overload, fault.ClassOf(x.Upsert(ctx, docs("g", 1))))
}

// expiring is a context whose deadline passes when the channel is closed.
type expiring chan struct{}

func (expiring) Deadline() (at time.Time, ok bool) { return at, false }

func (expiring) Value(any) any { return nil }

func (e expiring) Done() <-chan struct{} { return e }

func (e expiring) Err() error {
	select {
	case <-e:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

// TestOrder: writes of one document never overlap and keep their order.
func TestOrder(t *testing.T) {
	t.Parallel()
	server, x := open(t)
	list := docs("g", 1)
	var all []video.Document
	for i := range 50 {
		d := list[0]
		d.Caption = fmt.Sprintf("number%d", i)
		all = append(all, d)
	}
	require.NoError(t, x.Upsert(t.Context(), all))
	require.Equal(t, 1, server.Peak(), "concurrent writes of one document")
	_, err := x.Publish(t.Context(), whole(list))
	require.NoError(t, err)
	hits, err := x.Search(t.Context(), video.Query{Tenant: "acme", Profile: "frames", Text: "number49", Limit: 5, Rank: video.RankBM25})
	require.NoError(t, err)
	require.Len(t, hits, 1, "the last write wins")

	require.NoError(t, x.Upsert(t.Context(), docs("h", 300)))
	require.Greater(t, server.Peak(), 1, "other documents do not wait")
}

// TestPublishCrashes stops Publish at each of its writes; a second call completes it.
func TestPublishCrashes(t *testing.T) {
	t.Parallel()
	for at := range 5 {
		server, x := open(t)
		old, next := docs("old", 2), docs("next", 2)
		require.NoError(t, x.Upsert(t.Context(), old))
		_, err := x.Publish(t.Context(), whole(old))
		require.NoError(t, err)
		require.NoError(t, x.Upsert(t.Context(), next))
		var n atomic.Int64
		ctx, crash := context.WithCancel(t.Context())
		server.Script(func(r *http.Request) vespatest.Fault {
			if writing(r) && int(n.Add(1)) > at {
				crash()
				return vespatest.Fault{Reset: true}
			}
			return vespatest.Fault{}
		})
		_, _ = x.Publish(ctx, whole(next))
		server.Script(nil)
		hits, err := x.Search(t.Context(), video.Query{Tenant: "acme", Profile: "frames", Text: "tram", Limit: 10, Rank: video.RankBM25})
		require.NoError(t, err)
		require.Len(t, hits, 2, "one complete generation after a crash at write %d", at)
		_, err = x.Publish(t.Context(), whole(next))
		require.NoError(t, err)
		require.Equal(t, 2, server.Documents("frames_acme"))
		require.Equal(t, 1, server.Documents("generation_acme"))
		crash()
	}
}

func TestSearchRefusesPartialAnswers(t *testing.T) {
	t.Parallel()
	server, x := open(t)
	list := docs("g", 3)
	require.NoError(t, x.Upsert(t.Context(), list))
	_, err := x.Publish(t.Context(), whole(list))
	require.NoError(t, err)
	for _, f := range []vespatest.Fault{{Truncate: true}, {Status: 504}, {Reset: true}, {Status: 200}} {
		server.Script(func(*http.Request) vespatest.Fault { return f })
		_, err := x.Search(t.Context(), video.Query{Tenant: "acme", Profile: "frames", Text: "tram", Limit: 10, Rank: video.RankBM25})
		require.Equal(t, fault.Transport, fault.ClassOf(err), "%v", err)
	}
}

func TestNamedProfiles(t *testing.T) {
	t.Parallel()
	_, x := open(t)
	list := docs("g", 3)
	require.NoError(t, x.Upsert(t.Context(), list))
	_, err := x.Publish(t.Context(), whole(list))
	require.NoError(t, err)
	for _, name := range []string{
		"default", "bm25_only", "bm25_no_description", "float_float", "binary_binary", "float_binary", "phased",
		"hybrid_float_bm25", "hybrid_binary_bm25", "hybrid_bm25_binary", "hybrid_bm25_float", "hybrid_float_bm25_no_description",
	} {
		q := video.Query{Tenant: "acme", Profile: "frames", Text: "line", Embedding: list[1].Embedding, Limit: 10, Rank: video.Rank(name)}
		hits, err := x.Search(t.Context(), q)
		require.NoError(t, err, name)
		require.Len(t, hits, 3, name)
		require.True(t, strings.Contains(name, "bm25_only") || strings.Contains(name, "bm25_no") || hits[0].PTSMS == 1, name)
	}
}

func TestDeployAndDiff(t *testing.T) {
	t.Parallel()
	_, url := vespatest.Start(t)
	files, err := vespa.Package([]tenant.ID{"acme"}, frames(), vespa.PackageOptions{})
	require.NoError(t, err)
	x, err := vespa.Open(vespa.Options{URL: url, Tenants: []tenant.ID{"acme"}, Profiles: frames()})
	require.NoError(t, err)
	err = x.Check(t.Context())
	require.Equal(t, fault.Input, fault.ClassOf(err))
	require.ErrorContains(t, err, "cogflow vespa deploy")
	changes, err := vespa.Diff(t.Context(), url, files)
	require.NoError(t, err)
	require.Len(t, changes, len(files))
	_, err = vespa.Deploy(t.Context(), url, files)
	require.NoError(t, err)
	require.NoError(t, x.Check(t.Context()))
	changes, err = vespa.Diff(t.Context(), url, files)
	require.NoError(t, err)
	require.Empty(t, changes)

	wider := frames()
	wider[0].Embed.Dim = 32
	files, err = vespa.Package([]tenant.ID{"acme"}, wider, vespa.PackageOptions{})
	require.NoError(t, err)
	changes, err = vespa.Diff(t.Context(), url, files)
	require.NoError(t, err)
	require.Equal(t, []vespa.Change{{Path: "schemas/frames_acme.sd", Kind: "changed"}}, changes)
	_, err = vespa.Deploy(t.Context(), url, files)
	require.Equal(t, fault.Input, fault.ClassOf(err), "a changed type requires an override: %v", err)
	files, err = vespa.Package([]tenant.ID{"acme"}, wider, vespa.PackageOptions{
		Allow: []string{"field-type-change"}, AllowUntil: "2030-01-01",
	})
	require.NoError(t, err)
	done, err := vespa.Deploy(t.Context(), url, files)
	require.NoError(t, err)
	require.Len(t, done.Refeed, 1)
	require.Equal(t, "frames_acme", done.Refeed[0].DocumentType)
}

// BenchmarkFeed feeds small documents (one vector of 16 floats) to the fake.
func BenchmarkFeed(b *testing.B) {
	_, x := open(b)
	list := docs("g", 1000)
	put, err := vespa.EncodeDocument(frames()[0], list[0])
	require.NoError(b, err)
	b.SetBytes(int64(len(put.Body)))
	b.ResetTimer()
	for done := 0; done < b.N; done += len(list) {
		require.NoError(b, x.Upsert(b.Context(), slices.Clone(list[:min(len(list), b.N-done)])))
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "docs/s")
}

// BenchmarkFeedPatches feeds documents of 832 patches with 128 bits each.
func BenchmarkFeedPatches(b *testing.B) {
	server, url := vespatest.Start(b)
	profile := video.Profile{Name: "patches", Embed: video.Stage{Multi: true, Dim: 128, Keep: video.KeepBits}}
	files, err := vespa.Package([]tenant.ID{"acme"}, []video.Profile{profile}, vespa.PackageOptions{})
	require.NoError(b, err)
	_, err = vespa.Deploy(b.Context(), url, files)
	require.NoError(b, err)
	x, err := vespa.Open(vespa.Options{URL: url, Tenants: []tenant.ID{"acme"}, Profiles: []video.Profile{profile}})
	require.NoError(b, err)
	bits := make([]byte, 832*16)
	for i := range bits {
		bits[i] = byte(i * i >> 3)
	}
	list := docs("g", 64)
	for i := range list {
		list[i].Profile, list[i].Embedding = "patches", video.Embedding{Dim: 128, Rows: 832, Bits: bits}
	}
	put, err := vespa.EncodeDocument(profile, list[0])
	require.NoError(b, err)
	b.SetBytes(int64(len(put.Body)))
	b.ResetTimer()
	for done := 0; done < b.N; done += len(list) {
		require.NoError(b, x.Upsert(b.Context(), list[:min(len(list), b.N-done)]))
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "docs/s")
	require.Positive(b, server.Writes())
}
