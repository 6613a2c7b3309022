package ondemand

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/registry"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/blob"
	"github.com/cogniverse/cogflow/internal/config"
	"github.com/cogniverse/cogflow/internal/modelserver"
	"github.com/cogniverse/cogflow/internal/serving/servingtest"
	"github.com/cogniverse/cogflow/panics"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/workers/adapterservers"
)

// base is the model of the fake of vLLM.
const base = "test/base"

// serveVLLM is the process of a fake of vLLM. It notes starts and loads in a file. While there is a file of
// this name with .hang, it does not answer a request to load an adapter.
func serveVLLM(address, notes string) {
	note := func(text string) {
		f, err := os.OpenFile(notes, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err != nil {
			panic(err)
		}
		if _, err := fmt.Fprintln(f, text); err != nil {
			panic(err)
		}
		_ = f.Close()
	}
	note(fmt.Sprintf("start %d", os.Getpid()))
	vllm := servingtest.New()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /health", func(http.ResponseWriter, *http.Request) {})
	mux.Handle("/v1/", vllm)
	mux.HandleFunc("POST /v1/load_lora_adapter", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(err)
		}
		note("load " + string(body))
		if _, err := os.Stat(notes + ".hang"); err == nil {
			select {}
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		vllm.ServeHTTP(w, r)
	})
	l, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", address)
	if err != nil {
		panic(err)
	}
	panic(http.Serve(l, mux)) //nolint:gosec // of a test
}

// vllm is a server on demand that loads adapters, and the store with the adapters.
type vllm struct {
	*Servers
	t        *testing.T
	notes    string
	store    activities.Store
	adapters *registry.Adapters
}

// newVLLM makes a server that listens at an address of the loopback interface, or at all addresses.
func newVLLM(t *testing.T, listens string) *vllm {
	t.Helper()
	o := options(t, "", base)
	s := &o.Config.Servers[0]
	v := &vllm{t: t, notes: filepath.Join(t.TempDir(), "notes")}
	s.Command = []string{os.Args[0], "vllm", listens + ":" + portOf(s.Ready), v.notes}
	o.Config.Training.Serving = []config.Server{
		{BaseModel: "another/base", URL: "http://10.0.0.1:" + portOf(s.Ready) + "/v1", AdaptersDir: t.TempDir()},
		{BaseModel: base, URL: o.Config.Endpoints[0].URL, AdaptersDir: t.TempDir()},
	}
	files, err := blob.Open(t.Context(), "file://"+t.TempDir())
	require.NoError(t, err)
	v.store = activities.Confined(files)
	under := adapterservers.New(o.Config, o.Getenv, o.Redactor, func(_, _, _ string) error { return nil })
	o.Restore = Restorer(files.Owners, &registry.Adapters{Store: v.store, Serving: under})
	o.outward = func() ([]string, error) { return []string{"127.0.0.3"}, nil }
	o.backoff = func(int) time.Duration { return 0 }
	v.Servers = open(t, o)
	v.adapters = &registry.Adapters{Store: v.store, Serving: v.Serving(under)}
	return v
}

// publish publishes a version as a job does.
func (v *vllm) publish(of tenant.ID, name string, rank int, change func(m *training.Adapter)) {
	v.t.Helper()
	ctx := activities.WithTenant(v.t.Context(), of)
	m := training.Adapter{Name: name, Role: name, Kind: training.KindAdapter, Job: rankedJob(rank)}
	m.Base.Name, m.Spec.Method = base, training.SFT
	if change != nil {
		change(&m)
	}
	var err error
	m.Version, _, err = registry.AdapterVersions(v.store, of).Reserve(ctx, name, registry.Reservation{Job: m.Job})
	require.NoError(v.t, err)
	prefix := training.AdapterPrefix(of, name, m.Version)
	for file, text := range map[string]string{"adapter_config.json": fmt.Sprintf(`{"peft_type":"LORA","r":%d}`, rank), "adapter_model.safetensors": "w"} {
		info, err := v.store.Put(ctx, prefix+file, strings.NewReader(text))
		require.NoError(v.t, err)
		m.Files = append(m.Files, training.CheckpointFile{Name: file, Size: info.Size, SHA256: info.SHA256})
	}
	require.NoError(v.t, activities.KeepFirst(ctx, v.store, prefix+training.ManifestName, m))
}

func rankedJob(rank int) string { return "job-" + strconv.Itoa(rank) }

