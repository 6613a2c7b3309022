package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/internal/preview"
	"github.com/cogniverse/cogflow/workers/ondemand"
	"github.com/cogniverse/cogflow/workflows"
	"github.com/cogniverse/cogflow/workflows/ingest"
)

// forgery is a start that refers to data of another tenant or to internal state.
type forgery struct {
	kind  string // workflow type
	what  string // field and its value
	input string
}

// valid are valid inputs of the first tenant, from which forged inputs are made. A new
// workflow type requires an entry.
func (a *tenantStack) valid() map[string]string {
	dir := a.dirs[ownTenant]
	train := `{"tenant":"a","name":"own","base_model":"m","dataset":{"rows":[{"prompt":"p","completion":"c"},{"prompt":"q","completion":"d"}]},
		"%s_config":{"min_rows":1,"validation_split":0},"dry_run":true}`
	adapter := `{"tenant":"a","name":"own","role":"own"}`
	program := `{"tenant":"a","name":"own"}`
	servers := `{"tenant":"a","queues":["` + workflows.HostQueue(ondemand.Queue()) + `"],"server":"own"}`
	return map[string]string{
		"ListModelServers": servers, "WarmModelServer": servers, "ReleaseModelServer": servers,
		"IngestLibrary":  fmt.Sprintf(`{"tenant":"a","source":%q}`, dir),
		"IngestVideo":    fmt.Sprintf(`{"tenant":"a","uri":%q}`, filepath.Join(dir, "own.mp4")),
		"DeleteVideo":    `{"tenant":"a","video":"` + strings.Repeat("c", 64) + `"}`,
		"SearchVideos":   `{"tenant":"a","query":"red"}`,
		"DescribeFrames": `{"tenant":"a","batch":"` + a.batch + `","model":"` + preview.DescriberModel + `"}`,
		"ListVideos":     `{"tenant":"a"}`,
		"CheckHealth":    `{"tenant":"a"}`,
		"TrainSFT":       fmt.Sprintf(train, "sft"),
		"TrainDPO":       strings.ReplaceAll(fmt.Sprintf(train, "dpo"), `"completion":`, `"rejected":"r","chosen":`),
		"TrainKTO":       strings.Replace(strings.ReplaceAll(fmt.Sprintf(train, "kto"), `"completion":`, `"label":true,"completion":`), "true", "false", 1),
		"TrainEmbedding": strings.NewReplacer(`"prompt":`, `"anchor":`, `"completion":`, `"positive":`).Replace(
			fmt.Sprintf(train, "embedding")),
		"TrainSweep": `{"tenant":"a","method":"sft","concurrency":4,"grid":{"seed":[1]},"train":` + fmt.Sprintf(train, "sft") + `}`,
		"OptimizePrompts": `{"tenant":"a","program":{"name":"own","predictors":[{"name":"self","inputs":[{"name":"q"}],"outputs":[{"name":"r"}]}]},
			"trainset":[` + strings.TrimSuffix(strings.Repeat(`{"q":"1","r":"2"},`, 20), ",") + `],"dry_run":true}`,
		"ListAdapters": `{"tenant":"a"}`, "ListPrograms": `{"tenant":"a"}`,
		"ShowAdapter": program, "ActivateAdapter": adapter, "DeactivateAdapter": adapter, "RollbackAdapter": adapter,
		"ShowProgram": program, "PromoteProgram": program, "RollbackProgram": program, "CanaryProgram": program,
	}
}

// values are texts that refer to data of the second tenant.
func (a *tenantStack) values(f otherData) []string {
	store := filepath.Join(a.dir, "store", otherTenant)
	return []string{
		otherTenant, f.video, "of-b", "dataset:" + f.dataset, filepath.Join(a.dirs[otherTenant], "other.mp4"), f.listing, f.library + "/000000",
		f.job, "file://" + store + "/videos/" + f.video + "/source.json", "../" + otherTenant + "/x",
	}
}

// registered returns the workflow types of the worker with the types of their inputs.
func registered() map[string]reflect.Type {
	r := registrar{inputs: map[string]reflect.Type{}}
	registerMain(r, implementations{})
	return r.inputs
}

// registrar records registrations without registering anything.
type registrar struct {
	worker.Registry
	inputs map[string]reflect.Type
}

