package roles_test

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/ingest/roles"
	"github.com/cogniverse/cogflow/internal/blob"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

func store(t *testing.T) activities.Store {
	t.Helper()
	s, err := blob.Open(t.Context(), "file://"+filepath.Join(t.TempDir(), "store"))
	require.NoError(t, err)
	return s
}

func profile(model string) video.Profile {
	p := video.LocalPreview()
	p.Name, p.Embed = "p", video.Stage{Model: model, Dim: 8}
	return p.Normal()
}

// keep stores a recipe, as a run does.
func keep(t *testing.T, s activities.Store, p video.Profile) {
	t.Helper()
	data, err := json.Marshal(p)
	require.NoError(t, err)
	require.NoError(t, activities.WriteJSON(t.Context(), s, video.RecipeKey("default", video.NewFingerprint("recipe", string(data))), p))
}

// TestNewProfile: the first run of a profile gets the roles of its model.
func TestNewProfile(t *testing.T) {
	t.Parallel()
	s := store(t)
	p, err := roles.Expected(t.Context(), s, "default", profile("intfloat/e5-base-v2"))
	require.NoError(t, err)
	require.Equal(t, "passage: ", p.Embed.Roles.Passage.Prefix)
	require.NoError(t, s.List(t.Context(), "default/", func(o object.Info) error {
		t.Errorf("an estimate wrote %s", o.Key)
		return nil
	}))
	p, err = roles.Pinned(t.Context(), s, "default", profile("intfloat/e5-base-v2"))
	require.NoError(t, err)
	require.Equal(t, "query: ", p.Embed.Roles.Query.Prefix)

	p, err = roles.Pinned(t.Context(), s, "default", profile(video.SmallMeaning))
	require.NoError(t, err)
	require.Nil(t, p.Embed.Roles, "MiniLM was trained without roles")
}

// TestIndexedBefore: documents that an earlier build embedded have no prefix. Later runs and
// searches of their profile have none either, also after other settings of the profile have
// changed, and other profiles and tenants are not affected.
func TestIndexedBefore(t *testing.T) {
	t.Parallel()
	s, e5 := store(t), profile("intfloat/e5-base-v2")
	earlier := e5.Pinned()
	earlier.Describe.Prompt = "another prompt"
	keep(t, s, earlier)
	for range 2 { // decided, and stored
		p, err := roles.Pinned(t.Context(), s, "default", e5)
		require.NoError(t, err)
		require.Nil(t, p.Embed.Roles)
		require.Equal(t, e5.Pinned().Generation("v"), p.Generation("v"), "nothing is embedded again")
	}
	other := e5
	other.Name = "other"
	for _, run := range []struct {
		tenant tenant.ID
		p      video.Profile
	}{{"default", other}, {"acme", e5}} {
		p, err := roles.Pinned(t.Context(), s, run.tenant, run.p)
		require.NoError(t, err)
		require.NotNil(t, p.Embed.Roles)
	}
}

// TestDecidedOnce: a rollback in between, whose runs pin no roles, does not change the
// decision.
func TestDecidedOnce(t *testing.T) {
	t.Parallel()
	s, e5 := store(t), profile("intfloat/e5-base-v2")
	first, err := roles.Pinned(t.Context(), s, "default", e5)
	require.NoError(t, err)
	keep(t, s, e5.Pinned())
	again, err := roles.Pinned(t.Context(), s, "default", e5)
	require.NoError(t, err)
	require.Equal(t, first, again)
}

// TestOnlyQueriesHaveRoles: where passages have no role, documents do not change, so that
// queries get theirs at once.
func TestOnlyQueriesHaveRoles(t *testing.T) {
	t.Parallel()
	s, bge := store(t), profile("BAAI/bge-base-en-v1.5")
	keep(t, s, bge.Pinned())
	p, err := roles.Pinned(t.Context(), s, "default", bge)
	require.NoError(t, err)
	require.Contains(t, p.Embed.Roles.Query.Prefix, "Represent this sentence")
	require.Equal(t, bge.EmbedFingerprint("a text"), p.EmbedFingerprint("a text"))
	require.Equal(t, bge.Pinned().Generation("v"), p.Generation("v"))
	require.NotEqual(t, bge.QueryFingerprint("a text"), p.QueryFingerprint("a text"))
}

// TestConfiguredRoles take precedence, and an empty object means none.
func TestConfiguredRoles(t *testing.T) {
	t.Parallel()
	s, e5 := store(t), profile("intfloat/e5-base-v2")
	e5.Embed.Roles = &video.Roles{}
	p, err := roles.Pinned(t.Context(), s, "default", e5)
	require.NoError(t, err)
	require.Nil(t, p.Embed.Roles)
	e5.Embed.Roles = &video.Roles{Query: video.Role{Prefix: "Q: "}}
	p, err = roles.Pinned(t.Context(), s, "default", e5)
	require.NoError(t, err)
	require.Equal(t, e5.Embed.Roles, p.Embed.Roles)
}
