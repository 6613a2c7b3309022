package texts

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/video"
)

// TestBatchOfTexts: two requests are joined only if they store the same objects. Otherwise the
// second of two concurrent requests would have no embeddings.
func TestBatchOfTexts(t *testing.T) {
	t.Parallel()
	texts := []string{"a cat", "a dog"}
	profile := func(change func(s *video.Stage)) video.Profile {
		p := video.LocalPreview()
		p.Embed = video.Stage{Model: "e", Dim: 2, CostMicroUSD: 7}
		change(&p.Embed)
		return p
	}
	of := func(p video.Profile, texts ...string) video.Fingerprint {
		return (&Set{Profile: p, Stage: &activities.ModelStage{}}).question(texts).Fingerprint
	}
	first := profile(func(*video.Stage) {})
	require.Equal(t, of(first, texts...), of(profile(func(s *video.Stage) { s.CostMicroUSD = 8 }), texts...))
	require.NotEqual(t, of(first, "a cat", "a dog"), of(first, "a cat a", "dog"))
	for name, other := range map[string]video.Profile{
		"kept in another form": profile(func(s *video.Stage) { s.Keep = video.KeepBFloat16 }),
		"of another revision":  profile(func(s *video.Stage) { s.Revision = "2" }),
		"of another size":      profile(func(s *video.Stage) { s.Dim = 3 }),
		"of another model":     profile(func(s *video.Stage) { s.Model = "f" }),
	} {
		require.NotEqual(t, of(first, texts...), of(other, texts...), name)
	}
}
