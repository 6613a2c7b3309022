package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities/registry"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/diff"
	"github.com/cogniverse/cogflow/prompt/mipro"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/workflows"
)

// TestOptimizing runs the program against one server.
func TestOptimizing(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.serve()
	step := func(name string, test func(t *testing.T, b *bench)) {
		t.Run(name, func(t *testing.T) { //nolint:paralleltest // the steps share one server and build on each other
			test(t, &bench{t: t, address: b.address, dir: b.dir, client: b.client})
		})
	}
	step("start", testOptimizeStart)
	step("large", testOptimizeLarge)
	step("steer", testOptimizeSteer)
	step("approve", testApprove)
	step("programs", testPrograms)
	step("diff", testProgramsDiff)
	step("export", testProgramsExport)
	step("canary", testProgramsCanary)
}

// write makes a file and returns its name.
func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	name = filepath.Join(dir, name)
	require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
	return name
}

const someExamples = `{"query": "show me", "agent": "video"}` + "\n" + `{"agent": "text", "query": "sum \u00fc up"}` + "\n"

func testOptimizeStart(t *testing.T, b *bench) {
	program := write(t, b.dir, "router.json", string(programText("Route.")))
	train := write(t, b.dir, "train.jsonl", someExamples)
	val := write(t, b.dir, "val.json", " [ {\"query\": \"q\", \"agent\": \"a\"} ]\n")
	args := []string{
		"optimize", "--program", program, "--trainset", train, "--valset", val, "--testset", "s3://bucket/test.jsonl", "--tenant", "acme", "--metric", "exact=agent",
		"--set", "num_trials=20", "--set", "num_candidates=10", "--set", "minibatch=false", "--seed", "7", "--approve", "--budget", "5", "--name", "wait", "--detach", "--json",
	}
	code, out, errors := b.run(args...)
	require.Equal(t, exitDone, code, errors)
	first := decode[started](t, out)
	assert.Regexp(t, `^optimize-acme-wait-[0-9a-f]{12}$`, first.WorkflowID)
	begun, err := firstEvent(t.Context(), b.client, first.WorkflowID, first.RunID)
	require.NoError(t, err)
	assert.Equal(t, kindOptimize, begun.GetWorkflowType().GetName())
	raw := begun.GetInput().GetPayloads()[0].GetData()
	assert.JSONEq(t, `{"tenant": "acme", "priority": 3, "budget_usd": 5, "name": "wait", "program": `+string(programText("Route."))+`,
		"trainset": [{"query": "show me", "agent": "video"}, {"agent": "text", "query": "sum ü up"}], "valset": [{"query": "q", "agent": "a"}],
		"testset": {"uri": "s3://bucket/test.jsonl"}, "metric": {"kind": "exact", "field": "agent"}, "mode": "improved", "approve": true,
		"auto": "none", "num_trials": 20, "num_candidates": 10, "minibatch": false, "seed": 7}`, string(raw))
	assert.Contains(t, string(raw), `{"agent":"text","query":`, "the order of an example counts")

	code, out, errors = b.run(args...)
	require.Equal(t, exitDone, code, errors)
	assert.Equal(t, first, decode[started](t, out), "two equal starts are one job")
	args[2] = write(t, b.dir, "router.yaml", "# the same\nname: agentic-router\npredictors:\n- name: route\n  instructions: Route.\n"+
		"  inputs:\n  - name: query\n  outputs: [{name: agent}]\n  demos: []\n")
	code, out, errors = b.run(args...)
	require.Equal(t, exitDone, code, errors)
	assert.Equal(t, first, decode[started](t, out), "so are YAML and JSON")

	code, out, errors = b.run("optimize", "--program", program, "--trainset", train, "--dry-run")
	assert.Equal(t, exitDone, code, errors)
	assert.Contains(t, out, "Nothing was asked.")
	code, out, errors = b.run("optimize", "--program", program, "--trainset", train, "--json")
	assert.Equal(t, exitDone, code, errors)
	assert.Equal(t, someOptimized(), decode[workflows.OptimizeResult](t, out))
	code, _, errors = b.run("optimize", "--program", program, "--trainset", train, "--name", "broken")
	assert.Equal(t, exitFailed, code)
	assert.Contains(t, errors, "input error: the examples have no column")
}

