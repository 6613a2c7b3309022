package optimize_test

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/cli"
	"github.com/cogniverse/cogflow/internal/cli/clitest"
	"github.com/cogniverse/cogflow/internal/cli/root"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/workflows/optimize"
)

// TestOptimizing runs the commands against one server.
func TestOptimizing(t *testing.T) {
	t.Parallel()
	b := clitest.New(t, root.Run)
	b.Serve()
	b.Step("start", testOptimizeStart)
	b.Step("large", testOptimizeLarge)
	b.Step("control", testOptimizeSteer)
	b.Step("approve", testApprove)
}

// write creates a file and returns its name.
func write(t *testing.T, dir, name, text string) string {
	t.Helper()
	name = filepath.Join(dir, name)
	require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
	return name
}

const someExamples = `{"query": "show me", "agent": "video"}` + "\n" + `{"agent": "text", "query": "sum \u00fc up"}` + "\n"

func testOptimizeStart(t *testing.T, b *clitest.Bench) {
	program := write(t, b.Dir, "router.json", string(clitest.ProgramText("Route.")))
	train := write(t, b.Dir, "train.jsonl", someExamples)
	val := write(t, b.Dir, "val.json", " [ {\"query\": \"q\", \"agent\": \"a\"} ]\n")
	args := []string{
		"optimize", "--program", program, "--trainset", train, "--valset", val, "--testset", "s3://bucket/test.jsonl", "--tenant", "acme", "--metric", "exact=agent",
		"--set", "num_trials=20", "--set", "num_candidates=10", "--set", "minibatch=false", "--seed", "7", "--approve", "--budget", "5", "--name", "wait", "--detach", "--json",
	}
	code, out, errors := b.Run(args...)
	require.Equal(t, cli.ExitDone, code, errors)
	first := clitest.Decode[cli.Started](t, out)
	assert.Regexp(t, `^optimize-acme-wait-[0-9a-f]{12}$`, first.WorkflowID)
	begun := b.Begun(first.WorkflowID, first.RunID)
	assert.Equal(t, "OptimizePrompts", begun.GetWorkflowType().GetName())
	raw := begun.GetInput().GetPayloads()[0].GetData()
	assert.JSONEq(t, `{"tenant": "acme", "priority": 3, "budget_usd": 5, "name": "wait", "program": `+string(clitest.ProgramText("Route."))+`,
		"trainset": [{"query": "show me", "agent": "video"}, {"agent": "text", "query": "sum ü up"}], "valset": [{"query": "q", "agent": "a"}],
		"testset": {"uri": "s3://bucket/test.jsonl"}, "metric": {"kind": "exact", "field": "agent"}, "mode": "improved", "approve": true,
		"auto": "none", "num_trials": 20, "num_candidates": 10, "minibatch": false, "seed": 7}`, string(raw))
	assert.Contains(t, string(raw), `{"agent":"text","query":`, "the order of fields is kept")

	code, out, errors = b.Run(args...)
	require.Equal(t, cli.ExitDone, code, errors)
	assert.Equal(t, first, clitest.Decode[cli.Started](t, out), "two equal starts are one job")
	args[2] = write(t, b.Dir, "router.yaml", "# the same\nname: agentic-router\npredictors:\n- name: route\n  instructions: Route.\n"+
		"  inputs:\n  - name: query\n  outputs: [{name: agent}]\n  demos: []\n")
	code, out, errors = b.Run(args...)
	require.Equal(t, cli.ExitDone, code, errors)
	assert.Equal(t, first, clitest.Decode[cli.Started](t, out), "YAML and JSON give the same job")

	code, out, errors = b.Run("optimize", "--program", program, "--trainset", train, "--dry-run")
	assert.Equal(t, cli.ExitDone, code, errors)
	dryRun := started(t, errors)
	assert.Contains(t, out, "No model was called.")
	code, out, errors = b.Run("optimize", "--program", program, "--trainset", train, "--json")
	assert.Equal(t, cli.ExitDone, code, errors)
	assert.Equal(t, clitest.Optimized(), clitest.Decode[optimize.Result](t, out))
	code, _, errors = b.Run("optimize", "--program", program, "--trainset", train)
	assert.Equal(t, cli.ExitDone, code, errors)
	assert.Equal(t, "dry-run/"+started(t, errors), dryRun)
	code, _, errors = b.Run("optimize", "--program", program, "--trainset", train, "--name", "broken")
	assert.Equal(t, cli.ExitFailed, code)
	assert.Contains(t, errors, "input error: the examples have no column")
}