// forgeries makes one start for each field of each input and each value of that field.
func (a *tenantStack) forgeries(t *testing.T, f otherData) (out []forgery) {
	t.Helper()
	valid := a.valid()
	inputs := registered()
	require.ElementsMatch(t, slices.Collect(maps.Keys(inputs)), slices.Collect(maps.Keys(valid)), "every workflow type has a valid input")
	g := generator{values: a.values(f), states: states(f), fields: map[string]bool{}, walked: map[reflect.Type]bool{}}
	for _, kind := range slices.Sorted(maps.Keys(inputs)) {
		g.kind, g.base = kind, valid[kind]
		g.add("as it is", g.base)
		if strings.HasPrefix(kind, "Train") && g.walked[inputs[kind]] { // three types with one input
			g.names(inputs[kind])
			continue
		}
		g.walked[inputs[kind]] = true
		g.walk(inputs[kind], nil)
		g.names(inputs[kind])
	}
	count := map[string]int{}
	for _, o := range g.out {
		count[o.kind]++
	}
	t.Log(count)
	require.Greater(t, len(g.fields), 150, "the walk reaches nested fields")
	for _, field := range []string{
		"IngestLibrary source", "IngestVideo uri", "TrainDPO dataset.uri", "TrainDPO eval_dataset.rows", "TrainDPO sft_config.loss", "TrainDPO lora.r",
		"TrainSweep grid", "TrainSweep runs", "TrainSweep train", "OptimizePrompts program", "OptimizePrompts auto", "CanaryProgram share",
	} {
		require.True(t, g.fields[field], "the walk reaches %s", field)
	}
	return g.out
}

// generator walks an input type.
type generator struct {
	kind, base string
	values     []string
	states     []string
	fields     map[string]bool // fields that were set
	walked     map[reflect.Type]bool
	out        []forgery
}

func (g *generator) add(what, input string) {
	g.out = append(g.out, forgery{g.kind, what, input})
}

// walk sets every field below path.
func (g *generator) walk(t reflect.Type, path []string) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	raw := t == reflect.TypeFor[json.RawMessage]()
	switch {
	case t.Kind() == reflect.Struct && t != reflect.TypeFor[time.Time]():
		for f := range t.Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			switch {
			case f.Anonymous && name == "":
				g.walk(f.Type, path)
			case f.IsExported() && name != "-":
				g.walk(f.Type, append(slices.Clone(path), name))
			}
		}
	case slices.Equal(path, []string{"tenant"}): // the tenant of the caller; see docs/explanation/trust.md
	case raw:
		g.raw(path)
	case t.Kind() == reflect.String:
		for _, v := range g.some(path) {
			g.set(path, v)
		}
	case t.Kind() == reflect.Slice:
		for _, v := range g.values[3:5] {
			g.set(path, []any{v})
		}
		g.set(path, []any{map[string]any{"tenant": otherTenant, "uri": g.values[3]}})
	case t.Kind() == reflect.Map:
		for _, name := range []string{"tenant", "Tenant", "budget_usd", "priority", "resume", "library", "dataset.uri", "dataset.tenant", "name", "role", "tenant.x"} {
			g.set(path, map[string]any{name: []any{g.values[3], otherTenant}})
		}
	case t.Kind() == reflect.Bool:
		g.set(path, true)
	case len(path) > 1:
		g.set(path, otherTenant)
	default:
		g.set(path, otherTenant)
		g.set(path, 7)
	}
	if t.Kind() == reflect.Slice && !raw && t.Elem().Kind() == reflect.Map {
		for _, name := range []string{"tenant", "TENANT", "budget_usd", "resume", "dataset.uri"} {
			g.set(path, []any{map[string]any{name: g.values[3]}, map[string]any{"tenant": otherTenant, "activate": true}})
		}
	}
}

// some returns the values for a field. Settings of a method are numbers and enumerations, so
// they get only one value.
func (g *generator) some(path []string) []string {
	if strings.HasSuffix(path[0], "_config") || path[0] == "lora" {
		return g.values[:1]
	}
	return g.values
}

// raw sets fields that are decoded later than the input: programs, examples, sweeps.
func (g *generator) raw(path []string) {
	for _, v := range g.some(path) {
		g.set(path, map[string]any{"uri": v})
	}
	g.set(path, g.values[3])
	if len(path) > 1 {
		return // an ignored setting
	}
	g.set(path, map[string]any{"tenant": otherTenant})
	g.set(path, map[string]any{"URI": g.values[3]})
	for _, state := range g.states {
		g.set(path, map[string]any{"tenant": ownTenant, "base_model": "m", "dataset": map[string]any{"uri": g.values[3]}, "resume": json.RawMessage(state)})
	}
}