// role changes a role as the activities of a workflow do, without a server.
func (v *vllm) role(of tenant.ID, do, name string, version int) {
	v.t.Helper()
	_, err := (&registry.Adapters{Store: v.store}).ChangeRole(activities.WithTenant(v.t.Context(), of),
		registry.RoleInput{Tenant: of, Role: name, Do: do, Name: name, Version: version})
	require.NoError(v.t, err)
}

func (v *vllm) warmed() {
	v.t.Helper()
	_, err := v.warm(v.t.Context(), "m", func(string) {})
	require.NoError(v.t, err)
}

// serves lists the models that the server serves now.
func (v *vllm) serves() (out []string) {
	v.t.Helper()
	r, err := http.NewRequestWithContext(v.t.Context(), http.MethodGet, v.Config.Endpoints[0].URL+"/models", nil)
	require.NoError(v.t, err)
	answer, err := http.DefaultClient.Do(r)
	require.NoError(v.t, err)
	defer answer.Body.Close()
	var list struct {
		Data []struct{ ID string }
	}
	require.NoError(v.t, json.NewDecoder(answer.Body).Decode(&list))
	for _, m := range list.Data {
		out = append(out, m.ID)
	}
	return out
}

// noted are the notes of the server that begin with a word.
func (v *vllm) noted(word string) (out []string) {
	text, err := os.ReadFile(v.notes)
	if !os.IsNotExist(err) {
		require.NoError(v.t, err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), word+" "); ok {
			out = append(out, rest)
		}
	}
	return out
}

// kill kills the process of the last start.
func (v *vllm) kill() {
	v.t.Helper()
	starts := v.noted("start")
	pid, err := strconv.Atoi(starts[len(starts)-1])
	require.NoError(v.t, err)
	require.NoError(v.t, syscall.Kill(pid, syscall.SIGKILL))
}

func (v *vllm) await(state modelserver.State) {
	v.t.Helper()
	require.Eventually(v.t, func() bool { return v.manager.Status("m").State == state }, time.Minute, 5*time.Millisecond)
}

// TestAdaptersAfterRestart: a server that is killed loads the active adapters of its base model again, of all
// tenants, under names with their versions, before it is used.
func TestAdaptersAfterRestart(t *testing.T) {
	t.Parallel()
	v := newVLLM(t, "127.0.0.1")
	v.publish("acme", "support", 8, nil)
	v.publish("acme", "support", 16, nil)
	v.publish("org:b", "sales", 8, nil)
	v.publish("org:b", "idle", 8, nil)
	v.publish("org:b", "other", 8, func(m *training.Adapter) { m.Base.Name = "another/base" })
	v.publish("org:b", "whole", 8, func(m *training.Adapter) { m.Kind = training.KindModel })
	v.role("acme", registry.DoActivate, "support", 1)
	v.role("acme", registry.DoActivate, "support", 2)
	for _, name := range []string{"sales", "other", "whole"} {
		v.role("org:b", registry.DoActivate, name, 1)
	}
	want := []string{base, "acme/support@2", "org:b/sales@1"}
	v.warmed()
	require.Equal(t, want, v.serves())

	v.kill()
	v.await(modelserver.Failed)
	v.role("org:b", registry.DoDeactivate, "sales", 0)
	release, err := v.Up(t.Context(), v.Config.Endpoints[0].Server(), func(string) {})
	require.NoError(t, err)
	defer release()
	require.Equal(t, want[:2], v.serves(), "the store says what is active")

	other := open(t, v.Options) // another worker process of the host
	_, err = other.warm(t.Context(), "m", func(string) {})
	require.NoError(t, err)
	require.Len(t, v.noted("start"), 2)
	require.Len(t, v.noted("load"), 3, "what is loaded is not loaded again")
}

