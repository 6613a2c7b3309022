package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/activities"
	"github.com/cogniverse/cogflow/activities/optimize"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/blob"
	"github.com/cogniverse/cogflow/internal/config"
	"github.com/cogniverse/cogflow/internal/devserver"
	"github.com/cogniverse/cogflow/object"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/tenant"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/training/estimate"
	"github.com/cogniverse/cogflow/workers/draining"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/ingest"
)

// tenantStack is a worker in this process that serves two tenants. While it watches, it records
// every access to data of the second tenant; only the setup of a test starts its workflows.
type tenantStack struct {
	*stack
	store activities.Store
	dirs  map[tenant.ID]string // where the tenants keep their files
	batch string               // id of a batch of frames of ownTenant

	mu      sync.Mutex
	watched bool
	touched []string // recorded accesses to the second tenant
}

// The tenants: ownTenant starts everything, otherTenant owns data that must not be accessed.
const (
	ownTenant   = "a"
	otherTenant = "b"
)

func (a *tenantStack) note(format string, args ...any) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.watched && len(a.touched) < 50 {
		a.touched = append(a.touched, fmt.Sprintf(format, args...))
	}
}

func (a *tenantStack) watch() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.watched = true
}

// newTenantStack starts the server; serve starts the worker.
func newTenantStack(t *testing.T) *tenantStack {
	t.Helper()
	a := &tenantStack{stack: newStack(t, nil), dirs: map[tenant.ID]string{ownTenant: t.TempDir(), otherTenant: t.TempDir()}}
	tiny(t, filepath.Join(a.dirs[ownTenant], "own.mp4"), 2)
	tiny(t, filepath.Join(a.dirs[otherTenant], "other.mp4"), 3)
	require.NoError(t, os.Mkdir(filepath.Join(a.dirs[otherTenant], "long"), 0o755))
	tiny(t, filepath.Join(a.dirs[otherTenant], "long", "long.mp4"), 3000)
	var err error
	a.store, err = blob.Open(t.Context(), "file://"+filepath.Join(a.dir, "store"))
	require.NoError(t, err)
	a.batch = string(storeBatch(t, a.store, ownTenant, 1))
	return a
}

// serve serves every pool, as cogflow-worker does. Its trainer and its language models reject
// all calls.
func (a *tenantStack) serve() {
	a.t.Helper()
	sources, err := json.Marshal(map[string][]string{ownTenant: {a.dirs[ownTenant]}, otherTenant: {a.dirs[otherTenant]}})
	require.NoError(a.t, err)
	env := map[string]string{
		"COGFLOW_STORE": "file://" + filepath.Join(a.dir, "store"), "COGFLOW_INDEX": filepath.Join(a.dir, "index.db"),
		"COGFLOW_LEDGER": filepath.Join(a.dir, "ledger.db"), "COGFLOW_SCRATCH": filepath.Join(a.dir, "tmp"),
		"COGFLOW_SOURCES": string(sources), "COGFLOW_TESSERACT": "none",
	}
	getenv := func(name string) string { return env[name] }
	c, err := config.Load(getenv)
	require.NoError(a.t, err)
	require.NoError(a.t, devserver.Register(a.t.Context(), a.client, client.DefaultNamespace))
	served := pools()
	h, closeAll, err := wire(a.t.Context(), c, getenv, served, "cpu", a.client, true, nil, draining.Limit{})
	require.NoError(a.t, err)
	a.t.Cleanup(func() { require.NoError(a.t, closeAll()) })
	store := activities.Confined(watchedStore{a.store, a})
	h.ingest.Store, h.frames.Store, h.train.Store, h.optimize.Store = store, store, store, store
	h.train.Models, h.train.Trainer = oneModel{}, noTrainer{}
	h.optimize.LM = noLM{}
	h.optimize.Models = func() (optimize.RoleModels, error) {
		m := prompt.Model{Name: "m"}
		return optimize.RoleModels{Student: m, Teacher: m, Proposer: m, Judge: m}, nil
	}
	h.hosts = &activities.Servers{
		List: func(context.Context, activities.ServerInput) (activities.WorkerHost, error) {
			return activities.WorkerHost{}, nil
		},
		Warm: func(context.Context, string, func(string)) (activities.Warmed, error) {
			return activities.Warmed{}, nil
		},
		Release: func(context.Context, string) (activities.ReleasedServer, error) {
			return activities.ReleasedServer{}, nil
		},
	}
	var started []worker.Worker
	for _, p := range append(hostPool(h), served...) {
		options := workerOptions(p, nil, make(chan error, 1))
		options.Interceptors = append(options.Interceptors, &watchedRuns{tenantStack: a})
		w := worker.New(a.client, p.queue("cpu"), options)
		p.register(w, h)
		require.NoError(a.t, w.Start())
		started = append(started, w)
	}
	a.t.Cleanup(func() { stopAll(started) })
}