// names adds unknown names: internal state, the tenant in another case, and the tenant twice.
func (g *generator) names(t reflect.Type) {
	for _, state := range g.states {
		g.set([]string{"resume"}, json.RawMessage(state))
		g.set([]string{"library"}, json.RawMessage(state))
	}
	for i, path := range [][]string{{"Resume"}, {"RESUME"}, {"Library"}, {"received"}, {"Common"}, {"dataset", "resume"}, {"train", "resume"}} {
		g.set(path, json.RawMessage(g.states[i%len(g.states)]))
	}
	for _, name := range []string{"Tenant", "TENANT", "tenant ", "tenant\x00"} {
		g.set([]string{name}, otherTenant)
		g.set([]string{"train", name}, otherTenant)
		g.set([]string{"dataset", name}, otherTenant)
	}
	g.set([]string{"train", "tenant"}, otherTenant)
	for _, twice := range []string{`"tenant":"b"`, `"t\u0065nant":"b"`, `"TENANT":"b"`, `"tenant":null`} {
		g.add("twice: "+twice, strings.TrimSuffix(g.base, "}")+","+twice+"}")
		g.add("twice: "+twice, "{"+twice+","+strings.TrimPrefix(g.base, "{"))
	}
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name != "" {
			g.set([]string{strings.ToUpper(name)}, g.values[3])
		}
	}
}

// set adds the valid input with one value changed.
func (g *generator) set(path []string, value any) {
	if value == nil {
		return
	}
	var doc map[string]any
	if err := json.Unmarshal([]byte(g.base), &doc); err != nil {
		panic(err)
	}
	at := doc
	for _, name := range path[:len(path)-1] {
		inner, ok := at[name].(map[string]any)
		if !ok {
			inner = map[string]any{}
			at[name] = inner
		}
		at = inner
	}
	at[path[len(path)-1]] = value
	if len(path) == 2 && path[0] == "dataset" && path[1] == "uri" {
		delete(at, "rows") // exactly one of them is allowed
	}
	if path[0] == "runs" {
		delete(doc, "grid")
	}
	text, err := json.Marshal(doc)
	if err != nil {
		panic(err)
	}
	g.fields[g.kind+" "+strings.Join(path, ".")] = true
	g.add(fmt.Sprintf("%s: %.100v", strings.Join(path, "."), value), string(text))
}

// states are continue-as-new states that refer to data of the second tenant.
func states(f otherData) []string {
	recipe := fmt.Sprintf(`{"fingerprint":%q,"profile":"local_preview","chunk_frames":64,"describe_gpu":["cpu"],"embed_gpu":["cpu"],"gpu_wait":0,
		"describe":"d","embed":"e"}`, f.recipe)
	link := `{"job":"b","recipe":` + recipe + `}`
	library := fmt.Sprintf(`{"job":"b","recipe":%s,"listing":{"prefix":%q,"videos":1},"next":1,"in_flight":[{"id":%q,"uri":"x"}],
		"totals":{"videos":0},"failures":[],"report":[{"video":%q,"status":"indexed"}]}`, recipe, f.listing, f.library+"/000000", f.video)
	video := fmt.Sprintf(`{"recipe":%s,"source":{"video":%q,"name":"x"},"claim":{"generation":%q},"extraction":{"frames":3,"chunks":1},"next":1,
		"transcribed":true}`, recipe, f.video, strings.Repeat("d", 64))
	train := fmt.Sprintf(`{"chain":"b","check":{"train":{},"train_file":{"sha256":%q,"rows":1}},"plan":{"job":%q,"estimate":{"classes":[{"class":"cpu",
		"fits":true,"within_budget":true}]}},"class":0,"tally":{"slice":1,"slice_cost":5},"budget":1000000,"finish":true}`, f.dataset, f.job)
	optimize := fmt.Sprintf(`{"chain":"b","plan":{"job":%q,"name":"of-b"},"stage":"search","trials":[],"budget":1000000}`, f.job)
	return []string{library, video, link, train, optimize}
}

