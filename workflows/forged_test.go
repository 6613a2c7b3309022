package workflows_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/workflows/catalog"
	"github.com/cogniverse/cogflow/workflows/flowtest"
)

// states are inputs with a continue-as-new state of another tenant.
func states() map[string]string {
	digest, job := strings.Repeat("ab", 32), strings.Repeat("cd", 12)
	recipe := fmt.Sprintf(`{"fingerprint":%q,"profile":"p","chunk_frames":1,"describe_gpu":["cpu"],"embed_gpu":["cpu"],"gpu_wait":0,"embed":"e"}`, digest)
	return map[string]string{
		"IngestLibrary": `{"tenant":"a","source":"x","resume":{"job":"CHAIN","recipe":` + recipe + `,"listing":{"prefix":"a/listings/r/","videos":1},"next":0}}`,
		"IngestVideo": `{"tenant":"a","uri":"x","resume":{"recipe":` + recipe + `,"source":{"video":"` + digest + `"},"claim":{"generation":"` + digest + `"},
			"extraction":{"chunks":1},"next":1}}`,
		"TrainSFT": `{"tenant":"a","base_model":"m","dataset":{"uri":"x"},"resume":{"chain":"CHAIN","check":{"train_file":{"sha256":"` + digest + `"}},
			"plan":{"job":"` + job + `","estimate":{"classes":[{"class":"cpu","fits":true,"within_budget":true}]}},"class":0,"budget":1000000}}`,
		"OptimizePrompts": `{"tenant":"a","program":{},"trainset":[{}],"resume":{"chain":"CHAIN","plan":{"job":"` + job + `"},"stage":"search","budget":1000000}}`,
	}
}

// started runs a workflow as the server starts it, up to its first activity.
func started(t *testing.T, name, input string, of func(env *testsuite.TestWorkflowEnvironment)) error {
	t.Helper()
	env := flowtest.NewEnvironment()
	for _, w := range catalog.Types() {
		env.RegisterWorkflowWithOptions(w.Func, workflow.RegisterOptions{Name: w.Name})
	}
	if of != nil {
		of(env)
	}
	env.ExecuteWorkflow(name, json.RawMessage(input))
	require.True(t, env.IsWorkflowCompleted())
	return env.GetWorkflowError()
}

const testRun = "default-test-run-id" // the SDK's; a test environment has no chains

func TestForgedStateIsRefused(t *testing.T) {
	t.Parallel()
	for name, text := range states() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			right := strings.ReplaceAll(text, "CHAIN", testRun)
			require.ErrorContains(t, started(t, name, right, nil), "reserved for cogflow", "it is not a continuation")
			if strings.Contains(text, "CHAIN") {
				continued := func(env *testsuite.TestWorkflowEnvironment) { env.SetContinuedExecutionRunID("r") }
				other := strings.ReplaceAll(text, "CHAIN", "another-run")
				require.ErrorContains(t, started(t, name, other, continued), "reserved for cogflow", "it is of another chain")
			}
			for _, variant := range []string{`"Resume"`, `"RESUME"`, `"re\u0073ume"`} {
				err := started(t, name, strings.Replace(right, `"resume"`, variant, 1), nil)
				require.Error(t, err)
				require.True(t, strings.Contains(err.Error(), "reserved") || strings.Contains(err.Error(), "unknown field"), "%s: %v", variant, err)
			}
			require.Error(t, started(t, name, strings.Replace(right, `"tenant":"a"`, `"tenant":"a","TENANT":"b"`, 1), nil))
			require.ErrorContains(t, started(t, name, strings.Replace(right, `"tenant":"a"`, `"tenant":"a","tenant":"b"`, 1), nil), "twice")
		})
	}
}