func testOptimizeLarge(t *testing.T, b *bench) {
	program := write(t, b.dir, "router.json", string(programText("Route.")))
	text := strings.Repeat(`{"query": "`+strings.Repeat("x", 1000)+`", "agent": "video"}`+"\n", 150)
	train := write(t, b.dir, "large.jsonl", text)
	val := write(t, b.dir, "large-val.jsonl", text+"\n")
	code, out, errors := b.run("optimize", "--program", program, "--trainset", train, "--valset", val, "--name", "wait", "--detach", "--json")
	require.Equal(t, exitDone, code, errors)
	begun, err := firstEvent(t.Context(), b.client, decode[started](t, out).WorkflowID, "")
	require.NoError(t, err)
	sum := sha256.Sum256([]byte(text))
	id := hex.EncodeToString(sum[:])
	assert.Contains(t, string(begun.GetInput().GetPayloads()[0].GetData()), `"trainset":{"uri":"dataset:`+id+`"}`)
	store, err := (&App{Process: Process{Getenv: b.getenv}}).store(t.Context())
	require.NoError(t, err)
	info, err := store.Stat(t.Context(), training.UploadKey("default", id))
	require.NoError(t, err)
	assert.EqualValues(t, len(text), info.Size)

	large := write(t, b.dir, "large.json", string(programText(strings.Repeat("Route. ", 9_000), strings.Repeat("x", 150_000))))
	code, out, errors = b.run("optimize", "--program", large, "--trainset", train, "--name", "wait", "--detach", "--json")
	require.Equal(t, exitDone, code, errors)
	begun, err = firstEvent(t.Context(), b.client, decode[started](t, out).WorkflowID, "")
	require.NoError(t, err)
	assert.Contains(t, string(begun.GetInput().GetPayloads()[0].GetData()), `"program":{"uri":"dataset:`)
}

func testOptimizeSteer(t *testing.T, b *bench) {
	code, out, errors := b.run("optimize", "--program", "s3://b/p.json", "--trainset", "s3://b/t.jsonl", "--name", "wait", "--detach")
	require.Equal(t, exitDone, code, errors)
	id := strings.TrimSpace(out)
	code, errors = b.interrupt("agentic-router: search 2/22 trials, best 64.0 %, default 51.0 %, 834 answers, 800 calls, $0.31", "watch", id)
	assert.Equal(t, exitInterrupted, code)
	assert.Contains(t, errors, "the job goes on")
	_, out, _ = b.run("status", id)
	assert.Contains(t, out, "agentic-router, improved: search 2/22 trials")
	assert.Contains(t, out, "0d1 0i2")
	_, out, _ = b.run("status", id, "--json")
	assert.Contains(t, out, `"planned": 21`)
	require.Eventually(t, func() bool { // the visibility store follows with a short delay
		_, out, _ := b.run("list", "--kind", "optimizeprompts", "--status", "running")
		return strings.Contains(out, id)
	}, 20*time.Second, 100*time.Millisecond)
	_, out, _ = b.run("__complete", "stop", "")
	assert.Contains(t, out, id+"\tOptimizePrompts running")
	code, _, errors = b.run("stop", id)
	assert.Equal(t, exitDone, code, errors)
	code, out, errors = b.run("watch", id)
	assert.Equal(t, exitDone, code, errors)
	assert.Contains(t, out, "stopped, the best so far is kept")
	code, _, errors = b.run("redrive", id, "--detach")
	assert.Equal(t, exitDone, code, errors)
	assert.NotContains(t, errors, "nothing to redrive", "a stopped search can go on")
}