func testOptimizeLarge(t *testing.T, b *clitest.Bench) {
	program := write(t, b.Dir, "router.json", string(clitest.ProgramText("Route.")))
	text := strings.Repeat(`{"query": "`+strings.Repeat("x", 1000)+`", "agent": "video"}`+"\n", 150)
	train := write(t, b.Dir, "large.jsonl", text)
	val := write(t, b.Dir, "large-val.jsonl", text+"\n")
	code, out, errors := b.Run("optimize", "--program", program, "--trainset", train, "--valset", val, "--name", "wait", "--detach", "--json")
	require.Equal(t, cli.ExitDone, code, errors)
	begun := b.Begun(clitest.Decode[cli.Started](t, out).WorkflowID, "")
	sum := sha256.Sum256([]byte(text))
	id := hex.EncodeToString(sum[:])
	assert.Contains(t, string(begun.GetInput().GetPayloads()[0].GetData()), `"trainset":{"uri":"dataset:`+id+`"}`)
	store := b.Store()
	info, err := store.Stat(t.Context(), training.UploadKey("default", id))
	require.NoError(t, err)
	assert.EqualValues(t, len(text), info.Size)

	large := write(t, b.Dir, "large.json", string(clitest.ProgramText(strings.Repeat("Route. ", 9_000), strings.Repeat("x", 150_000))))
	code, out, errors = b.Run("optimize", "--program", large, "--trainset", train, "--name", "wait", "--detach", "--json")
	require.Equal(t, cli.ExitDone, code, errors)
	begun = b.Begun(clitest.Decode[cli.Started](t, out).WorkflowID, "")
	assert.Contains(t, string(begun.GetInput().GetPayloads()[0].GetData()), `"program":{"uri":"dataset:`)
}

func testOptimizeSteer(t *testing.T, b *clitest.Bench) {
	code, out, errors := b.Run("optimize", "--program", "s3://b/p.json", "--trainset", "s3://b/t.jsonl", "--name", "wait", "--detach")
	require.Equal(t, cli.ExitDone, code, errors)
	id := strings.TrimSpace(out)
	code, errors = b.Interrupt("agentic-router: search 2/22 trials, best 64.0 %, default 51.0 %, 834 answers, 800 calls, $0.31", "watch", id)
	assert.Equal(t, cli.ExitInterrupted, code)
	assert.Contains(t, errors, "the job continues")
	b.UntilPrints([]string{"status", id}, "agentic-router, improved: search 2/22 trials", "0d1 0i2")
	b.UntilPrints([]string{"status", id, "--json"}, `"planned": 21`)
	b.UntilPrints([]string{"list", "--kind", "optimizeprompts", "--status", "running"}, id)
	b.UntilPrints([]string{"__complete", "stop", ""}, id+"\tOptimizePrompts running")
	code, _, errors = b.Run("stop", id)
	assert.Equal(t, cli.ExitDone, code, errors)
	code, out, errors = b.Run("watch", id)
	assert.Equal(t, cli.ExitDone, code, errors)
	assert.Contains(t, out, "stopped, the best so far is kept")
	code, _, errors = b.Run("redrive", id, "--detach")
	assert.Equal(t, cli.ExitDone, code, errors)
	assert.NotContains(t, errors, "nothing to redrive", "a stopped search can continue")
}