// TestForgedStateIsBounded: an accepted state refers to nothing of another tenant.
func TestForgedStateIsBounded(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ workflow, from, to string }{
		{"IngestLibrary", `a/listings/r/`, `b/listings/r/`},
		{"IngestLibrary", `a/listings/r/`, `a/listings/../../b/listings/r/`},
		{"IngestLibrary", `a/listings/r/`, `a/videos/`},
		{"IngestLibrary", `a/listings/r/`, ``},
		{"IngestLibrary", `"next":0`, `"next":1,"in_flight":[{"id":"library-of-b/000000"}]`},
		{"IngestLibrary", `"next":0`, `"next":1,"in_flight":[{"id":"default-test-workflow-id/000001"}]`},
		{"IngestLibrary", `"next":0`, `"next":1,"in_flight":[{"id":"default-test-workflow-id/0"}]`},
		{"IngestLibrary", `"next":0`, `"next":0,"report":[{"video":"../../b"}]`},
		{"IngestLibrary", `"embed_gpu":["cpu"]`, `"embed_gpu":["of-b"]`},
		{"IngestLibrary", `"embed_gpu":["cpu"]`, `"embed_gpu":[]`},
		{"IngestLibrary", `"fingerprint":"`, `"fingerprint":"../../b/recipes/`},
		{"IngestVideo", `"source":{"video":"`, `"source":{"video":"../../../b/videos/`},
		{"IngestVideo", `"next":1`, `"next":7`},
		{"IngestVideo", `"generation":"`, `"generation":"b`},
		{"TrainSFT", `"job":"`, `"job":"../../../b`},
		{"TrainSFT", `"sha256":"`, `"sha256":"../b/`},
		{"TrainSFT", `"class":0`, `"class":-1`},
		{"TrainSFT", `"class":"cpu"`, `"class":"of-b"`},
		{"TrainSFT", `"fits":true`, `"fits":false`},
		{"OptimizePrompts", `"job":"`, `"job":"../../../b`},
		{"OptimizePrompts", `"stage":"search"`, `"stage":"x"`},
	} {
		t.Run(c.workflow+" "+c.to, func(t *testing.T) {
			t.Parallel()
			text := strings.ReplaceAll(states()[c.workflow], "CHAIN", testRun)
			require.Contains(t, text, c.from)
			err := started(t, c.workflow, strings.Replace(text, c.from, c.to, 1), func(env *testsuite.TestWorkflowEnvironment) { env.SetContinuedExecutionRunID("r") })
			require.ErrorContains(t, err, "(type: input", "the run fails before its first activity")
		})
	}
}

// TestForgedLibraryIsRefused: only a child with an id of its library may have the field
// library.
func TestForgedLibraryIsRefused(t *testing.T) {
	t.Parallel()
	link := `{"tenant":"a","uri":"x","library":{"job":"b","recipe":` + strings.SplitN(strings.SplitN(states()["IngestLibrary"], `"recipe":`, 2)[1], `,"listing"`, 2)[0] + `}}`
	require.ErrorContains(t, started(t, "IngestVideo", link, nil), "reserved for cogflow")
}

// TestForgedFieldsAreRejected: fields that only cogflow may set are not in the documented
// input types.
func TestForgedFieldsAreRejected(t *testing.T) {
	t.Parallel()
	resumed := []string{"IngestLibrary", "IngestVideo", "TrainSFT", "TrainDPO", "TrainKTO", "TrainEmbedding", "OptimizePrompts"}
	for _, w := range catalog.Types() {
		in := reflect.TypeOf(w.Func).In(1)
		for f := range in.Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			require.NotContains(t, []string{"resume", "library"}, name, in.Name())
		}
		if slices.Contains(resumed, w.Name) {
			continue // refused by the run, see above
		}
		value := reflect.New(in)
		require.NoError(t, json.Unmarshal([]byte(`{"resume":{}}`), value.Interface()))
		invalid, _ := in.FieldByName("received")
		require.NotZero(t, invalid, in.Name())
		require.False(t, value.Elem().FieldByName("received").FieldByName("invalid").IsNil(), in.Name())
	}
}

func TestSweepVariesNoLimits(t *testing.T) {
	t.Parallel()
	train := `{"base_model":"m","dataset":{"uri":"x"}}`
	for _, name := range []string{
		"tenant", "budget_usd", "priority", "resume", "timeout", "Tenant", "TENANT", "tenant.x", "resume.listing.prefix", "Budget_USD", "library", "tenant ", "", ".", "Common.tenant",
		"dataset.tenant", "sft_config.tenant", "sft_config.Epochs",
	} {
		for _, input := range []string{
			fmt.Sprintf(`{"tenant":"a","method":"sft","train":%s,"grid":{%q:["b"]}}`, train, name),
			fmt.Sprintf(`{"tenant":"a","method":"sft","train":%s,"runs":[{%q:"b"}]}`, train, name),
		} {
			err := started(t, "TrainSweep", input, nil)
			require.ErrorContains(t, err, "(type: input", input)
		}
	}
	for _, forged := range []string{
		`{"base_model":"m","dataset":{"uri":"x"},"resume":{}}`, `{"base_model":"m","dataset":{"uri":"x"},"tenant":"b"}`,
		`{"base_model":"m","dataset":{"uri":"x"},"Tenant":"b"}`, `{"base_model":"m","base_model":"n","dataset":{"uri":"x"}}`,
		`{"base_model":"m","dataset":{"uri":"x","uri":"y"}}`, `{"base_model":"m","dataset":{"URI":"x"}}`, `null`, `[]`, `1`,
	} {
		err := started(t, "TrainSweep", `{"tenant":"a","method":"sft","train":`+forged+`,"grid":{"seed":[1]}}`, nil)
		require.ErrorContains(t, err, "(type: input", forged)
	}
}