func testApprove(t *testing.T, b *bench) {
	for name, more := range map[string][]string{"yes": nil, "no": {"--no"}} {
		code, _, errors := b.run("optimize", "--program", "s3://b/p.json", "--trainset", "s3://b/t.jsonl", "--name", "approve", "--approve", "--id", name, "--detach")
		require.Equal(t, exitDone, code, errors)
		code, _, errors = b.run(append([]string{"approve", name}, more...)...)
		require.Equal(t, exitDone, code, errors)
		_, out, _ := b.run("watch", name, "--json")
		assert.Equal(t, name == "yes", decode[workflows.OptimizeResult](t, out).Promoted)
	}
}

func testPrograms(t *testing.T, b *bench) {
	code, out, errors := b.run("programs", "list", "agentic-router", "--json")
	assert.Equal(t, exitDone, code, errors)
	assert.Len(t, decode[registry.ProgramList](t, out).Programs, 2)
	_, out, _ = b.run("programs", "list", "other")
	assert.Equal(t, "No programs.\n", out)
	code, out, errors = b.run("programs", "show", "agentic-router@v4")
	assert.Equal(t, exitDone, code, errors)
	assert.Contains(t, out, "  Route the query to an agent.\n  Invoices are text.\n  demo 1\n    query: show me the keynote\n")
	code, _, errors = b.run("programs", "show", "agentic-router@9")
	assert.Equal(t, exitFailed, code)
	assert.Contains(t, errors, "there is none")

	_, out, _ = b.run("programs", "promote", "agentic-router")
	assert.Equal(t, "agentic-router@4 is active.\n", out, "the latest")
	code, _, errors = b.run("programs", "promote", "agentic-router@3")
	assert.Equal(t, exitFailed, code)
	assert.Contains(t, errors, "force promotes it")
	code, _, errors = b.run("programs", "promote", "agentic-router@3", "--force")
	assert.Equal(t, exitDone, code, errors)
	code, _, errors = b.run("programs", "promote", "nothing")
	assert.Equal(t, exitFailed, code)
	assert.Contains(t, errors, "there is none")
	_, out, _ = b.run("programs", "rollback", "agentic-router")
	assert.Equal(t, "agentic-router@2 is active.\n", out)
}

func testProgramsCanary(t *testing.T, b *bench) {
	_, out, _ := b.run("programs", "canary", "tried@v5", "--share", "10")
	assert.Equal(t, "tried@4 is active.\nCanary: tried@5, for 10 % of all keys.\n", out)
	for _, off := range []string{"--off", "--share=0"} {
		_, out, _ = b.run("programs", "canary", "tried", off)
		assert.Equal(t, "tried@4 is active.\n", out)
	}
	version := func(args ...string) int {
		code, out, errors := b.run(append([]string{"programs", "show", "tried", "--json"}, args...)...)
		assert.Equal(t, exitDone, code, errors)
		return decode[registry.ProgramDetail](t, out).Version
	}
	assert.Equal(t, 4, version())
	assert.Equal(t, 4, version("--key", "session-1"))
	assert.Equal(t, 5, version("--key", "session-7"))

	store, err := (&App{Process: Process{Getenv: b.getenv}}).store(t.Context())
	require.NoError(t, err)
	for name, text := range programFiles() {
		_, err := store.Put(t.Context(), someProgram().Prefix+name, strings.NewReader(text))
		require.NoError(t, err)
	}
	to := filepath.Join(b.dir, "tried")
	code, out, errors := b.run("programs", "export", "tried", "--to", to, "--json")
	require.Equal(t, exitDone, code, errors)
	assert.Equal(t, 7, decode[downloaded](t, out).Files)
	for _, name := range exportedFiles() {
		assert.FileExists(t, filepath.Join(to, name))
		assert.FileExists(t, filepath.Join(to, "canary", name))
	}
	said, err := os.ReadFile(filepath.Join(to, servingFile))
	require.NoError(t, err)
	assert.JSONEq(t, `{"active":{"version":4,"promoted_at":"2026-01-02T03:04:05Z"},
		"canary":{"version":5,"promoted_at":"2026-01-03T03:04:05Z","traffic_pct":10},"retired":[]}`, string(said))
	code, out, errors = b.run("programs", "export", "tried", "--to", to+"-one", "--key", "session-7", "--json")
	require.Equal(t, exitDone, code, errors)
	assert.Equal(t, 5, decode[downloaded](t, out).Version)
	assert.Equal(t, 3, decode[downloaded](t, out).Files)
}

