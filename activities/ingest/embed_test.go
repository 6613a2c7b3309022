package ingest

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/ingest/refusal"
	"github.com/cogniverse/cogflow/activities/ingest/texts"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/blob"
	"github.com/cogniverse/cogflow/internal/broker"
	"github.com/cogniverse/cogflow/internal/ledger"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/video"
)

// refusingEmbedder embeds texts, except for those that it refuses.
type refusingEmbedder struct {
	Embedder
	refuses func(text string) bool
	err     error
	asked   atomic.Int64 // texts
}

func (*refusingEmbedder) Limit(string) int { return 4 }

func (p *refusingEmbedder) EmbedTexts(_ context.Context, r video.TextRequest) ([]video.Embedding, error) {
	p.asked.Add(int64(len(r.Texts)))
	if slices.ContainsFunc(r.Texts, p.refuses) {
		return nil, p.err
	}
	out := make([]video.Embedding, len(r.Texts))
	for i := range out {
		out[i] = video.Embedding{Dim: 2, Rows: 1, Floats: []float32{1, 0}}
	}
	return out, nil
}

// TestOneBadText: a text that the embedder refuses, by a status or an invalid vector, is found
// in its batch and omitted like a refused frame.
func TestOneBadText(t *testing.T) {
	t.Parallel()
	const frames = 40
	vector := money.ChargeUnknown(video.AsBadVector(fault.New(fault.Transport, "embed with", "e", "all zeros")))
	one := func(text string) bool { return text == "caption 17" }
	every := func(string) bool { return true }
	for name, c := range map[string]struct {
		refuses func(string) bool
		err     error
		refused int
		fails   bool
		asked   int64 // texts at most
	}{
		"none":        {func(string) bool { return false }, nil, 0, false, frames},
		"vector":      {one, vector, 1, false, 3*frames + money.MaxCharged},
		"status":      {one, fault.New(fault.Input, "embed with", "e", "status 400"), 1, false, 3 * frames},
		"all":         {every, fault.New(fault.Input, "embed with", "e", "status 400"), 0, true, 4 * frames},
		"the profile": {every, money.ChargeUnknown(video.AsBadVector(fault.New(fault.Input, "embed with", "e", "4 dimensions"))), 0, true, frames},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store, err := blob.Open(t.Context(), "file://"+t.TempDir())
			require.NoError(t, err)
			calls, err := ledger.Open(filepath.Join(t.TempDir(), "ledger.db"))
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, calls.Close()) })
			e := &refusingEmbedder{refuses: c.refuses, err: c.err}
			a := &Activities{Store: store, Ledger: calls, Broker: broker.New(broker.Options{Ledger: calls, Spread: time.Millisecond}), Embedder: e, Runs: alone{}}
			p := video.LocalPreview()
			p.Describe, p.Embed = video.Stage{Model: "d"}, video.Stage{Model: "e", Dim: 2, CostMicroUSD: 7}
			in := ChunkInput{VideoRef: VideoRef{Tenant: "default", Video: "v", Recipe: storeRecipe(t, store, p)}, Job: "job"}
			prefix := video.FramesPrefix("default", "v", p.ExtractFingerprint("v"))
			var chunk video.Chunk
			for i := range frames {
				f := video.Frame{PTSMS: int64(i), SHA256: fmt.Sprint("frame-", i)}
				chunk.Frames = append(chunk.Frames, f)
				caption := video.Caption{Text: fmt.Sprint("caption ", i)}
				require.NoError(t, activities.WriteJSON(t.Context(), store, video.CaptionKey("default", p.CaptionFingerprint(f)), caption))
			}
			require.NoError(t, activities.WriteJSON(t.Context(), store, video.ChunkKey(prefix, 0), chunk))
			var suite testsuite.WorkflowTestSuite
			env := suite.NewTestActivityEnvironment()
			env.RegisterActivity(a.EmbedChunk)
			for range 2 { // the second attempt repeats the first, whose result was lost
				value, err := env.ExecuteActivity(a.EmbedChunk, in)
				require.Equal(t, c.fails, err != nil, "%v", err)
				if c.fails {
					break
				}
				var out ChunkResult
				require.NoError(t, value.Get(&out))
				require.Equal(t, c.refused, out.Refused)
			}
			require.LessOrEqual(t, e.asked.Load(), c.asked)
			if c.fails {
				return
			}
			kept, err := refusal.Kept(t.Context(), store, p, prefix, chunk)
			require.NoError(t, err)
			require.Len(t, kept.Frames, frames-c.refused)
			for _, f := range kept.Frames {
				_, err := texts.Read(t.Context(), store, "default", p.EmbedFingerprint(fmt.Sprint("caption ", f.PTSMS)))
				require.NoError(t, err)
			}
			lost, err := refusal.Lost(t.Context(), store, p, prefix, "v", frames)
			require.NoError(t, err)
			require.Equal(t, c.refused, lost)
		})
	}
}