// watchedStore records accesses to objects of the second tenant, including reads.
type watchedStore struct {
	activities.Store
	tenantStack *tenantStack
}

func (s watchedStore) see(what, key string) {
	if !strings.HasPrefix(key, ownTenant+"/") && !strings.HasPrefix(key, string(tenant.Default)+"/health/") {
		s.tenantStack.note("%s %q", what, key)
	}
}

func (s watchedStore) Put(ctx context.Context, key string, r io.Reader) (object.Info, error) {
	s.see("put", key)
	return s.Store.Put(ctx, key, r)
}

func (s watchedStore) Create(ctx context.Context, key string, r io.Reader) (object.Info, error) {
	s.see("create", key)
	return s.Store.Create(ctx, key, r)
}

func (s watchedStore) Replace(ctx context.Context, key, sum string, r io.Reader) (object.Info, error) {
	s.see("replace", key)
	return s.Store.Replace(ctx, key, sum, r)
}

func (s watchedStore) DeleteIf(ctx context.Context, key, sum string) error {
	s.see("delete", key)
	return s.Store.DeleteIf(ctx, key, sum)
}

func (s watchedStore) Get(ctx context.Context, key string) (io.ReadCloser, object.Info, error) {
	s.see("get", key)
	return s.Store.Get(ctx, key)
}

func (s watchedStore) Stat(ctx context.Context, key string) (object.Info, error) {
	s.see("stat", key)
	return s.Store.Stat(ctx, key)
}

func (s watchedStore) List(ctx context.Context, prefix string, yield func(object.Info) error) error {
	s.see("list", prefix)
	return s.Store.List(ctx, prefix, yield)
}

func (s watchedStore) Delete(ctx context.Context, key string) error {
	s.see("delete", key)
	return s.Store.Delete(ctx, key)
}

// watchedRuns records workflows and activities that run for the second tenant.
type watchedRuns struct {
	interceptor.WorkerInterceptorBase
	tenantStack *tenantStack
}

func (w *watchedRuns) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	i := &watchedActivity{tenantStack: w.tenantStack}
	i.Next = next
	return i
}

type watchedActivity struct {
	interceptor.ActivityInboundInterceptorBase
	tenantStack *tenantStack
}

func (w *watchedActivity) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	for _, arg := range in.Args {
		if t := tenantOf(arg); t != "" && t != ownTenant {
			w.tenantStack.note("activity for %q: %+v", t, arg)
		}
	}
	return w.Next.ExecuteActivity(ctx, in)
}

func (w *watchedRuns) InterceptWorkflow(_ workflow.Context, next interceptor.WorkflowInboundInterceptor) interceptor.WorkflowInboundInterceptor {
	i := &watchedWorkflow{tenantStack: w.tenantStack}
	i.Next = next
	return i
}

type watchedWorkflow struct {
	interceptor.WorkflowInboundInterceptorBase
	tenantStack *tenantStack
}

