package workflows_test

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities/optimize"
	"github.com/cogniverse/cogflow/activities/registry"
	"github.com/cogniverse/cogflow/training"
	optimizeflow "github.com/cogniverse/cogflow/workflows/optimize"
)

// role runs a workflow that changes what is active.
func (s *optimizeWorld) role(name string, in optimizeflow.ProgramInput) (training.Role, error) {
	env := s.environment()
	env.ExecuteWorkflow(name, in)
	var out training.Role
	if err := env.GetWorkflowError(); err != nil {
		return out, err
	}
	return out, env.GetWorkflowResult(&out)
}

// versions lists the versions of the program quiz with their status, the latest first.
func (s *optimizeWorld) versions() (out []string) {
	env := s.environment()
	env.ExecuteWorkflow("ListPrograms", optimizeflow.ListProgramsInput{Name: "quiz"})
	var list registry.ProgramList
	require.NoError(s.t, env.GetWorkflowError())
	require.NoError(s.t, env.GetWorkflowResult(&list))
	for _, l := range list.Programs {
		out = append(out, l.Status)
		require.Equal(s.t, l.Status == "canary", l.Share > 0)
	}
	return out
}

func TestCanaryProgram(t *testing.T) {
	t.Parallel()
	s := newOptimizeWorld(t)
	for _, mode := range []string{optimize.ModeCompat, optimize.ModeImproved} {
		out, err := s.run(optimizeInput(mode))
		require.NoError(t, err)
		require.True(t, out.Promoted)
	}
	require.Equal(t, []string{"active", "deprecated"}, s.versions())
	canary := func(version, share int) (training.Role, error) {
		return s.role("CanaryProgram", optimizeflow.ProgramInput{Name: "quiz", Version: version, Share: share})
	}
	for _, bad := range []struct {
		in   optimizeflow.ProgramInput
		want string
	}{
		{optimizeflow.ProgramInput{Name: "quiz", Version: 1, Share: 101}, "from 1 to 100"},
		{optimizeflow.ProgramInput{Name: "quiz", Version: 1, Share: -1}, "from 1 to 100"},
		{optimizeflow.ProgramInput{Name: "quiz", Version: 2, Share: 10}, `"quiz@2": it is the active version`},
		{optimizeflow.ProgramInput{Name: "quiz", Share: 10}, `"quiz@2": it is the active version`}, // the latest
		{optimizeflow.ProgramInput{Name: "quiz", Version: 9, Share: 10}, `"quiz@9": not found`},
		{optimizeflow.ProgramInput{Name: "nothing", Version: 1, Share: 10}, `"nothing@1": not found`},
		{optimizeflow.ProgramInput{Share: 10}, "name"},
	} {
		_, err := s.role("CanaryProgram", bad.in)
		require.ErrorContains(t, err, bad.want)
		require.ErrorContains(t, err, "type: input")
	}
	_, err := s.role("PromoteProgram", optimizeflow.ProgramInput{Name: "quiz", Version: 1, Share: 10})
	require.ErrorContains(t, err, "only CanaryProgram takes one", "a share given by mistake does not promote")

	role, err := canary(1, 10)
	require.NoError(t, err)
	require.Equal(t, 2, role.Active.Version)
	require.Equal(t, 1, role.Canary.Version)
	require.Equal(t, []string{"active", "canary"}, s.versions())
	shown, err := s.programs().ShowProgram(t.Context(), registry.ProgramInput{Tenant: "default", Name: "quiz"})
	require.NoError(t, err)
	require.Equal(t, 2, shown.Version, "what is active is not the canary")
	require.Equal(t, 10, shown.Canary.Share)
	require.Equal(t, 2, shown.Active.Version)

	_, err = canary(2, 0)
	require.ErrorContains(t, err, "the canary is version 1, not 2")
	for range 2 { // once more ends nothing
		role, err = canary(0, 0)
		require.NoError(t, err)
		require.Nil(t, role.Canary)
		require.Equal(t, []string{"active", "deprecated"}, s.versions())
	}

	_, err = canary(1, 100)
	require.NoError(t, err)
	role, err = s.role("PromoteProgram", optimizeflow.ProgramInput{Name: "quiz", Version: 1})
	require.NoError(t, err)
	require.Nil(t, role.Canary, "it is active now")
	require.Equal(t, []string{"deprecated", "active"}, s.versions())
	_, err = canary(2, 30)
	require.NoError(t, err)
	role, err = s.role("RollbackProgram", optimizeflow.ProgramInput{Name: "quiz"})
	require.NoError(t, err)
	require.Equal(t, 2, role.Active.Version)
	require.Nil(t, role.Canary)
}

// TestCanaryOfAWorseVersion: a version that is not better requires force, and a canary
// requires an active version.
func TestCanaryOfAWorseVersion(t *testing.T) {
	t.Parallel()
	s := newOptimizeWorld(t)
	s.models.helps = false
	for _, mode := range []string{optimize.ModeCompat, optimize.ModeImproved} {
		out, err := s.run(optimizeInput(mode))
		require.NoError(t, err)
		require.False(t, out.Promoted)
	}
	in := optimizeflow.ProgramInput{Name: "quiz", Version: 2, Share: 10}
	_, err := s.role("CanaryProgram", in)
	require.ErrorContains(t, err, "force makes it the canary anyway")
	in.Force = true
	_, err = s.role("CanaryProgram", in)
	require.ErrorContains(t, err, "no version is active")
	_, err = s.role("PromoteProgram", optimizeflow.ProgramInput{Name: "quiz", Version: 1, Force: true})
	require.NoError(t, err)
	role, err := s.role("CanaryProgram", in)
	require.NoError(t, err)
	require.Equal(t, 2, role.Canary.Version)
}

// TestCanaryAtOnce: concurrent changes of a program do not overwrite each other.
func TestCanaryAtOnce(t *testing.T) {
	t.Parallel()
	s := newOptimizeWorld(t)
	for _, mode := range []string{optimize.ModeCompat, optimize.ModeImproved} {
		_, err := s.run(optimizeInput(mode))
		require.NoError(t, err)
	}
	var all sync.WaitGroup
	roles := make([]training.Role, 16)
	for i := range roles {
		all.Go(func() {
			name, share := "PromoteProgram", 0
			if i%2 == 0 {
				name, share = "CanaryProgram", 1+i
			}
			roles[i], _ = s.role(name, optimizeflow.ProgramInput{Name: "quiz", Version: 1 + i/2%2, Share: share})
		})
	}
	all.Wait()
	for _, r := range roles {
		require.False(t, r.Canary != nil && r.Canary.Version == r.Active.Version, "%v", r)
	}
	now, err := s.programs().ReadProgramRole(t.Context(), registry.RoleInput{Tenant: "default", Role: "quiz"})
	require.NoError(t, err)
	require.False(t, now.Canary != nil && now.Canary.Version == now.Active.Version, "%v", now)
}