func testProgramsDiff(t *testing.T, b *bench) {
	code, out, errors := b.run("programs", "diff", "agentic-router@3", "@4")
	assert.Equal(t, exitDone, code, errors)
	assert.Equal(t, `agentic-router@3 (52.0 %) → agentic-router@4 (71.1 %)

route: 2 demos, before 2
  Route the query{+ to an agent.
  Invoices are text+}.
  - demo
      query: a demo that goes
      agent: text
  + demo
      query: sum up the talk
      agent: text
`, out)
	_, out, _ = b.run("programs", "diff", "agentic-router@3", "@4", "--json")
	c := decode[compared](t, out)
	assert.True(t, c.Changed)
	assert.Equal(t, diff.Part{Op: diff.Same, Text: "Route the query"}, c.Predictors[0].Instructions[0])
	_, out, _ = b.run("programs", "diff", "agentic-router@4", "agentic-router@4")
	assert.Contains(t, out, "The same instructions and demos.")
}

func testProgramsExport(t *testing.T, b *bench) {
	store, err := (&App{Process: Process{Getenv: b.getenv}}).store(t.Context())
	require.NoError(t, err)
	for name, text := range programFiles() {
		_, err := store.Put(t.Context(), someProgram().Prefix+name, strings.NewReader(text))
		require.NoError(t, err)
	}
	to := filepath.Join(b.dir, "exported")
	code, out, errors := b.run("programs", "export", "agentic-router", "--to", to, "--json")
	require.Equal(t, exitDone, code, errors)
	assert.Equal(t, 3, decode[downloaded](t, out).Files)
	for _, name := range exportedFiles() {
		data, err := os.ReadFile(filepath.Join(to, name))
		require.NoError(t, err)
		assert.Equal(t, programFiles()[name], string(data))
	}
	for name, want := range map[string]string{"wrong": "not what the manifest says", "less": "names no program.json"} {
		code, _, errors := b.run("programs", "export", name, "--to", to+name)
		assert.Equal(t, exitFailed, code)
		assert.Contains(t, errors, want)
		assert.NoDirExists(t, to+name)
	}
}

