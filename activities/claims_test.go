package activities_test

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/internal/blob"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/video"
)

// noRuns is a server without running workflows.
type noRuns struct{}

func (noRuns) VideoTenant(context.Context, string, string) (tenant.ID, error) { return "", nil }
func (noRuns) Running(context.Context, string, string) (bool, error)          { return false, nil }
func (noRuns) ChainRunning(context.Context, string, string) (bool, error)     { return false, nil }
func (noRuns) Signal(context.Context, string, string, string, any) error      { return nil }

// racingStore is a store in which another writer acts after each read of an object. plain has
// no conditional delete.
type racingStore struct {
	activities.Store
	after func()
	plain bool
}

func (m *racingStore) Get(ctx context.Context, key string) (io.ReadCloser, object.Info, error) {
	r, info, err := m.Store.Get(ctx, key)
	if act := m.after; act != nil {
		m.after = nil
		act()
	}
	return r, info, err
}

func (*racingStore) Delete(context.Context, string) error {
	return errors.New("a claim is deleted under no condition")
}

func (m *racingStore) DeleteIf(ctx context.Context, key, sum string) error {
	if m.plain {
		return errors.ErrUnsupported
	}
	return m.Store.DeleteIf(ctx, key, sum)
}

// TestRelease: a claim that another workflow takes over between its read and its release stays
// with that workflow. A released claim is free, also on a store without conditional deletes.
func TestRelease(t *testing.T) {
	t.Parallel()
	const key = "default/claims/v"
	theirs := video.Claim{Workflow: "winner", Run: "run", Number: 2}
	for name, plain := range map[string]bool{"conditional delete": false, "no conditional delete": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			store, err := blob.Open(t.Context(), "file://"+t.TempDir())
			require.NoError(t, err)
			m := &racingStore{Store: store, plain: plain}
			c := activities.Claims{Store: m, Runs: noRuns{}, What: "video"}
			var suite testsuite.WorkflowTestSuite
			env := suite.NewTestActivityEnvironment()
			do := func(act func(ctx context.Context) error) {
				t.Helper()
				env.RegisterActivity(act)
				_, err := env.ExecuteActivity(act)
				require.NoError(t, err)
			}
			do(func(ctx context.Context) error {
				claim, err := c.Take(ctx, key)
				require.EqualValues(t, 1, claim.Number)
				return err
			})
			m.after = func() { require.NoError(t, activities.WriteManifest(t.Context(), store, key, theirs)) }
			do(func(ctx context.Context) error { return c.Release(ctx, key, 1) })
			var got video.Claim
			require.NoError(t, activities.ReadJSON(t.Context(), store, key, &got))
			require.Equal(t, theirs, got)

			do(func(ctx context.Context) error { // whose workflow does not run
				claim, err := c.Take(ctx, key)
				require.EqualValues(t, 3, claim.Number)
				return err
			})
			do(func(ctx context.Context) error { return c.Release(ctx, key, 3) })
			do(func(ctx context.Context) error { return c.Release(ctx, key, 3) })
			do(func(ctx context.Context) error {
				free, err := c.Released(ctx, key)
				require.True(t, free)
				return err
			})
			do(func(ctx context.Context) error {
				_, err := c.Take(ctx, key)
				return err
			})
			do(func(ctx context.Context) error {
				free, err := c.Released(ctx, key)
				require.False(t, free)
				return err
			})
		})
	}
}
