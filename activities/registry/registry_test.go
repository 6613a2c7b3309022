package registry

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/activitytest"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/blob"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/training"
)

func newStore(t *testing.T) *activitytest.Store {
	t.Helper()
	files, err := blob.Open(t.Context(), "file://"+t.TempDir())
	require.NoError(t, err)
	return &activitytest.Store{Store: files}
}

// publishProgram publishes the next version of a program, as a job does.
func publishProgram(t *testing.T, s activities.Store, name, job string) int {
	t.Helper()
	versions := ProgramVersions(s, "default")
	version, done, err := versions.Reserve(t.Context(), name, Reservation{Job: job})
	require.NoError(t, err)
	require.False(t, done)
	require.NoError(t, activities.WriteJSON(t.Context(), s, versions.At(name, version)+SourceFile, map[string]string{"name": name}))
	release := prompt.Release{Name: name, Version: version, Job: job, Created: time.Unix(int64(version), 0).UTC()}
	require.NoError(t, activities.KeepFirst(t.Context(), s, versions.At(name, version)+training.ManifestName, release))
	return version
}

// publishAdapter publishes the next version of an adapter with the given files.
func publishAdapter(t *testing.T, s activities.Store, m training.Adapter, files map[string]string) training.Adapter {
	t.Helper()
	version, _, err := AdapterVersions(s, "default").Reserve(t.Context(), m.Name, Reservation{Job: m.Job})
	require.NoError(t, err)
	m.Version = version
	prefix := training.AdapterPrefix("default", m.Name, version)
	for name, text := range files {
		info, err := s.Put(t.Context(), prefix+name, strings.NewReader(text))
		require.NoError(t, err)
		m.Files = append(m.Files, training.CheckpointFile{Name: name, Size: info.Size, SHA256: info.SHA256})
	}
	require.NoError(t, activities.KeepFirst(t.Context(), s, prefix+training.ManifestName, m))
	return m
}

// TestReserveAtOnce: jobs that publish at the same time get different versions. A job that reserves
// again gets its version again.
func TestReserveAtOnce(t *testing.T) {
	t.Parallel()
	versions := ProgramVersions(newStore(t), "default")
	const jobs = 12
	var mu sync.Mutex
	of := map[int]string{}
	var all sync.WaitGroup
	for job := range jobs {
		for range 2 { // two attempts of one job, one of which has timed out
			all.Go(func() {
				version, done, err := versions.Reserve(t.Context(), "router", Reservation{Job: fmt.Sprint(job)})
				if err != nil || done {
					t.Errorf("version %d, done %v: %v", version, done, err)
				}
				mu.Lock()
				defer mu.Unlock()
				if before, taken := of[version]; taken && before != fmt.Sprint(job) {
					t.Errorf("version %d is of job %s and of %d", version, before, job)
				}
				of[version] = fmt.Sprint(job)
			})
		}
	}
	all.Wait()
	require.Len(t, of, jobs)
	for version, job := range of {
		again, done, err := versions.Reserve(t.Context(), "router", Reservation{Job: job})
		require.NoError(t, err)
		require.False(t, done)
		require.Equal(t, version, again)
	}
}

// TestReserveWithoutRoom: a reservation that could not be written leaves no version behind.
func TestReserveWithoutRoom(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	versions := ProgramVersions(s, "default")
	require.Equal(t, 1, publishProgram(t, s, "router", "a"))
	s.NoRoom = func(string) bool { return true }
	_, _, err := versions.Reserve(t.Context(), "router", Reservation{Job: "b"})
	require.Equal(t, fault.Capacity, fault.ClassOf(err), "%v", err)
	version, done, err := versions.Reserve(t.Context(), "router", Reservation{Job: "a"})
	require.NoError(t, err, "a published version needs no room")
	require.True(t, done)
	require.Equal(t, 1, version)
	s.NoRoom = nil
	require.Equal(t, 2, publishProgram(t, s, "router", "b"))
}