func TestOptimizeUsage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	program := write(t, dir, "router.json", string(programText("Route.")))
	train := write(t, dir, "train.jsonl", someExamples)
	base := []string{"optimize", "--program", program, "--trainset", train}
	with := func(more ...string) []string { return append(append([]string{}, base...), more...) }
	file := func(name, text string) string { return write(t, dir, name, text) }
	for name, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"no program":       {[]string{"optimize", "--trainset", train}, exitUsage, "--program wants"},
		"no examples":      {[]string{"optimize", "--program", program}, exitUsage, "--trainset wants"},
		"bad mode":         {with("--mode", "fast"), exitUsage, "improved or compat"},
		"bad auto":         {with("--auto", "huge"), exitUsage, "light, medium, heavy or none"},
		"auto and trials":  {with("--auto", "light", "--set", "num_trials=3"), exitUsage, "leave out one or the other"},
		"trials alone":     {with("--set", "num_trials=3"), exitUsage, "both needed"},
		"unknown setting":  {with("--set", "trials=3"), exitUsage, `unknown field "trials"`},
		"no number":        {with("--set", "num_trials=many"), exitUsage, "num_trials"},
		"no value":         {with("--set", "seed"), exitUsage, "name=value"},
		"bad name":         {with("--name", "../x"), exitUsage, "letters, digits"},
		"bad tenant":       {with("--tenant", "a b"), exitUsage, "tenant"},
		"no name":          {[]string{"optimize", "--program", "s3://b/p.json", "--trainset", train}, exitUsage, "--name wants"},
		"metric mix":       {with("--metric", "exact=agent", "--metric", "x.json"), exitUsage, "--metric wants"},
		"metric of nobody": {with("--metric", "exact=modality"), exitFailed, `no output "modality"`},
		"unknown metric":   {with("--metric", "bleu=agent"), exitFailed, `kind "bleu"`},
		"metric of no column": {
			[]string{"optimize", "--program", program, "--trainset", file("plain.jsonl", `{"query": "q"}`)}, exitFailed, `no column "agent"`,
		},
		"metric file gone": {with("--metric", filepath.Join(dir, "gone.json")), exitFailed, "no such file"},
		"program gone":     {[]string{"optimize", "--program", program + ".gone", "--trainset", train}, exitFailed, "no such file"},
		"a recursive program": {[]string{"optimize", "--trainset", train, "--program", file("loop.json",
			`{"name": "x", "predictors": [{"name": "a", "inputs": [{"name": "y"}], "outputs": [{"name": "y2"}], "reads": {"y": "y2"}}]}`)}, exitFailed, "recursive"},
		"unknown field of a program": {[]string{"optimize", "--trainset", train, "--program", file("odd.json", `{"name": "x", "predictor": []}`)}, exitFailed, "predictor"},
		"no object":                  {[]string{"optimize", "--program", program, "--trainset", file("no.jsonl", "{\"query\": \"q\", \"agent\": \"a\"}\n7\n")}, exitFailed, "example 2"},
		"half an array":              {[]string{"optimize", "--program", program, "--trainset", file("half.json", `[{"query": "q", "agent": "a"}`)}, exitFailed, "example 2"},
		"more than an array":         {[]string{"optimize", "--program", program, "--trainset", file("more.json", `[{"query": "q", "agent": "a"}] {}`)}, exitFailed, "more after the array"},
		"nothing":                    {[]string{"optimize", "--program", program, "--trainset", file("empty.jsonl", "\n")}, exitFailed, "holds no examples"},
		"a directory":                {[]string{"optimize", "--program", program, "--trainset", dir}, exitFailed, "regular file"},
		"bad program name":           {[]string{"programs", "show", "a/b"}, exitUsage, "letters, digits"},
		"bad version":                {[]string{"programs", "promote", "a@0"}, exitUsage, "want a number from 1 on"},
		"rollback of a version":      {[]string{"programs", "rollback", "a@2"}, exitUsage, "takes a program"},
		"canary of no share":         {[]string{"programs", "canary", "a@2"}, exitUsage, "--share wants the percentage"},
		"canary of all":              {[]string{"programs", "canary", "a@2", "--share", "101"}, exitUsage, "from 1 to 100"},
		"canary of less":             {[]string{"programs", "canary", "a@2", "--share", "-1"}, exitUsage, "from 1 to 100"},
		"canary on and off":          {[]string{"programs", "canary", "a@2", "--share", "5", "--off"}, exitUsage, "leave out one or the other"},
		"canary of nothing":          {[]string{"programs", "canary"}, exitUsage, "accepts 1 arg"},
		"key of a version":           {[]string{"programs", "export", "a@2", "--key", "x"}, exitUsage, "leave out @2"},
		"no key":                     {[]string{"programs", "show", "a", "--key", ""}, exitUsage, "it is empty"},
		"unknown key in YAML": {[]string{"optimize", "--trainset", train, "--program", file("odd.yaml",
			"name: x\npredictors:\n- name: a\n  input: []\n")}, exitFailed, `odd.yaml": line 4: unknown key "input"`},
		"no program in YAML":              {[]string{"optimize", "--trainset", train, "--program", file("no.yaml", "just words\n")}, exitFailed, "want an object, found a string"},
		"unknown key of a metric in YAML": {with("--metric", file("odd-metric.yaml", "kind: exact\nfeild: agent\n")), exitFailed, `line 2: unknown key "feild"`},
		"metric of nobody in YAML":        {with("--metric", file("metric.yaml", "kind: exact\nfield: modality\n")), exitFailed, `no output "modality"`},
		"diff of one":                     {[]string{"programs", "diff", "a@2"}, exitUsage, "accepts 2 arg"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := &bench{t: t, dir: dir} // no server: none of these comes so far
			code, _, errors := b.run(c.args...)
			assert.Equal(t, c.code, code, errors)
			assert.Contains(t, errors, c.want)
		})
	}
}

