package activities_test

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/activitytest"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/video"
)

const claimKey = "default/claims/v"

// within runs a step of an activity that works for the tenant default.
func within(t *testing.T, step func(ctx context.Context) error) {
	t.Helper()
	env := (&testsuite.WorkflowTestSuite{}).NewTestActivityEnvironment()
	env.RegisterActivity(step)
	_, err := env.ExecuteActivity(step)
	require.NoError(t, err)
}

// TestTakenClaims: a claim is taken over, awaited or one's own, depending on its holder.
func TestTakenClaims(t *testing.T) {
	t.Parallel()
	me := activitytest.Workflow
	for name, c := range map[string]struct {
		holder video.Claim
		open   activitytest.Runs
		number int64 // 0 = it is waited for
	}{
		"of nobody, released":              {video.Claim{Number: 4}, nil, 5},
		"of a workflow that runs":          {video.Claim{Workflow: "other", Run: "r", Number: 1}, activitytest.Runs{"other"}, 0},
		"of a run whose id another has":    {video.Claim{Workflow: "other", Run: "r", Number: 1}, activitytest.Runs{"other later"}, 2},
		"of a run that is still on":        {video.Claim{Workflow: "other", Run: "r", Number: 1}, activitytest.Runs{"other r"}, 0},
		"by an older build, of any run":    {video.Claim{Workflow: "other"}, activitytest.Runs{"other later"}, 0},
		"of a workflow that ended":         {video.Claim{Workflow: "other", Run: "r", Number: 1}, nil, 2},
		"of this workflow, by an older":    {video.Claim{Workflow: me, Number: 3}, activitytest.Runs{me}, 4},
		"of another run that ended":        {video.Claim{Workflow: me, Run: "another", Number: 3}, nil, 4},
		"of another run that is still on":  {video.Claim{Workflow: me, Run: "another", Number: 3}, activitytest.Runs{me}, 0},
		"of this run, the answer was lost": {video.Claim{Workflow: me, Run: "default-test-run-id", Number: 7}, activitytest.Runs{me}, 7},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := files(t)
			claims := activities.Claims{Store: s, Runs: c.open, What: "video"}
			require.NoError(t, activities.WriteManifest(t.Context(), s, claimKey, c.holder))
			within(t, func(ctx context.Context) error {
				claim, err := claims.Take(ctx, claimKey)
				if c.number == 0 {
					_, held := errors.AsType[*activities.HeldError](err)
					require.True(t, held, "%v", err)
					require.Equal(t, fault.Capacity, fault.ClassOf(err))
					require.Equal(t, activities.ClaimWait, fault.RetryAfter(err))
					return nil
				}
				require.Equal(t, c.number, claim.Number)
				_, mine, holdsErr := claims.Holds(ctx, claimKey, c.number)
				require.True(t, mine)
				return errors.Join(err, holdsErr)
			})
		})
	}
}

// TestTornClaim: a claim that a crash has damaged has no holder.
func TestTornClaim(t *testing.T) {
	t.Parallel()
	s := &torn{Store: files(t), keys: map[string]bool{}}
	claims := activities.Claims{Store: s, Runs: activitytest.Runs{"other"}, What: "video"}
	require.NoError(t, activities.WriteManifest(t.Context(), s, claimKey, video.Claim{Workflow: "other", Run: "r", Number: 9}))
	s.keys[claimKey] = true
	within(t, func(ctx context.Context) error {
		claim, err := claims.Take(ctx, claimKey)
		require.EqualValues(t, 1, claim.Number)
		return err
	})
}

// TestClaimIsLost: an operation on a claim that another workflow has taken over changes nothing
// and names the holder.
func TestClaimIsLost(t *testing.T) {
	t.Parallel()
	s := &activitytest.Store{Store: files(t)}
	claims := activities.Claims{Store: s, Runs: activitytest.Runs{}, What: "video"}
	theirs := video.Claim{Workflow: "winner", Run: "r", Number: 2}
	within(t, func(ctx context.Context) error {
		mine, err := claims.Take(ctx, claimKey)
		require.NoError(t, err)
		require.NoError(t, activities.WriteManifest(ctx, s, claimKey, theirs))
		_, err = claims.Renumber(ctx, claimKey, mine, 8)
		require.ErrorContains(t, err, "workflow winner has taken over its claim")
		require.Equal(t, fault.Input, fault.ClassOf(err))
		holder, held, err := claims.Holds(ctx, claimKey, 1)
		require.NoError(t, err)
		require.False(t, held)
		require.Equal(t, theirs, holder)
		return claims.Release(ctx, claimKey, 1)
	})
	var got video.Claim
	require.NoError(t, activities.ReadJSON(t.Context(), s, claimKey, &got))
	require.Equal(t, theirs, got)
	require.ErrorContains(t, claims.Lost(claimKey, video.Claim{}), "start it again")
}

// TestClaimWithoutRoom: a claim that could not be written keeps its holder.
func TestClaimWithoutRoom(t *testing.T) {
	t.Parallel()
	s := &activitytest.Store{Store: files(t)}
	claims := activities.Claims{Store: s, Runs: activitytest.Runs{}, What: "video"}
	full := func(string) bool { return true }
	within(t, func(ctx context.Context) error {
		s.NoRoom = full
		_, err := claims.Take(ctx, claimKey)
		require.Equal(t, fault.Capacity, fault.ClassOf(err))
		_, held := errors.AsType[*activities.HeldError](err)
		require.False(t, held, "that is not a claim that another holds")
		s.NoRoom = nil
		claim, err := claims.Take(ctx, claimKey)
		require.NoError(t, err)
		s.NoRoom = full
		_, err = claims.Renumber(ctx, claimKey, claim, 5)
		require.Equal(t, fault.Capacity, fault.ClassOf(err))
		_, mine, err := claims.Holds(ctx, claimKey, 1)
		require.NoError(t, err)
		require.True(t, mine)
		s.NoRoom = nil
		claim, err = claims.Renumber(ctx, claimKey, claim, 5)
		require.EqualValues(t, 5, claim.Number)
		return err
	})
}