func (w *watchedWorkflow) ExecuteWorkflow(ctx workflow.Context, in *interceptor.ExecuteWorkflowInput) (any, error) {
	parent := workflow.GetInfo(ctx).ParentWorkflowExecution
	for _, arg := range in.Args {
		if t := tenantOf(arg); t == otherTenant && parent != nil { // a start may have any tenant; see docs/explanation/trust.md
			w.tenantStack.note("child workflow for %q: %+v", t, arg)
		}
	}
	return w.Next.ExecuteWorkflow(ctx, in)
}

func tenantOf(in any) string {
	v := reflect.Indirect(reflect.ValueOf(in))
	if v.Kind() != reflect.Struct {
		return ""
	}
	if f := v.FieldByName("Tenant"); f.IsValid() && f.Kind() == reflect.String {
		return f.String()
	}
	if f := v.FieldByName("Report"); f.IsValid() && f.Kind() == reflect.Struct {
		return tenantOf(f.Interface())
	}
	return ""
}

// oneModel is a folder of models with one base model.
type oneModel struct{}

func (oneModel) Find(_ context.Context, name string) (training.Model, error) {
	if name != "m" {
		return training.Model{}, fault.New(fault.Input, "find base model", name, "not found")
	}
	return training.Model{Name: name, Repo: "m", Revision: strings.Repeat("a", 40), Path: "/models/m"}, nil
}

func (oneModel) Shape(context.Context, training.Model) (estimate.Shape, error) {
	return estimate.Shape{
		Architecture: "llama", Parameters: 1000, WeightBytes: 4000, Layers: 2, Hidden: 64, Intermediate: 128, Heads: 4,
		KVHeads: 2, Vocab: 256, MaxPositions: 2048, Linear: []estimate.Linear{
			{Name: "model.layers.*.self_attn.q_proj", In: 64, Out: 64, Count: 2},
			{Name: "model.layers.*.self_attn.v_proj", In: 64, Out: 32, Count: 2},
		},
	}, nil
}

type noTrainer struct{}

func (noTrainer) Run(context.Context, training.Job, string, io.Writer, <-chan struct{}, func(training.Event) error) error {
	return fault.New(fault.Input, "train", "", "this test does not train")
}

type noLM struct{}

func (noLM) Limit(string) int { return 1 }

func (noLM) Complete(context.Context, prompt.Completion) (prompt.CompletionAnswer, error) {
	return prompt.CompletionAnswer{}, fault.New(fault.Input, "ask", "m", "this test does not ask")
}

// otherData are names of data of the second tenant that a forged input can contain.
type otherData struct {
	video, dataset, listing, job, recipe string
	library                              string // id of its workflow, which has a child
}

const (
	otherRun = "11111111-2222-3333-4444-555555555555"
	otherSum = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
	otherJob = "bbbbbbbbbbbbbbbbbbbbbbbb"
)

// storeOther stores the data of the second tenant, except for its videos.
func (a *tenantStack) storeOther() otherData {
	a.t.Helper()
	f := otherData{dataset: otherSum, job: otherJob, listing: otherTenant + "/listings/" + otherRun + "/", library: "library-of-b"}
	rows := `{"prompt":"a","completion":"b"}` + "\n"
	for key, text := range map[string]string{
		f.listing + "000000.json":                                          `["` + filepath.Join(a.dirs[otherTenant], "other.mp4") + `"]`,
		training.UploadKey(otherTenant, f.dataset):                         rows,
		training.DatasetKey(otherTenant, f.dataset):                        rows,
		training.CheckpointPrefix(otherTenant, f.job, 7) + "manifest.json": `{"step":7}`,
		training.OutputPrefix(otherTenant, f.job) + "manifest.json":        `{}`,
		training.ClaimKey(otherTenant, f.job):                              `{"workflow":"x"}`,
		training.AdapterPrefix(otherTenant, "of-b", 1) + "job.json":        `{"job":"` + f.job + `"}`,
		training.AdapterPrefix(otherTenant, "of-b", 1) + "manifest.json":   `{"name":"of-b","version":1,"role":"of-b"}`,
		training.RoleKey(otherTenant, "of-b"):                              `{"role":"of-b","active":{"name":"of-b","version":1},"history":[]}`,
		otherTenant + "/programs/of-b/1/manifest.json":                     `{"name":"of-b","version":1}`,
		otherTenant + "/programs/of-b/1/source.json":                       `{}`,
		otherTenant + "/programs/_roles/of-b.json":                         `{"role":"of-b","active":{"name":"of-b","version":1},"history":[]}`,
		otherTenant + "/optimize/" + f.job + "/job.json":                   `{}`,
		otherTenant + "/optimize/" + f.job + "/result.json":                `{"program":"of-b"}`,
	} {
		_, err := a.store.Put(a.t.Context(), key, strings.NewReader(text))
		require.NoError(a.t, err)
	}
	return f
}