// TestOneJobWithTwoResults: a job that was stopped and later continued has a version for each
// result.
func TestOneJobWithTwoResults(t *testing.T) {
	t.Parallel()
	versions := AdapterVersions(newStore(t), "default")
	for range 2 {
		for want, mine := range []Reservation{{Job: "j", Ended: "stopped", Steps: 10}, {Job: "j", Ended: "done", Steps: 20}} {
			version, done, err := versions.Reserve(t.Context(), "support", mine)
			require.NoError(t, err)
			require.False(t, done, "nothing is published")
			require.Equal(t, want+1, version)
		}
	}
}

// TestPrograms: an incomplete version is not listed; the active version is shown before
// the latest, and status follows each change of the role.
func TestPrograms(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	a := &Programs{Store: s}
	for _, job := range []string{"a", "b", "c"} {
		publishProgram(t, s, "router", job)
	}
	publishProgram(t, s, "other", "d")
	_, _, err := ProgramVersions(s, "default").Reserve(t.Context(), "router", Reservation{Job: "half"})
	require.NoError(t, err)
	list := func(name string) string {
		out, err := activitytest.Run(t, a.ListPrograms, ListProgramsInput{Tenant: "default", Name: name})
		require.NoError(t, err)
		var text []string
		for _, p := range out.Programs {
			text = append(text, fmt.Sprintf("%s@%d %s %d", p.Name, p.Version, p.Status, p.Share))
		}
		return strings.Join(text, ", ")
	}
	show := func(in ProgramInput) (ProgramDetail, error) {
		in.Tenant, in.Name = "default", "router"
		return activitytest.Run(t, a.ShowProgram, in)
	}
	change := func(in RoleInput) (training.Role, error) {
		in.Tenant, in.Role, in.Name = "default", "router", "router"
		return activitytest.Run(t, a.ChangeProgram, in)
	}
	require.Equal(t, "other@1 inactive 0, router@3 inactive 0, router@2 inactive 0, router@1 inactive 0", list(""))
	got, err := show(ProgramInput{})
	require.NoError(t, err)
	require.Equal(t, 3, got.Version)
	_, err = show(ProgramInput{Version: 4})
	require.Equal(t, fault.Input, activitytest.ClassOf(err), "%v", err)
	require.ErrorContains(t, err, "router@4")
	_, err = change(RoleInput{Do: DoActivate, Version: 4})
	require.Equal(t, fault.Input, activitytest.ClassOf(err), "the version is incomplete: %v", err)

	first, err := change(RoleInput{Do: DoActivate, Version: 1})
	require.NoError(t, err)
	_, err = change(RoleInput{Do: DoActivate, Version: 2})
	require.NoError(t, err)
	role, err := change(RoleInput{Do: DoCanary, Version: 3, Share: 20})
	require.NoError(t, err)
	require.Equal(t, "router@3 canary 20, router@2 active 0, router@1 deprecated 0", list("router"))
	got, err = show(ProgramInput{})
	require.NoError(t, err)
	require.Equal(t, 2, got.Version)
	got, err = show(ProgramInput{Latest: true})
	require.NoError(t, err)
	require.Equal(t, 3, got.Version)

	back := RoleInput{Do: DoRollback, Seen: role.Active}
	for range 2 { // the second call repeats the first, whose result was lost
		role, err = change(back)
		require.NoError(t, err)
		require.Equal(t, 1, role.Active.Version, "only one rollback happens")
	}
	require.Equal(t, first.Active.Name, role.Active.Name)
	_, err = change(RoleInput{Do: "something"})
	require.Equal(t, fault.Input, activitytest.ClassOf(err))
	read, err := activitytest.Run(t, a.ReadProgramRole, RoleInput{Tenant: "default", Role: "router"})
	require.NoError(t, err)
	require.Equal(t, role, read)
}

