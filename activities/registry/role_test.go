package registry

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/blob"
	"github.com/cogniverse/cogflow/training"
)

// TestChangeRoleAtOnce: no concurrent change is lost, and in no record
// is the active version the canary too.
func TestChangeRoleAtOnce(t *testing.T) {
	t.Parallel()
	store, err := blob.Open(t.Context(), "file://"+t.TempDir())
	require.NoError(t, err)
	const key, name, versions = "default/programs/_roles/router.json", "router", 24
	change := func(do string, version, share int) (training.Role, error) {
		return changeRole(t.Context(), store, key, RoleInput{Role: name, Do: do, Name: name, Version: version, Share: share})
	}
	_, err = change(DoActivate, versions+1, 0)
	require.NoError(t, err)

	var all sync.WaitGroup
	for version := 1; version <= versions; version++ {
		all.Go(func() {
			_, err := change(DoActivate, version, 0)
			require.NoError(t, err)
		})
		all.Go(func() {
			role, err := change(DoCanary, version, 1+version)
			if err != nil {
				require.ErrorContains(t, err, "it is the active version")
				return
			}
			require.Equal(t, version, role.Canary.Version)
			require.NotEqual(t, version, role.Active.Version)
		})
	}
	all.Wait()
	role, _, err := readRole(t.Context(), store, key, name)
	require.NoError(t, err)
	seen := map[int]bool{role.Active.Version: true}
	for _, former := range role.History {
		seen[former.Version] = true
	}
	require.Len(t, seen, versions+1, "each was active once: %v", role)
	require.Len(t, role.History, versions)
	if role.Canary != nil {
		require.NotEqual(t, role.Active.Version, role.Canary.Version)
	}
}

// TestEndCanaryOnce: if the end of a canary is repeated after its result was lost, the next
// canary continues.
func TestEndCanaryOnce(t *testing.T) {
	t.Parallel()
	store, err := blob.Open(t.Context(), "file://"+t.TempDir())
	require.NoError(t, err)
	change := func(in RoleInput) training.Role {
		in.Role, in.Name = "router", "router"
		role, err := changeRole(t.Context(), store, "default/programs/_roles/router.json", in)
		require.NoError(t, err, fmt.Sprint(in))
		return role
	}
	change(RoleInput{Do: DoActivate, Version: 1})
	first := change(RoleInput{Do: DoCanary, Version: 2, Share: 10}).Canary
	end := RoleInput{Do: DoEndCanary, Seen: &first.Activation}
	require.Nil(t, change(end).Canary)
	require.Nil(t, change(end).Canary, "the canary has ended")
	change(RoleInput{Do: DoCanary, Version: 3, Share: 20})
	role := change(end)
	require.Equal(t, 3, role.Canary.Version)
	require.Equal(t, 1, role.Active.Version)
}
