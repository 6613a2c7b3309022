package ingest

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities/activitytest"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/ledger"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/video"
)

// TestUnpricedUnderABudget: under any hard budget that covers it, a model without a price is not
// asked, whatever for. Without one, or under a soft one, it is.
func TestUnpricedUnderABudget(t *testing.T) {
	t.Parallel()
	all := kinds()
	all["search query"] = func(v *askedVideo) {
		v.do = func(ctx context.Context, in ChunkInput) (ChunkResult, error) {
			_, err := v.a.EmbedQuery(ctx, EmbedQueryInput{Tenant: in.Tenant, Recipe: in.Recipe, Query: "harbour"})
			return ChunkResult{}, err
		}
		v.folder = "default/embeddings/"
	}
	for name, kind := range all {
		for of, b := range map[string]money.Budget{
			"organisation": {Scope: money.Scope{Org: "default"}, Period: money.Month, MicroUSD: 1_000_000},
			"tenant":       {Scope: money.Scope{Tenant: "default"}, Period: money.Day, MicroUSD: 1_000_000},
			"model":        {Scope: money.Scope{Model: "x"}, Period: money.Total, MicroUSD: 1_000_000},
		} {
			t.Run(name+", "+of, func(t *testing.T) {
				t.Parallel()
				v := newAskedVideo(t, func(v *askedVideo) {
					kind(v)
					for _, s := range []*video.Stage{&v.p.Describe, &v.p.Embed, &v.p.Transcribe} {
						s.Model, s.CostMicroUSD, s.Unpriced = "x", 0, true
					}
				})
				l := v.a.Ledger.(*ledger.Ledger)
				soft := b
				soft.Soft = true
				require.NoError(t, l.SetBudget(t.Context(), soft))
				require.NoError(t, l.SetBudget(t.Context(), b))
				_, err := v.run()
				require.Equal(t, fault.Budget, activitytest.ClassOf(err), "%v", err)
				require.ErrorContains(t, err, "its price is not known")
				require.Zero(t, v.models.calls())
				_, err = l.ClearBudget(t.Context(), b)
				require.NoError(t, err)
				_, err = v.run()
				require.NoError(t, err)
				require.Positive(t, v.models.calls())
			})
		}
	}
}