// TestRoleWithoutRoom: a change that could not be stored has no effect.
func TestRoleWithoutRoom(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	a := &Programs{Store: s}
	publishProgram(t, s, "router", "a")
	publishProgram(t, s, "router", "b")
	change := func(version int) (training.Role, error) {
		return activitytest.Run(t, a.ChangeProgram, RoleInput{Tenant: "default", Role: "router", Name: "router", Do: DoActivate, Version: version})
	}
	for version := 1; version <= 2; version++ { // the role is created, then replaced
		s.NoRoom = func(string) bool { return true }
		_, err := change(version)
		require.Equal(t, fault.Capacity, activitytest.ClassOf(err), "%v", err)
		role, _, err := readRole(t.Context(), s, programRole("default", "router"), "router")
		require.NoError(t, err)
		require.Len(t, role.History, 0)
		require.Equal(t, version == 1, role.Active == nil)
		s.NoRoom = nil
		role, err = change(version)
		require.NoError(t, err)
		require.Equal(t, version, role.Active.Version)
	}
}

// TestAdapters: published adapters are listed and shown, by role, with their status.
func TestAdapters(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	a := &Adapters{Store: s}
	for _, m := range []training.Adapter{{Name: "support", Role: "support", Job: "a"}, {Name: "support", Role: "support", Job: "b"}, {Name: "sales", Role: "sales", Job: "c"}} {
		publishAdapter(t, s, m, map[string]string{"weights": "0123456789", "README.md": "card"})
	}
	change := func(in RoleInput) (training.Role, error) {
		in.Tenant, in.Role, in.Name = "default", "support", "support"
		return activitytest.Run(t, a.ChangeRole, in)
	}
	_, err := change(RoleInput{Do: DoActivate, Version: 1})
	require.NoError(t, err)
	list := func(in ListAdaptersInput) []AdapterLine {
		in.Tenant = "default"
		out, err := activitytest.Run(t, a.ListAdapters, in)
		require.NoError(t, err)
		require.False(t, out.More)
		return out.Adapters
	}
	all := list(ListAdaptersInput{})
	require.Len(t, all, 3)
	require.EqualValues(t, 14, all[0].Bytes)
	require.Equal(t, []string{"sales", "support", "support"}, []string{all[0].Name, all[1].Name, all[2].Name})
	require.Equal(t, []string{statusInactive, statusInactive, StatusActive}, []string{all[0].Status, all[1].Status, all[2].Status})
	require.Len(t, list(ListAdaptersInput{Role: "sales"}), 1)
	require.Len(t, list(ListAdaptersInput{Name: "support"}), 2)
	require.Empty(t, list(ListAdaptersInput{Name: "support", Role: "sales"}))

	show := func(in AdapterInput) (AdapterDetail, error) {
		in.Tenant, in.Name = "default", "support"
		return activitytest.Run(t, a.ShowAdapter, in)
	}
	for _, c := range []struct {
		in   AdapterInput
		want int
	}{{AdapterInput{}, 1}, {AdapterInput{Latest: true}, 2}, {AdapterInput{Version: 2}, 2}} {
		got, err := show(c.in)
		require.NoError(t, err)
		require.Equal(t, c.want, got.Version)
	}
	_, err = show(AdapterInput{Version: 9})
	require.Equal(t, fault.Input, activitytest.ClassOf(err), "%v", err)
	_, err = change(RoleInput{Do: DoDeactivate})
	require.NoError(t, err)
	got, err := show(AdapterInput{})
	require.NoError(t, err)
	require.Equal(t, 2, got.Version, "without an active version, the latest is shown")
	role, err := activitytest.Run(t, a.ReadRole, RoleInput{Tenant: "default", Role: "support"})
	require.NoError(t, err)
	require.Nil(t, role.Active)
}

// modelServer takes adapters of one base model from its directory.
type modelServer struct {
	dir    string
	fails  error
	loaded map[string]string // the weights, by name
}

func (m *modelServer) Serves(_ context.Context, base string) bool   { return base == "base" }
func (m *modelServer) Restarts(_ context.Context, base string) bool { return base == "base" }
func (m *modelServer) Dir(string) string                            { return m.dir }

func (m *modelServer) Load(_ context.Context, _, name, dir string, _ bool) error {
	if m.fails != nil {
		return m.fails
	}
	weights, err := os.ReadFile(filepath.Join(dir, "weights"))
	m.loaded[name] = string(weights)
	return err
}

func (m *modelServer) Unload(_ context.Context, _, name string) error {
	delete(m.loaded, name)
	return m.fails
}