// TestForgedContinuations: the server also marks a run as continued if it is the second
// attempt of a retry policy or the next run of a cron schedule; both get the input of the
// caller. A caller with its own worker can also start cogflow workflows as children, or
// continue as a cogflow workflow. Then cogflow accepts the forged state, but the state gives
// no access to data of another tenant.
func TestForgedContinuations(t *testing.T) {
	t.Parallel()
	a := newTenantStack(t)
	f := a.storeOther()
	waiting := a.beforeWorkers(f)
	a.serve()
	a.ingest(&f)
	before := a.state(f)
	a.watch()
	a.withoutFirstAttempt(waiting)
	a.byOwnWorker(f)
	a.untouched(f, before)
	a.byLibraryID(f)
}

// byLibraryID starts a library with the id of a terminated library of the second tenant,
// whose video still runs. That video is neither awaited nor cancelled.
func (a *tenantStack) byLibraryID(f otherData) {
	a.t.Helper()
	child := f.library + "/000000"
	length := func() int64 {
		d, err := a.client.DescribeWorkflow(a.t.Context(), child, "")
		require.NoError(a.t, err)
		require.Equal(a.t, enums.WORKFLOW_EXECUTION_STATUS_RUNNING, d.Status)
		return d.RawResponse.WorkflowExecutionInfo.HistoryLength
	}
	before := length()
	require.NoError(a.t, a.client.TerminateWorkflow(a.t.Context(), f.library, "", "test"))
	out, err := execute[ingest.LibraryResult](a.stack, f.library, "IngestLibrary",
		ingest.LibraryInput{Common: workflows.Common{Tenant: ownTenant}, Source: a.dirs[ownTenant]})
	require.NoError(a.t, err)
	require.Len(a.t, out.Failures, 1)
	require.Contains(a.t, out.Failures[0].Reason, "did not start has the id "+child)
	require.Equal(a.t, before, length())
}

// continuable returns a start with a forged continue-as-new state for each workflow type that
// has such a state.
func (a *tenantStack) continuable(f otherData) []forgery {
	valid, all := a.valid(), states(f)
	var out []forgery
	for kind, state := range map[string]string{"IngestLibrary": all[0], "IngestVideo": all[1], "TrainSFT": all[3], "OptimizePrompts": all[4]} {
		base := strings.Replace(valid[kind], `"dry_run":true`, `"dry_run":false`, 1)
		out = append(out, forgery{kind: kind, input: strings.TrimSuffix(base, "}") + `,"resume":` + state + "}"})
	}
	return out
}

// beforeWorkers starts runs before any worker polls. Their first attempts time out, so the
// first attempt that a worker takes is one that the server marks as continued.
func (a *tenantStack) beforeWorkers(f otherData) (ids []string) {
	a.t.Helper()
	f.video, f.recipe = strings.Repeat("e", 64), strings.Repeat("f", 64) // not known yet, and not needed
	for i, one := range a.continuable(f) {
		for name, options := range map[string]client.StartWorkflowOptions{
			"retry": {RetryPolicy: &temporal.RetryPolicy{InitialInterval: 100 * time.Millisecond, BackoffCoefficient: 1}},
			"cron":  {CronSchedule: "@every 1s"},
		} {
			options.ID, options.TaskQueue = fmt.Sprintf("%s-%d", name, i), workflows.QueueMain
			options.WorkflowRunTimeout = 3 * time.Second
			_, err := a.client.ExecuteWorkflow(a.t.Context(), options, one.kind, json.RawMessage(one.input))
			require.NoError(a.t, err)
			ids = append(ids, options.ID)
		}
	}
	for _, id := range ids {
		require.Eventually(a.t, func() bool {
			began, err := a.client.GetWorkflowHistory(a.t.Context(), id, "", false, 1).Next()
			return err == nil && began.GetWorkflowExecutionStartedEventAttributes().GetContinuedExecutionRunId() != ""
		}, soon, 100*time.Millisecond, id)
	}
	return ids
}

// withoutFirstAttempt waits until a worker has ended an attempt of each workflow.
func (a *tenantStack) withoutFirstAttempt(ids []string) {
	a.t.Helper()
	for _, id := range ids {
		require.Eventually(a.t, func() bool {
			for _, run := range a.runs(id) {
				d, err := a.client.DescribeWorkflow(a.t.Context(), id, run)
				if err == nil && d.RawResponse.WorkflowExecutionInfo.HistoryLength >= 4 && d.RawResponse.WorkflowExecutionInfo.CloseTime != nil {
					return true
				}
			}
			return false
		}, soon, 200*time.Millisecond, id)
		_ = a.client.TerminateWorkflow(a.t.Context(), id, "", "seen") // a cron workflow never ends
	}
}