// TestKilledWhileAdaptersLoad: the start fails, and the next one loads the adapter.
func TestKilledWhileAdaptersLoad(t *testing.T) {
	t.Parallel()
	v := newVLLM(t, "127.0.0.1")
	v.publish("acme", "support", 8, nil)
	v.role("acme", registry.DoActivate, "support", 1)
	require.NoError(t, os.WriteFile(v.notes+".hang", nil, 0o600))
	var group panics.Group
	group.Go(func() error {
		_, err := v.warm(t.Context(), "m", func(string) {})
		return err
	})
	require.Eventually(t, func() bool { return len(v.noted("load")) == 1 }, time.Minute, 5*time.Millisecond)
	require.Equal(t, modelserver.Booting, v.manager.Status("m").State, "no request is let through")
	o, asked := v.Options, 0
	o.Restore = nil
	ctx, cancel := context.WithCancel(t.Context())
	o.Ask = func(context.Context, string) error {
		if asked++; asked == 2 {
			cancel()
		}
		return nil
	}
	_, err := open(t, o).Up(ctx, v.Config.Endpoints[0].Server(), func(string) {})
	require.ErrorIs(t, err, context.Canceled, "another process does not use it either, although it answers")
	v.kill()
	err = group.Wait()
	require.Equal(t, fault.Transport, fault.ClassOf(err), "%v", err)
	require.ErrorContains(t, err, "signal 9")
	require.NoError(t, os.Remove(v.notes+".hang"))
	v.warmed()
	require.Equal(t, []string{base, "acme/support@1"}, v.serves())
}

// TestAdapterIsRefused: a server that cannot load an active adapter is not used, and the error names both.
func TestAdapterIsRefused(t *testing.T) {
	t.Parallel()
	v := newVLLM(t, "127.0.0.1")
	v.publish("acme", "wide", 64, nil)
	v.role("acme", registry.DoActivate, "wide", 1)
	_, err := v.Up(t.Context(), v.Config.Endpoints[0].Server(), func(string) {})
	require.Equal(t, fault.Input, fault.ClassOf(err), "%v", err)
	for _, text := range []string{`load adapters of model server "m"`, "acme/wide@1", "--max-lora-rank", "cogflow adapters deactivate wide --tenant acme"} {
		require.ErrorContains(t, err, text)
	}
	require.False(t, running(t.Context(), v.Config.Servers[0]))
	require.False(t, v.adapters.Serving.Restarts(t.Context(), base))

	v.role("acme", registry.DoDeactivate, "wide", 0)
	v.warmed()
	require.Equal(t, []string{base}, v.serves())
}

// TestExposedServer: a server that loads adapters is refused if other hosts reach it, because they could make it load
// files.
func TestExposedServer(t *testing.T) {
	t.Parallel()
	v := newVLLM(t, "0.0.0.0")
	_, err := v.warm(t.Context(), "m", func(string) {})
	require.Equal(t, fault.Input, fault.ClassOf(err), "%v", err)
	require.ErrorContains(t, err, "it listens at 127.0.0.3")
}

// TestActivate: an activation starts the server and loads the adapter. If the server dies before the role has
// changed, the change loads it again. A server that does not run has nothing to unload.
func TestActivate(t *testing.T) {
	t.Parallel()
	v := newVLLM(t, "127.0.0.1")
	v.publish("acme", "support", 8, nil)
	ctx := activities.WithTenant(t.Context(), "acme")
	in := registry.ServeInput{AdapterInput: registry.AdapterInput{Tenant: "acme", Name: "support", Version: 1}, Base: base}
	served, err := v.adapters.ServeAdapter(ctx, in)
	require.NoError(t, err)
	require.Equal(t, "acme/support@1", served.Name)
	require.Equal(t, []string{base, "acme/support@1"}, v.serves())

	v.kill()
	v.await(modelserver.Failed)
	v.warmed()
	require.Equal(t, []string{base}, v.serves(), "its role has not changed")
	change := registry.RoleInput{Tenant: "acme", Role: "support", Do: registry.DoActivate, Name: "support", Version: 1}
	_, err = v.adapters.ChangeRole(ctx, change)
	require.NoError(t, err)
	require.Equal(t, []string{base, "acme/support@1"}, v.serves())

	in.Stop = true
	_, err = v.adapters.ServeAdapter(ctx, in)
	require.NoError(t, err)
	require.Equal(t, []string{base}, v.serves())
	_, err = v.release(ctx, "m")
	require.NoError(t, err)
	for range 2 {
		_, err = v.adapters.ServeAdapter(ctx, in)
		require.NoError(t, err)
	}
	_, err = v.adapters.ChangeRole(ctx, change)
	require.NoError(t, err)
	require.Len(t, v.noted("start"), 2, "neither has started the server")
	require.True(t, v.adapters.Serving.Serves(ctx, base), "this worker can start it")
	require.True(t, v.adapters.Serving.Serves(ctx, "another/base"), "others run that server")
	require.False(t, v.adapters.Serving.Serves(ctx, "unknown"))
}