func testApprove(t *testing.T, b *clitest.Bench) {
	for name, more := range map[string][]string{"yes": nil, "no": {"--no"}} {
		code, _, errors := b.Run("optimize", "--program", "s3://b/p.json", "--trainset", "s3://b/t.jsonl", "--name", "approve", "--approve", "--id", name, "--detach")
		require.Equal(t, cli.ExitDone, code, errors)
		code, _, errors = b.Run(append([]string{"approve", name}, more...)...)
		require.Equal(t, cli.ExitDone, code, errors)
		_, out, _ := b.Run("watch", name, "--json")
		assert.Equal(t, name == "yes", clitest.Decode[optimize.Result](t, out).Promoted)
	}
}

func TestOptimizeUsage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	program := write(t, dir, "router.json", string(clitest.ProgramText("Route.")))
	train := write(t, dir, "train.jsonl", someExamples)
	base := []string{"optimize", "--program", program, "--trainset", train}
	with := func(more ...string) []string { return append(append([]string{}, base...), more...) }
	file := func(name, text string) string { return write(t, dir, name, text) }
	for name, c := range map[string]struct {
		args []string
		code int
		want string
	}{
		"no program":                      {[]string{"optimize", "--trainset", train}, cli.ExitUsage, "--program must be"},
		"no examples":                     {[]string{"optimize", "--program", program}, cli.ExitUsage, "--trainset must be"},
		"bad mode":                        {with("--mode", "fast"), cli.ExitUsage, "improved, compat or gepa"},
		"bad auto":                        {with("--auto", "huge"), cli.ExitUsage, "light, medium, heavy or none"},
		"setting of MIPROv2 in mode gepa": {with("--mode", "gepa", "--set", "num_trials=3"), cli.ExitUsage, `not "num_trials"`},
		"auto and effort in mode gepa":    {with("--mode", "gepa", "--auto", "light", "--set", "max_full_evals=3"), cli.ExitUsage, "cannot be combined"},
		"auto none in mode gepa":          {with("--mode", "gepa", "--auto", "none"), cli.ExitUsage, "light, medium or heavy"},
		"auto and trials":                 {with("--auto", "light", "--set", "num_trials=3"), cli.ExitUsage, "cannot be combined"},
		"trials alone":                    {with("--set", "num_trials=3"), cli.ExitUsage, "are both required"},
		"unknown setting":                 {with("--set", "trials=3"), cli.ExitUsage, `not "trials"`},
		"not a number":                    {with("--set", "num_trials=many"), cli.ExitUsage, "num_trials"},
		"no value":                        {with("--set", "seed"), cli.ExitUsage, "name=value"},
		"bad name":                        {with("--name", "../x"), cli.ExitUsage, "letters, digits"},
		"bad tenant":                      {with("--tenant", "a b"), cli.ExitUsage, "tenant"},
		"no name":                         {[]string{"optimize", "--program", "s3://b/p.json", "--trainset", train}, cli.ExitUsage, "--name is required"},
		"metric mix":                      {with("--metric", "exact=agent", "--metric", "x.json"), cli.ExitUsage, "--metric must be"},
		"metric of a missing output":      {with("--metric", "exact=modality"), cli.ExitFailed, `no output "modality"`},
		"unknown metric":                  {with("--metric", "bleu=agent"), cli.ExitFailed, `kind "bleu"`},
		"metric of a missing column": {
			[]string{"optimize", "--program", program, "--trainset", file("plain.jsonl", `{"query": "q"}`)}, cli.ExitFailed, `no column "agent"`,
		},
		"missing image of a judge": {
			[]string{"optimize", "--program", program, "--trainset", file("seen.jsonl", `{"query": "q", "agent": "a", "shot": {"uri": "gone.png"}}`), "--metric", file("judge.json",
				`{"kind": "judge", "program": {"name": "j", "predictors": [{"name": "self", "inputs": [{"name": "shot", "type": "image"}], "outputs": [{"name": "score", "type": "float"}]}]}}`)},
			cli.ExitFailed, "no such file",
		},
		"missing metric file": {with("--metric", filepath.Join(dir, "gone.json")), cli.ExitFailed, "no such file"},
		"missing program":     {[]string{"optimize", "--program", program + ".gone", "--trainset", train}, cli.ExitFailed, "no such file"},
		"a recursive program": {[]string{"optimize", "--trainset", train, "--program", file("loop.json",
			`{"name": "x", "predictors": [{"name": "a", "inputs": [{"name": "y"}], "outputs": [{"name": "y2"}], "reads": {"y": "y2"}}]}`)}, cli.ExitFailed, "recursive"},
		"unknown field of a program": {[]string{"optimize", "--trainset", train, "--program", file("odd.json", `{"name": "x", "predictor": []}`)}, cli.ExitFailed, "predictor"},
		"not an object":              {[]string{"optimize", "--program", program, "--trainset", file("no.jsonl", "{\"query\": \"q\", \"agent\": \"a\"}\n7\n")}, cli.ExitFailed, "example 2"},
		"half an array":              {[]string{"optimize", "--program", program, "--trainset", file("half.json", `[{"query": "q", "agent": "a"}`)}, cli.ExitFailed, "example 2"},
		"more than an array":         {[]string{"optimize", "--program", program, "--trainset", file("more.json", `[{"query": "q", "agent": "a"}] {}`)}, cli.ExitFailed, "unexpected content after the array"},
		"an empty file":              {[]string{"optimize", "--program", program, "--trainset", file("empty.jsonl", "\n")}, cli.ExitFailed, "contains no examples"},
		"a directory":                {[]string{"optimize", "--program", program, "--trainset", dir}, cli.ExitFailed, "regular file"},
		"bad program name":           {[]string{"programs", "show", "a/b"}, cli.ExitUsage, "letters, digits"},
		"bad version":                {[]string{"programs", "promote", "a@0"}, cli.ExitUsage, "must be a number from 1 on"},
		"rollback of a version":      {[]string{"programs", "rollback", "a@2"}, cli.ExitUsage, "takes a program"},
		"canary without a share":     {[]string{"programs", "canary", "a@2"}, cli.ExitUsage, "--share must be the percentage"},
		"canary of more than 100 %":  {[]string{"programs", "canary", "a@2", "--share", "101"}, cli.ExitUsage, "from 1 to 100"},
		"canary of a negative share": {[]string{"programs", "canary", "a@2", "--share", "-1"}, cli.ExitUsage, "from 1 to 100"},
		"canary on and off":          {[]string{"programs", "canary", "a@2", "--share", "5", "--off"}, cli.ExitUsage, "cannot be combined"},
		"canary without a name":      {[]string{"programs", "canary"}, cli.ExitUsage, "NAME[@VERSION] is required"},
		"key with a version":         {[]string{"programs", "export", "a@2", "--key", "x"}, cli.ExitUsage, "cannot be combined with @2"},
		"an empty key":               {[]string{"programs", "show", "a", "--key", ""}, cli.ExitUsage, "it is empty"},
		"unknown key in YAML": {[]string{"optimize", "--trainset", train, "--program", file("odd.yaml",
			"name: x\npredictors:\n- name: a\n  input: []\n")}, cli.ExitFailed, `odd.yaml": line 4: unknown key "input"`},
		"text instead of a program in YAML":  {[]string{"optimize", "--trainset", train, "--program", file("no.yaml", "just words\n")}, cli.ExitFailed, "must be an object, not a string"},
		"unknown key of a metric in YAML":    {with("--metric", file("odd-metric.yaml", "kind: exact\nfeild: agent\n")), cli.ExitFailed, `line 2: unknown key "feild"`},
		"metric of a missing output in YAML": {with("--metric", file("metric.yaml", "kind: exact\nfield: modality\n")), cli.ExitFailed, `no output "modality"`},
		"diff with one version":              {[]string{"programs", "diff", "a@2"}, cli.ExitUsage, "[NAME]@VERSION is required"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := clitest.Offline(t, root.Run) // no server: all of these fail before a connection
			code, _, errors := b.Run(c.args...)
			assert.Equal(t, c.code, code, errors)
			assert.Contains(t, errors, c.want)
		})
	}
}

// started is the id of the job that a command reports.
func started(t *testing.T, errors string) string {
	t.Helper()
	_, rest, ok := strings.Cut(errors, "Started ")
	require.True(t, ok, errors)
	id, _, _ := strings.Cut(rest, "\n")
	return id
}