// cutStore breaks off the reading of a key, as a lost connection does.
type cutStore struct {
	activities.Store
	key string
}

type cutReader struct {
	io.Reader
	io.Closer
}

func (cutReader) Read([]byte) (int, error) {
	return 0, fault.New(fault.Transport, "read object", "", "the connection broke off")
}

func (s *cutStore) Get(ctx context.Context, key string) (io.ReadCloser, object.Info, error) {
	r, info, err := s.Store.Get(ctx, key)
	if err == nil && strings.HasSuffix(key, s.key) && s.key != "" {
		return cutReader{r, r}, info, nil
	}
	return r, info, err
}

// TestServeAdapter: a server gets a whole adapter or none, also from an attempt that breaks off. An
// attempt whose result was lost can be repeated.
func TestServeAdapter(t *testing.T) {
	t.Parallel()
	s := &cutStore{Store: newStore(t)}
	server := &modelServer{dir: t.TempDir(), loaded: map[string]string{}}
	a := &Adapters{Store: s, Serving: server}
	files := map[string]string{"config.json": "{}", "weights": "w", "last/weights": "of the last step"}
	m := publishAdapter(t, s, training.Adapter{Name: "support", Role: "support", Kind: training.KindAdapter, Job: "a"}, files)
	whole := publishAdapter(t, s, training.Adapter{Name: "whole", Role: "whole", Kind: training.KindModel, Job: "b"}, files)
	serve := func(name, base string, stop bool) (Served, error) {
		return activitytest.Run(t, a.ServeAdapter, ServeInput{
			AdapterInput: AdapterInput{Tenant: "default", Name: name, Version: m.Version}, Base: base, Stop: stop,
		})
	}
	got, err := serve("support", "another base", false)
	require.NoError(t, err)
	require.Empty(t, got.Name)
	_, err = serve(whole.Name, "base", false)
	require.Equal(t, fault.Input, activitytest.ClassOf(err), "%v", err)
	_, err = serve("missing", "base", false)
	require.Equal(t, fault.Input, activitytest.ClassOf(err), "%v", err)

	s.key = "/weights"
	_, err = serve("support", "base", false)
	require.Equal(t, fault.Transport, activitytest.ClassOf(err), "%v", err)
	left, err := os.ReadDir(filepath.Join(server.dir, "default", "support"))
	require.NoError(t, err)
	require.Empty(t, left, "a server never finds an incomplete adapter")
	require.Empty(t, server.loaded)

	s.key, server.fails = "", fault.New(fault.Overload, "load adapter", "support", "the server is busy")
	_, err = serve("support", "base", false)
	require.Equal(t, fault.Overload, activitytest.ClassOf(err), "%v", err)
	server.fails = nil
	for range 2 {
		got, err = serve("support", "base", false)
		require.NoError(t, err)
		require.Equal(t, "default/support@1", got.Name)
		require.Equal(t, map[string]string{"default/support@1": "w"}, server.loaded)
	}
	require.NoFileExists(t, filepath.Join(server.dir, "default", "support", "1", "last", "weights"))
	for range 2 {
		_, err = serve("support", "base", true)
		require.NoError(t, err)
		require.Empty(t, server.loaded)
	}
}

// TestComplaint39: a server never gets a second adapter under a name that it has served, so answers
// that it keeps for the first one are not served for the second.
func TestComplaint39(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	server := &modelServer{dir: t.TempDir(), loaded: map[string]string{}}
	a := &Adapters{Store: s, Serving: server}
	for _, weights := range []string{"first", "second"} {
		m := publishAdapter(t, s, training.Adapter{Name: "support", Role: "support", Kind: training.KindAdapter, Job: weights}, map[string]string{"weights": weights})
		got, err := activitytest.Run(t, a.ServeAdapter, ServeInput{AdapterInput: AdapterInput{Tenant: "default", Name: "support", Version: m.Version}, Base: "base"})
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf("default/support@%d", m.Version), got.Name)
		require.Equal(t, weights, server.loaded[got.Name])
	}
	require.Len(t, server.loaded, 2, "both versions have names of their own")
}