// runs lists the runs of a workflow id.
func (a *tenantStack) runs(id string) (out []string) {
	var found []struct {
		Execution struct {
			RunID string `json:"runId"`
		} `json:"execution"`
	}
	require.NoError(a.t, json.Unmarshal([]byte(a.temporalCLI("workflow", "list", "--query", `WorkflowId = "`+id+`"`, "--output", "json")), &found))
	for _, one := range found {
		out = append(out, one.Execution.RunID)
	}
	return out
}

// byOwnWorker forges starts from workflows on the forger's own worker.
func (a *tenantStack) byOwnWorker(f otherData) {
	a.t.Helper()
	w := worker.New(a.client, "forger", worker.Options{})
	w.RegisterWorkflowWithOptions(forgeParent, workflow.RegisterOptions{Name: "parent"})
	w.RegisterWorkflowWithOptions(forgeContinuation, workflow.RegisterOptions{Name: "continuation"})
	require.NoError(a.t, w.Start())
	defer w.Stop()
	all := states(f)
	video := strings.TrimSuffix(a.valid()["IngestVideo"], "}")
	for i, input := range []string{
		video + `,"library":` + all[2] + "}",
		video + `,"library":` + all[2] + `,"resume":` + all[1] + "}",
		video + `,"resume":` + all[1] + "}",
	} {
		for _, child := range []string{"/000000", "/1", "-x", ""} {
			id := fmt.Sprintf("parent-%d%s", i, strings.ReplaceAll(child, "/", "-"))
			a.ends(id, "parent", client.StartWorkflowOptions{}, child, input)
		}
	}
	for i, one := range a.continuable(f) {
		a.ends(fmt.Sprintf("continuation-%d", i), "continuation", client.StartWorkflowOptions{}, one.kind, one.input)
		a.ends(fmt.Sprintf("continuation-retried-%d", i), "continuation", client.StartWorkflowOptions{
			RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 2},
		}, one.kind, one.input)
	}
	// An id below another library does not give access to the children of that library.
	library := a.continuable(f)[slices.IndexFunc(a.continuable(f), func(o forgery) bool { return o.kind == "IngestLibrary" })]
	a.ends(f.library+"/000000/x", "continuation", client.StartWorkflowOptions{}, library.kind, library.input)
}

// ends starts a workflow of the forger and waits until it ends.
func (a *tenantStack) ends(id, kind string, options client.StartWorkflowOptions, args ...any) {
	a.t.Helper()
	options.ID, options.TaskQueue, options.WorkflowExecutionTimeout = id, "forger", time.Minute
	run, err := a.client.ExecuteWorkflow(a.t.Context(), options, kind, args...)
	require.NoError(a.t, err)
	err = run.Get(a.t.Context(), nil)
	require.False(a.t, temporal.IsTimeoutError(err), "%s did not end: %v", id, err)
	if err != nil {
		a.t.Logf("%s: %v", id, err)
	}
}

func forgeParent(ctx workflow.Context, child, input string) error {
	id := workflow.GetInfo(ctx).WorkflowExecution.ID + child
	if child == "" {
		id = "unknown/000000"
	}
	ctx = workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{WorkflowID: id, TaskQueue: workflows.QueueMain})
	return workflow.ExecuteChildWorkflow(ctx, "IngestVideo", json.RawMessage(input)).Get(ctx, nil)
}

// forgeContinuation knows the first run of its chain, which a caller cannot know.
func forgeContinuation(ctx workflow.Context, kind, input string) error {
	chain := workflow.GetInfo(ctx).FirstRunID
	input = strings.NewReplacer(`"job":"b"`, `"job":"`+chain+`"`, `"chain":"b"`, `"chain":"`+chain+`"`).Replace(input)
	ctx = workflow.WithWorkflowTaskQueue(ctx, workflows.QueueMain)
	return workflow.NewContinueAsNewError(ctx, kind, json.RawMessage(input))
}

func (r registrar) RegisterWorkflowWithOptions(w any, options workflow.RegisterOptions) {
	r.inputs[options.Name] = reflect.TypeOf(w).In(1)
}

func (registrar) RegisterActivityWithOptions(any, activity.RegisterOptions) {}
