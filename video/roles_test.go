package video_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/video"
)

// TestRolesAndFingerprints: vectors of texts with different roles are never taken for each
// other, and those without roles keep their names.
func TestRolesAndFingerprints(t *testing.T) {
	t.Parallel()
	with := func(r *video.Roles) video.Profile {
		p := video.LocalPreview()
		p.Embed = video.Stage{Model: "m", Dim: 8, Roles: r}
		return p
	}
	none := with(nil)
	require.Equal(t, none.EmbedFingerprint("x"), with(&video.Roles{}).EmbedFingerprint("x"))
	require.Equal(t, none.Generation("v"), with(&video.Roles{}).Generation("v"))
	seen := map[video.Fingerprint]string{}
	for name, r := range map[string]*video.Roles{
		"none":     nil,
		"prefix":   {Query: video.Role{Prefix: "a: "}, Passage: video.Role{Prefix: "a: "}},
		"other":    {Query: video.Role{Prefix: "a"}, Passage: video.Role{Prefix: "a"}},
		"task":     {Query: video.Role{Value: "a: "}, Passage: video.Role{Value: "a: "}, Parameter: "task"},
		"input":    {Query: video.Role{Value: "a: "}, Passage: video.Role{Value: "a: "}, Parameter: "input_type"},
		"prefixed": {Query: video.Role{Prefix: "a: ", Value: "b"}, Passage: video.Role{Prefix: "a: ", Value: "b"}, Parameter: "task"},
	} {
		p := with(r)
		for what, f := range map[string]video.Fingerprint{
			"embed": p.EmbedFingerprint("x"), "query": p.QueryFingerprint("x"), "generation": p.Generation("v"),
		} {
			require.Empty(t, seen[f], "%s %s", name, what)
			seen[f] = name + " " + what
		}
	}
}

func TestRolesAreChecked(t *testing.T) {
	t.Parallel()
	for reason, r := range map[string]video.Roles{
		"needs both":       {Query: video.Role{Value: "query"}},
		"neither":          {Parameter: "task"},
		"name of a field":  {Query: video.Role{Value: "q"}, Parameter: "input type"},
		"must not be":      {Query: video.Role{Value: "q"}, Parameter: "model"},
		"longer than 4096": {Query: video.Role{Prefix: string(make([]byte, 5000))}},
	} {
		p := video.LocalPreview()
		p.Embed.Roles = &r
		require.ErrorContains(t, p.Check(), reason)
	}
}