// ingest ingests the videos of both tenants, and starts a library of the second tenant whose
// child waits.
func (a *tenantStack) ingest(f *otherData) {
	a.t.Helper()
	for t, dir := range a.dirs {
		out, err := execute[ingest.LibraryResult](a.stack, "ingest-"+string(t), "IngestLibrary",
			ingest.LibraryInput{Common: workflows.Common{Tenant: string(t)}, Source: dir})
		require.NoError(a.t, err)
		require.Equal(a.t, 1, out.Indexed+out.Unchanged)
	}
	found, err := filepath.Glob(filepath.Join(a.dir, "store", otherTenant, "videos", "*", "index", "*.json"))
	require.NoError(a.t, err)
	require.Len(a.t, found, 1)
	f.video = filepath.Base(filepath.Dir(filepath.Dir(found[0])))
	recipes, err := filepath.Glob(filepath.Join(a.dir, "store", otherTenant, "recipes", "*.json"))
	require.NoError(a.t, err)
	require.NotEmpty(a.t, recipes)
	f.recipe = strings.TrimSuffix(filepath.Base(recipes[0]), ".json")

	_, err = a.client.ExecuteWorkflow(a.t.Context(), startOptions(f.library), "IngestLibrary", ingest.LibraryInput{
		Common: workflows.Common{Tenant: otherTenant}, Source: filepath.Join(a.dirs[otherTenant], "long"),
	})
	require.NoError(a.t, err)
	require.Eventually(a.t, func() bool { return a.waitsOn(f.library+"/000000", "DescribeChunk") }, soon, 50*time.Millisecond)
	for _, id := range []string{f.library + "/000000", f.library} {
		require.NoError(a.t, a.client.SignalWorkflow(a.t.Context(), id, "", workflows.SignalPause, nil))
	}
	a.quiet(f.library + "/000000")
	a.quiet(f.library)
}

// quiet waits until a run has no pending tasks and its history does not grow.
func (a *tenantStack) quiet(id string) {
	a.t.Helper()
	before := int64(-1)
	require.Eventually(a.t, func() bool {
		d, err := a.client.DescribeWorkflow(a.t.Context(), id, "")
		if err != nil || len(d.RawResponse.PendingActivities) > 0 || d.RawResponse.PendingWorkflowTask != nil {
			return false
		}
		same := d.RawResponse.WorkflowExecutionInfo.HistoryLength == before
		before = d.RawResponse.WorkflowExecutionInfo.HistoryLength
		return same
	}, soon, 300*time.Millisecond, id)
}

