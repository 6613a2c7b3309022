package workflows_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/internal/answer/zootest"
	"github.com/cogniverse/cogflow/internal/vlm"
	"github.com/cogniverse/cogflow/internal/vlm/vlmtest"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/prompt/outcome"
	"github.com/cogniverse/cogflow/video"
	ingestflow "github.com/cogniverse/cogflow/workflows/ingest"
)

// zooDescriber describes frames by an endpoint that behaves like different real servers. The text
// of a frame selects the behaviour.
type zooDescriber struct {
	*vlm.OpenAI
	jpeg []byte
}

func (d zooDescriber) Describe(ctx context.Context, r video.DescribeRequest) (video.Caption, error) {
	r.Stage.Prompt, r.JPEG = "What is there? "+string(r.JPEG), d.jpeg
	return d.OpenAI.Describe(ctx, r)
}

// zoo makes the world's describer one of an endpoint.
func (w *world) zoo() (*zootest.Server, zooDescriber) {
	w.t.Helper()
	s := zootest.Start(w.t)
	d := zooDescriber{vlm.NewOpenAI(vlm.Options{URL: s.URL + "/v1", Prices: map[string]money.Price{"served": s.Price}}), vlmtest.Picture(w.t, 1)}
	w.ingest.Describer = d
	w.profile.Describe = video.Stage{Model: "served", Revision: "1"}
	w.profile = w.profile.Normal()
	return s, d
}

// named finds the mark of a behaviour.
func named(t *testing.T, name string) string {
	t.Helper()
	i := slices.IndexFunc(zootest.All(), func(b zootest.Behaviour) bool { return b.Name == name })
	require.GreaterOrEqual(t, i, 0, name)
	return zootest.Mark(i)
}

// TestIngestZoo ingests videos of which one frame each has an answer as a real server gives it.
// Every frame has a document or is refused and counted by its reason, and the cost is what the
// endpoint bills.
func TestIngestZoo(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s, d := w.zoo()
	reserved, _ := d.Reserve(w.profile.Describe, 1)
	want, refused, videos := map[outcome.Reason]int{}, 0, 0
	for i, b := range zootest.All() {
		given := b.Name == "lm studio: a long prompt has an empty answer" || b.Name == "bedrock: choices are null"
		switch {
		case b.Bill == zootest.Estimated || b.Wait > time.Second || b.Endless || !b.OfCaption().OfRequest() && !given:
			continue
		case b.Name == "lm studio: a long prompt has an empty answer":
			want[outcome.Empty]++
		case given:
			want[outcome.Unreadable]++
		case b.OfCaption() == zootest.Answered:
		case b.Unusable() != "":
			want[b.Unusable()]++
		default:
			want[outcome.Rejected]++
		}
		if given || b.OfCaption() != zootest.Answered {
			refused++
		}
		name := fmt.Sprintf("video-%02d", i)
		w.video(name+".txt", name+" a", name+" "+zootest.Mark(i), name+" c")
		videos++
	}
	out, err := w.ingestLibrary(ingestflow.LibraryInput{Source: w.library()})
	require.NoError(t, err)
	require.Empty(t, out.Failures)
	require.Equal(t, videos, out.Indexed)
	require.Equal(t, 3*videos, out.Frames)
	require.Equal(t, refused, out.Refused)
	require.Equal(t, 3*videos-refused, out.Documents, "each frame has a document or is refused")
	got := map[outcome.Reason]int{}
	for _, g := range out.Unusable {
		require.Equal(t, "describe", g.Role)
		require.Equal(t, out.Frames, g.Of)
		require.NotEmpty(t, g.Samples)
		require.Contains(t, g.Samples[0], ".txt at 1s: ")
		got[g.Reason] = g.Answers
	}
	require.Equal(t, want, got)
	require.Empty(t, out.Warnings, "fewer than a third are cut")

	var billed int64
	for _, r := range s.Requests() {
		if r.Known {
			billed += r.Billed
		} else {
			billed += reserved // what the ledger books if nobody can know
		}
	}
	require.InDelta(t, float64(billed)/1e6, out.CostUSD, 1e-9)

	calls := len(s.Requests())
	again, err := w.ingestLibrary(ingestflow.LibraryInput{Source: w.library(), Force: true})
	require.NoError(t, err)
	require.Equal(t, out.Refused, again.Refused)
	for _, g := range again.Unusable {
		require.Equal(t, want[g.Reason], g.Answers, g.Reason)
	}
	for _, r := range s.Requests()[calls:] {
		require.Zero(t, r.Billed, "no answer is paid for again: %s", r.Behaviour.Name)
	}
}

// TestCutCaptions: a third of the captions of a video is cut by max_tokens. The video is
// published without them, with a warning, and no cut text can be found.
func TestCutCaptions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s, _ := w.zoo()
	s.Say = func(body []byte) string {
		if strings.Contains(string(body), "zoo-") {
			return "Half a lighthouse behind the"
		}
		return "A whole tramway."
	}
	cut, thinks := named(t, "openai: finish_reason is length"), named(t, "vllm: cut off among the thoughts")
	w.video("a.txt", "a 0", "a 1 "+cut, "a 2", "a 3", "a 4", "a 5 "+thinks, "a 6", "a 7 "+cut)
	env := w.environment()
	env.ExecuteWorkflow("IngestVideo", ingestflow.VideoInput{URI: w.library() + "/a.txt"})
	require.NoError(t, env.GetWorkflowError())
	var out ingestflow.VideoResult
	require.NoError(t, env.GetWorkflowResult(&out))
	require.Equal(t, 8, out.Frames)
	require.Equal(t, 5, out.Documents)
	require.Equal(t, 3, out.Refused)
	require.Equal(t, []outcome.Group{{
		Role: "describe", Reason: outcome.Truncated, Answers: 3, Of: 8,
		Samples: []string{"a.txt at 1s: Half a lighthouse behind the", out.Unusable[0].Samples[1], "a.txt at 7s: Half a lighthouse behind the"},
	}}, out.Unusable)
	require.Equal(t, []string{"describe: 3 of 8 answers were truncated by max_tokens; raise max_tokens of this model, or turn its thinking off"}, out.Warnings)
	require.Len(t, w.search("tramway"), 5)
	require.Empty(t, w.search("lighthouse"))

	value, err := env.QueryWorkflow("progress")
	require.NoError(t, err)
	var p ingestflow.VideoProgress
	require.NoError(t, value.Get(&p))
	require.Equal(t, out.Unusable, p.Unusable)
	require.Equal(t, out.Warnings, p.Warnings)
	page, err := activities.ReadAll(t.Context(), w.ingest.Store, out.Report)
	require.NoError(t, err)
	require.Contains(t, string(page), "<strong>Warning:</strong> describe: 3 of 8 answers were truncated by max_tokens")
	require.Contains(t, string(page), "Half a lighthouse behind the")
	require.Contains(t, string(page), "(no caption: describe frame")

	plan, err := w.ingestLibrary(ingestflow.LibraryInput{Source: w.library(), DryRun: true, Force: true})
	require.NoError(t, err)
	require.Zero(t, plan.Estimate.Calls, "the answers that are not captions are stored, too")

	var all []string
	for i := range 12 {
		all = append(all, fmt.Sprintf("b %d %s", i, cut))
	}
	w.video("b.txt", all...)
	w.profile.ChunkFrames = 12
	env = w.environment()
	env.ExecuteWorkflow("IngestVideo", ingestflow.VideoInput{URI: w.library() + "/b.txt"})
	require.ErrorContains(t, env.GetWorkflowError(), "raise max_tokens in the profile", "a video without any caption is not published")
}
