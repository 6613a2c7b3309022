package workflows

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/video"
	"github.com/cogniverse/cogflow/workflows/flowtest"
)

// TestInputBoundsTakes: a text of exactly the maximum length is accepted.
func TestInputBoundsTakes(t *testing.T) {
	t.Parallel()
	uri, name := strings.Repeat("u", video.MaxURI), strings.Repeat("n", 255)
	for text, fits := range map[string]bool{
		`{"uri":"` + uri + `","profile":"` + name + `"}`:                                                 true,
		`{"uri":"` + uri + `u"}`:                                                                         false,
		`{"uri":"u","profile":"` + name + `n"}`:                                                          false,
		`{"uri":"` + strings.Repeat("é", video.MaxURI/2) + `"}`:                                          true,
		`{"uri":"` + strings.Repeat("é", video.MaxURI/2+1) + `"}`:                                        false,
		`{"uri":"u","tenant":"` + strings.Repeat("t", 1<<16) + `"}`:                                      false,
		`{"uri":"u","resume":{"source":{"name":"` + strings.Repeat("n", 1<<16) + `"}}}`:                  true,
		`{"uri":"u","library":{"recipe":{"profile":"` + strings.Repeat("n", 1<<16) + `"}},"force":true}`: true,
	} {
		in := Receive([]byte(text), &struct {
			Common
			URI     string          `json:"uri"`
			Profile string          `json:"profile"`
			Force   bool            `json:"force"`
			Library json.RawMessage `json:"library"`
			Resume  json.RawMessage `json:"resume"`
		}{})
		require.NoError(t, in.invalid)
		require.Equal(t, fits, in.tooLong == nil, "%.80s", text)
	}
}

// TestInputBoundsOfRunsInFlight: runs of earlier builds continue with inputs of any length.
func TestInputBoundsOfRunsInFlight(t *testing.T) {
	t.Parallel()
	long := Received{tooLong: fmt.Errorf("too long")}
	problem := func(in Received, of func(env *testsuite.TestWorkflowEnvironment)) error {
		env := flowtest.NewEnvironment()
		if of != nil {
			of(env)
		}
		env.ExecuteWorkflow(func(ctx workflow.Context) error { return in.Problem(ctx) })
		return env.GetWorkflowError()
	}
	require.Error(t, problem(long, nil))
	continued := func(env *testsuite.TestWorkflowEnvironment) { env.SetContinuedExecutionRunID("r") }
	require.Error(t, problem(long, continued), "a retry")
	earlier := func(env *testsuite.TestWorkflowEnvironment) {
		env.OnGetVersion("input-bounds", workflow.DefaultVersion, workflow.Version(1)).Return(workflow.DefaultVersion)
	}
	require.NoError(t, problem(long, earlier))
	long.Resume = json.RawMessage("{}")
	require.Error(t, problem(long, nil))
	require.NoError(t, problem(long, continued))
}