// state lists all data of the second tenant: objects, documents, ledger, workflows.
func (a *tenantStack) state(f otherData) (out []string) {
	a.t.Helper()
	root := filepath.Join(a.dir, "store", otherTenant)
	require.NoError(a.t, filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		out = append(out, fmt.Sprintf("%s %x", path, content))
		return err
	}))
	out = append(out, a.of(a.visible(), otherTenant)...)
	out = append(out, a.rows("ledger.db", "SELECT * FROM call WHERE tenant='"+otherTenant+"' ORDER BY id")...)
	out = append(out, a.rows("ledger.db", "SELECT * FROM spend WHERE tenant='"+otherTenant+"' ORDER BY job")...)
	for _, id := range []string{f.library, f.library + "/000000"} {
		d, err := a.client.DescribeWorkflow(a.t.Context(), id, "")
		require.NoError(a.t, err)
		require.Equal(a.t, enums.WORKFLOW_EXECUTION_STATUS_RUNNING, d.RawResponse.WorkflowExecutionInfo.Status, id)
		out = append(out, fmt.Sprintf("%s %s, %d events", id, d.RawResponse.WorkflowExecutionInfo.Execution.RunId, d.RawResponse.WorkflowExecutionInfo.HistoryLength))
	}
	return out
}

// begin starts workflows, a few concurrently, and waits until each has ended, with any
// outcome.
func (a *tenantStack) begin(forged []forgery) (outcomes map[string]int) {
	a.t.Helper()
	outcomes = map[string]int{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	slots := make(chan struct{}, 8)
	for i, one := range forged {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			run, err := a.client.ExecuteWorkflow(a.t.Context(), client.StartWorkflowOptions{
				ID: fmt.Sprintf("forged-%d", i), TaskQueue: workflows.QueueMain, WorkflowRunTimeout: 3 * time.Minute,
			}, one.kind, json.RawMessage(one.input))
			if err == nil {
				err = run.Get(a.t.Context(), nil)
			}
			mu.Lock()
			defer mu.Unlock()
			outcomes[outcomeOf(err)]++
			if temporal.IsTimeoutError(err) {
				a.t.Errorf("%s (%s) did not end: %s", one.kind, one.what, one.input)
			}
		})
	}
	wg.Wait()
	return outcomes
}

func outcomeOf(err error) string {
	if err == nil {
		return "completed"
	}
	if app, ok := errors.AsType[*temporal.ApplicationError](err); ok {
		return app.Type()
	}
	return err.Error()
}

// untouched fails if data of the second tenant were read or changed, or if its workflows were
// started, cancelled or signalled.
func (a *tenantStack) untouched(f otherData, before []string) {
	a.t.Helper()
	a.mu.Lock()
	touched := slices.Clone(a.touched)
	a.mu.Unlock()
	assert.Empty(a.t, touched, "data of the other tenant was accessed")
	after := a.state(f)
	for _, line := range after {
		if !slices.Contains(before, line) {
			a.t.Errorf("changed: %.300s", line)
		}
	}
	require.Len(a.t, after, len(before))
}

// TestTenantFields sets every field of every workflow input to references to another tenant,
// and to values that only cogflow may set. No data of the other tenant are read or changed, and
// none of its workflows is started, cancelled or signalled.
func TestTenantFields(t *testing.T) {
	t.Parallel()
	a := newTenantStack(t)
	f := a.storeOther()
	a.serve()
	a.ingest(&f)
	forged := a.forgeries(t, f)
	t.Logf("%d starts", len(forged))
	before := a.state(f)
	a.watch()
	start := time.Now()
	outcomes := a.begin(forged)
	t.Logf("%v in %v", outcomes, time.Since(start))
	a.untouched(f, before)
	require.Positive(t, outcomes["completed"], "some starts must be valid")
	require.Positive(t, outcomes[string(fault.Input)])
	for outcome := range outcomes {
		require.Contains(t, []string{"completed", string(fault.Input), string(fault.Budget)}, outcome, "a start that the server rejected shows nothing")
	}
	running := func() (ids []string) {
		for _, owner := range []string{ownTenant, otherTenant} {
			ids = append(ids, a.listed(`CogTenant = "`+owner+`" AND ExecutionStatus = "Running"`)...)
		}
		slices.Sort(ids)
		return ids
	}
	a.poll(func() bool { return len(running()) <= 2 }) // the list is late
	require.Equal(t, []string{f.library, f.library + "/000000"}, running())
}
