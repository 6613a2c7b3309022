package registry

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities/activitytest"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/blob"
	"github.com/cogniverse/cogflow/training"
)

// damagedStore returns a store and a function that damages an object as a plain copy does:
// its content is complete, but its checksum is lost.
func damagedStore(t *testing.T) (*activitytest.Store, func(key string)) {
	t.Helper()
	dir := t.TempDir()
	files, err := blob.Open(t.Context(), "file://"+dir)
	require.NoError(t, err)
	return &activitytest.Store{Store: files}, func(key string) {
		t.Helper()
		path := filepath.Join(dir, filepath.FromSlash(key))
		data, err := os.ReadFile(path)
		require.NoError(t, err)
		require.NoError(t, os.Remove(path))
		require.NoError(t, os.WriteFile(path, data, 0o600))
	}
}

// requireDamaged: the error names what is damaged and how to repair it, and is not retried.
func requireDamaged(t *testing.T, err error, subject string) {
	t.Helper()
	require.Equal(t, fault.Input, activitytest.ClassOf(err), "%v", err)
	require.ErrorContains(t, err, subject)
	require.ErrorContains(t, err, "store check --repair")
}

// TestDamagedAdapters: a damaged version is listed as damaged and does not hide others. It is skipped
// only where it cannot be the requested version.
func TestDamagedAdapters(t *testing.T) {
	t.Parallel()
	s, damage := damagedStore(t)
	a := &Adapters{Store: s}
	for _, m := range []training.Adapter{{Name: "support", Role: "support", Job: "a"}, {Name: "support", Role: "support", Job: "b"}, {Name: "sales", Role: "sales", Job: "c"}} {
		publishAdapter(t, s, m, map[string]string{"weights": "0123456789"})
	}
	change := func(name string, version int) error {
		_, err := activitytest.Run(t, a.ChangeRole, RoleInput{Tenant: "default", Role: name, Do: DoActivate, Name: name, Version: version})
		return err
	}
	list := func(role string) string {
		t.Helper()
		out, err := activitytest.Run(t, a.ListAdapters, ListAdaptersInput{Tenant: "default", Role: role})
		require.NoError(t, err)
		var text []string
		for _, l := range out.Adapters {
			text = append(text, reference(l.Name, l.Version)+" "+l.Status)
		}
		return strings.Join(text, ", ")
	}
	show := func(in AdapterInput) (int, error) {
		in.Tenant, in.Name = "default", "support"
		d, err := activitytest.Run(t, a.ShowAdapter, in)
		return d.Version, err
	}
	damage(training.AdapterPrefix("default", "support", 2) + training.ManifestName)
	require.Equal(t, "sales@1 inactive, support@2 damaged, support@1 inactive", list(""))
	require.Equal(t, "support@2 damaged, support@1 inactive", list("support"))
	got, err := show(AdapterInput{})
	require.NoError(t, err)
	require.Equal(t, 1, got)
	_, err = show(AdapterInput{Latest: true})
	requireDamaged(t, err, "support@2")
	_, err = show(AdapterInput{Version: 2})
	requireDamaged(t, err, "support@2")
	require.NoError(t, change("support", 2))
	_, err = show(AdapterInput{})
	requireDamaged(t, err, "support@2")
	require.NoError(t, change("support", 1))
	got, err = show(AdapterInput{})
	require.NoError(t, err)
	require.Equal(t, 1, got)

	damage(training.RoleKey("default", "support"))
	require.NoError(t, change("sales", 1))
	require.Equal(t, "sales@1 active, support@2 damaged, support@1 damaged", list(""))
	requireDamaged(t, change("support", 1), `"support"`)
	damage(training.AdapterPrefix("default", "support", 1) + training.ManifestName)
	_, err = show(AdapterInput{})
	requireDamaged(t, err, "support@2")
}

// TestDamagedPrograms is TestDamagedAdapters for programs; one without its source is damaged
// too.
func TestDamagedPrograms(t *testing.T) {
	t.Parallel()
	s, damage := damagedStore(t)
	a := &Programs{Store: s}
	for _, job := range []string{"a", "b", "c"} {
		publishProgram(t, s, "router", job)
	}
	publishProgram(t, s, "other", "d")
	list := func() string {
		t.Helper()
		out, err := activitytest.Run(t, a.ListPrograms, ListProgramsInput{Tenant: "default"})
		require.NoError(t, err)
		var text []string
		for _, l := range out.Programs {
			text = append(text, reference(l.Name, l.Version)+" "+l.Status)
		}
		return strings.Join(text, ", ")
	}
	show := func(in ProgramInput) (int, error) {
		in.Tenant, in.Name = "default", "router"
		d, err := activitytest.Run(t, a.ShowProgram, in)
		return d.Version, err
	}
	versions := ProgramVersions(s, "default")
	damage(versions.At("router", 3) + training.ManifestName)
	require.NoError(t, s.Delete(t.Context(), versions.At("router", 2)+SourceFile))
	require.Equal(t, "other@1 inactive, router@3 damaged, router@2 damaged, router@1 inactive", list())
	got, err := show(ProgramInput{})
	require.NoError(t, err)
	require.Equal(t, 1, got)
	for _, in := range []ProgramInput{{Latest: true}, {Version: 3}} {
		_, err = show(in)
		requireDamaged(t, err, "router@3")
	}
	_, err = show(ProgramInput{Version: 2})
	require.ErrorContains(t, err, "router@2")
	require.Equal(t, fault.Input, activitytest.ClassOf(err))
	_, err = activitytest.Run(t, a.ChangeProgram, RoleInput{Tenant: "default", Role: "router", Do: DoActivate, Name: "router", Version: 3})
	requireDamaged(t, err, "router@3")
	_, err = activitytest.Run(t, a.ChangeProgram, RoleInput{Tenant: "default", Role: "router", Do: DoActivate, Name: "router", Version: 1})
	require.NoError(t, err)
	damage(programRole("default", "router"))
	require.Equal(t, "other@1 inactive, router@3 damaged, router@2 damaged, router@1 damaged", list())
	damage(versions.At("router", 1) + training.ManifestName)
	_, err = show(ProgramInput{Version: 1})
	requireDamaged(t, err, "router@1")
}