func TestOptimizeGolden(t *testing.T) {
	t.Parallel()
	golden(t, "optimize", printed(func(a *App) { a.printOptimize("optimize-x", someOptimized()) }))
	weak := someOptimized()
	weak.Status, weak.Promoted, weak.Verdict, weak.Report = "unchanged", false, prompt.Verdict{}, ""
	golden(t, "optimize_weak", printed(func(a *App) { a.printOptimize("optimize-x", weak) }))
	kept := someOptimized()
	kept.Promoted, kept.Verdict, kept.Kept, kept.Score = false, prompt.Verdict{}, true, kept.DefaultScore
	golden(t, "optimize_kept", printed(func(a *App) { a.printOptimize("optimize-x", kept) }))
	golden(t, "optimize_quote", printed(func(a *App) { a.printOptimize("optimize-x", someQuote()) }))
	free := someQuote()
	free.Plan.Priced, free.Plan.Quote, free.Plan.Confirm, free.Plan.Pace = false, mipro.Quote{Student: 5}, 0, nil
	golden(t, "optimize_unpriced", printed(func(a *App) { a.printOptimize("optimize-x", free) }))
}

func TestProgramsGolden(t *testing.T) {
	t.Parallel()
	golden(t, "programs", printed(func(a *App) { a.printPrograms(somePrograms()) }))
	golden(t, "program", printed(func(a *App) { assert.NoError(t, a.printProgram(someProgram())) }))
	list, tried := somePrograms(), someProgram()
	list.Programs[1].Status, list.Programs[1].Share = "canary", 10
	tried.Canary = someCanary("agentic-router")
	golden(t, "programs_canary", printed(func(a *App) { a.printPrograms(list) }))
	golden(t, "program_canary", printed(func(a *App) { assert.NoError(t, a.printProgram(tried)) }))
}

func TestOptimizeLinesGolden(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var out, terminal bytes.Buffer
	l, b := NewLines(&out, func() time.Time { return now }), NewBars(&terminal)
	show := func(after time.Duration, p workflows.OptimizeProgress) {
		now = now.Add(after)
		s := &optimizeProgress{id: "optimize-x", OptimizeProgress: p}
		l.Show(s, false)
		b.Show(s, false)
	}
	p := workflows.OptimizeProgress{Stage: "prepare"}
	show(0, p)
	p.Name, p.Stage, p.Planned, p.Answers, p.Calls = "agentic-router", "bootstrap", 21, 1, 1
	show(2*time.Second, p)
	p.Answers = 9
	show(2*time.Second, p) // nothing new
	p = someOptimizing()
	show(2*time.Second, p)
	p.Waiting = "budget"
	show(2*time.Second, p)
	p.Waiting, p.Paused = "", true
	show(2*time.Second, p)
	p.Paused, p.Stage, p.Waiting = false, "publish", "approval"
	show(2*time.Second, p)
	golden(t, "optimize_lines", out.String())
	b.End()
}

// What steers a terminal in a prompt of a stranger does not reach it.
func TestWriteWordsCleans(t *testing.T) {
	t.Parallel()
	for _, ink := range []bool{false, true} {
		var out bytes.Buffer
		writeWords(&out, []diff.Part{{Op: diff.Same, Text: "a\x1b[31m\u202e "}, {Op: diff.Removed, Text: "b\x07"}, {Op: diff.Added, Text: "c"}}, ink)
		want := "  a [-b-]{+c+}\n"
		if ink {
			want = "  a \x1b[31m[-b-]\x1b[0m\x1b[32m{+c+}\x1b[0m\n"
		}
		assert.Equal(t, want, out.String(), fmt.Sprint(ink))
	}
}
