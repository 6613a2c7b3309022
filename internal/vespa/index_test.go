package vespa_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/index/indextest"
	"github.com/cogniverse/cogflow/internal/vespa"
	"github.com/cogniverse/cogflow/internal/vespa/vespatest"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

var _ indextest.Index = (*vespa.Index)(nil)

// operator is an index that first deploys the schema that documents require: of a new
// tenant or profile, or of a changed model. Everything else is passed to the real adapter,
// over HTTP.
type operator struct {
	indextest.Index
	tb  testing.TB
	url string

	mu       sync.RWMutex
	tenants  []tenant.ID
	profiles []video.Profile
}

func newOperator(tb testing.TB) *operator {
	_, url := vespatest.Start(tb)
	o := &operator{tb: tb, url: url, tenants: []tenant.ID{"acme"}}
	o.profiles = []video.Profile{{Name: "frames", Embed: video.Stage{Dim: 16}}}
	o.deploy()
	return o
}

func (o *operator) deploy() {
	files, err := vespa.Package(o.tenants, o.profiles, vespa.PackageOptions{
		Allow: []string{"field-type-change"}, AllowUntil: "2030-01-01",
	})
	require.NoError(o.tb, err)
	_, err = vespa.Deploy(o.tb.Context(), o.url, files)
	require.NoError(o.tb, err)
	index, err := vespa.Open(vespa.Options{URL: o.url, Tenants: o.tenants, Profiles: o.profiles, Connections: 2})
	require.NoError(o.tb, err)
	require.NoError(o.tb, index.Check(o.tb.Context()))
	o.tb.Cleanup(func() { require.NoError(o.tb, index.Close()) })
	o.Index = index
}

// need deploys the schema of a document, if the document is valid and the schema is new.
func (o *operator) need(d video.Document) {
	if d.Tenant == "" || d.Profile == "" || d.Embedding.Check() != nil {
		return
	}
	p := video.Profile{Name: d.Profile, Embed: video.Stage{Dim: d.Embedding.Dim}}
	if strings.HasPrefix(d.Profile, "bits") {
		p.Embed.Multi, p.Embed.Keep = true, video.KeepBits
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	at := slices.IndexFunc(o.profiles, func(have video.Profile) bool { return have.Name == p.Name })
	known := at >= 0 && o.profiles[at].Embed.Dim == p.Embed.Dim
	if known && slices.Contains(o.tenants, d.Tenant) {
		return
	}
	if !slices.Contains(o.tenants, d.Tenant) {
		o.tenants = append(o.tenants, d.Tenant)
	}
	if at >= 0 {
		o.profiles[at] = p
	} else {
		o.profiles = append(o.profiles, p)
	}
	o.deploy()
}

func (o *operator) index() indextest.Index {
	o.mu.RLock()
	defer o.mu.RUnlock()
	return o.Index
}

func (o *operator) Upsert(ctx context.Context, docs []video.Document) error {
	if len(docs) > 0 {
		o.need(docs[0])
	}
	return o.index().Upsert(ctx, docs)
}

func (o *operator) Publish(ctx context.Context, g video.Generation) (int, error) {
	return o.index().Publish(ctx, g)
}

func (o *operator) Search(ctx context.Context, q video.Query) ([]video.Hit, error) {
	return o.index().Search(ctx, q)
}

func (o *operator) Vector(ctx context.Context, t tenant.ID, profile, document string) (video.Embedding, error) {
	return o.index().Vector(ctx, t, profile, document)
}

func TestConformance(t *testing.T) {
	t.Parallel()
	indextest.Run(t, func(t *testing.T) indextest.Index { return newOperator(t) })
}
