package activities_test

import (
	"bytes"
	"context"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/ingest"
	"github.com/cogniverse/cogflow/activities/optimize"
	"github.com/cogniverse/cogflow/activities/registry"
	"github.com/cogniverse/cogflow/activities/train"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/blob"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

// confinedEnvironment runs activities as workers do.
func confinedEnvironment(t *testing.T) (*testsuite.TestActivityEnvironment, activities.Store, activities.Store) {
	t.Helper()
	store, err := blob.Open(t.Context(), "file://"+filepath.Join(t.TempDir(), "store"))
	require.NoError(t, err)
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	env.SetWorkerOptions(worker.Options{Interceptors: []interceptor.WorkerInterceptor{&activities.Errors{}, &activities.Tenants{}}})
	return env, store, activities.Confined(store)
}

func TestTenantIsConfinedToItsKeys(t *testing.T) {
	t.Parallel()
	env, store, confined := confinedEnvironment(t)
	_, err := store.Put(t.Context(), "b/x", bytes.NewReader(nil))
	require.NoError(t, err)
	tries := map[string]func(ctx context.Context, key string) error{
		"put": func(ctx context.Context, key string) error {
			_, err := confined.Put(ctx, key, bytes.NewReader(nil))
			return err
		},
		"create": func(ctx context.Context, key string) error {
			_, err := confined.Create(ctx, key, bytes.NewReader(nil))
			return err
		},
		"replace": func(ctx context.Context, key string) error {
			_, err := confined.Replace(ctx, key, "", bytes.NewReader(nil))
			return err
		},
		"get":  func(ctx context.Context, key string) error { _, _, err := confined.Get(ctx, key); return err },
		"stat": func(ctx context.Context, key string) error { _, err := confined.Stat(ctx, key); return err },
		"list": func(ctx context.Context, key string) error {
			return confined.List(ctx, key, func(object.Info) error { return nil })
		},
		"delete": func(ctx context.Context, key string) error { return confined.Delete(ctx, key) },
	}
	var run func(ctx context.Context) error
	var seen error
	work := func(ctx context.Context, _ ingest.SpendInput) error { seen = run(ctx); return nil }
	env.RegisterActivity(work)
	for name, try := range tries {
		for _, key := range []string{"b/x", "a", "aa/x", "A/x", "", "/a/x", "a:b/x", "./a/x"} {
			run = func(ctx context.Context) error { return try(ctx, key) }
			_, err := env.ExecuteActivity(work, ingest.SpendInput{Tenant: "a"})
			require.NoError(t, err)
			require.ErrorContains(t, seen, "does not belong to tenant a", "%s %s", name, key)
		}
		require.ErrorContains(t, try(t.Context(), "a/x"), "no tenant", name)
	}
	require.ErrorContains(t, confined.Delete(t.Context(), "b/x"), "no tenant")
	_, err = store.Stat(t.Context(), "b/x")
	require.NoError(t, err)
}

func TestTenantOfAnActivityIsChecked(t *testing.T) {
	t.Parallel()
	env, _, _ := confinedEnvironment(t)
	ran := false
	work := func(context.Context, ingest.SpendInput) error { ran = true; return nil }
	env.RegisterActivity(work)
	for _, name := range []tenant.ID{"", "..", "a/b", "b/../a", "a b", "a:b:c", tenant.ID(strings.Repeat("a", 65))} {
		_, err := env.ExecuteActivity(work, ingest.SpendInput{Tenant: name})
		require.ErrorContains(t, err, "names no tenant", name)
	}
	require.False(t, ran)
}

// TestTenantOfListing: the key of a listing is derived from tenant and run. Inputs of earlier
// builds have only the prefix.
func TestTenantOfListing(t *testing.T) {
	t.Parallel()
	env, store, confined := confinedEnvironment(t)
	a := &ingest.Activities{Store: confined}
	env.RegisterActivity(a)
	page := func(owner tenant.ID) string { return video.ListingKey(video.ListingPrefix(owner, "run-1"), 0) }
	for _, owner := range []tenant.ID{"a", "b"} {
		_, err := store.Put(t.Context(), page(owner), strings.NewReader(`["`+string(owner)+`.mp4"]`))
		require.NoError(t, err)
	}
	read := func(in ingest.ReadListingInput) ([]string, error) {
		var out ingest.ReadListingResult
		value, err := env.ExecuteActivity(a.ReadListing, in)
		if err == nil {
			err = value.Get(&out)
		}
		return out.URIs, err
	}
	for name, in := range map[string]ingest.ReadListingInput{
		"own":                      {Tenant: "a", Run: "run-1"},
		"another prefix is naught": {Tenant: "a", Run: "run-1", Prefix: "b/listings/run-1/"},
		"of an earlier build":      {Prefix: "a/listings/run-1/"},
	} {
		got, err := read(in)
		require.NoError(t, err, name)
		require.Equal(t, []string{"a.mp4"}, got, name)
	}
	for _, in := range []ingest.ReadListingInput{
		{Tenant: "a", Run: "../../b/listings/run-1"},
		{Tenant: "a", Run: ""},
		{Tenant: "a", Prefix: "b/listings/run-1/"},
		{Prefix: "b/videos/run-1/"},
		{Prefix: "a/listings/../b/"},
		{Prefix: "a/"},
		{Prefix: ""},
		{Prefix: "/listings/run-1/"},
	} {
		_, err := read(in)
		require.Error(t, err, "%+v", in)
		_, err = env.ExecuteActivity(a.DropListing, ingest.DropListingInput{Tenant: in.Tenant, Run: in.Run, Prefix: in.Prefix})
		require.Error(t, err, "%+v", in)
	}
	_, err := env.ExecuteActivity(a.DropListing, ingest.DropListingInput{Tenant: "a", Run: "run-1", Prefix: "b/listings/run-1/"})
	require.NoError(t, err)
	_, err = store.Stat(t.Context(), page("b"))
	require.NoError(t, err)
	_, err = store.Stat(t.Context(), page("a"))
	require.ErrorIs(t, err, object.ErrNotFound)
}

// TestTenantIsInEveryInput: an activity whose input has no tenant cannot access objects, so
// every new input requires a tenant.
func TestTenantIsInEveryInput(t *testing.T) {
	t.Parallel()
	withoutTenant := []string{"Running"} // asks the Temporal server, and touches nothing
	owned := 0
	for _, of := range []any{
		&ingest.Activities{}, &train.Activities{}, &optimize.Activities{}, &registry.Adapters{}, &registry.Programs{}, &activities.Health{},
	} {
		for m := range reflect.TypeOf(of).Methods() {
			f := m.Type
			if f.NumIn() != 3 || f.In(1) != reflect.TypeFor[context.Context]() || f.In(2).Kind() != reflect.Struct {
				continue // not an activity
			}
			if activities.HasOwner(reflect.Zero(f.In(2)).Interface()) {
				owned++
				continue
			}
			require.Contains(t, withoutTenant, m.Name, "its input names no tenant: give it a method Owner")
		}
	}
	require.Greater(t, owned, 30)
}

// TestTenantOfPinnedRecipe: a cached recipe of one tenant is not used for another.
func TestTenantOfPinnedRecipe(t *testing.T) {
	t.Parallel()
	env, store, confined := confinedEnvironment(t)
	a := &ingest.Activities{Store: confined, Profiles: func(string) (video.Profile, error) { return video.LocalPreview(), nil }}
	env.RegisterActivity(a)
	value, err := env.ExecuteActivity(a.ResolveProfile, ingest.ResolveInput{Tenant: "b"})
	require.NoError(t, err)
	var recipe ingest.Recipe
	require.NoError(t, value.Get(&recipe))
	search := func(owner tenant.ID) error {
		_, err := env.ExecuteActivity(a.Search, ingest.SearchInput{Tenant: owner, Recipe: recipe.Fingerprint, Query: "x", Rank: video.RankHybrid, Limit: 1})
		return err
	}
	require.ErrorContains(t, search("b"), "embedding", "its recipe is read, and cached")
	_, err = store.Stat(t.Context(), video.RecipeKey("a", recipe.Fingerprint))
	require.ErrorIs(t, err, object.ErrNotFound)
	require.ErrorContains(t, search("a"), "object not found")
	require.NotContains(t, search("a").Error(), "embedding")
	require.Empty(t, fault.ClassOf(err))
}
