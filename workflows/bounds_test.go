package workflows

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/video"
)

// place is where a start input takes text: what stands before and behind the text, the
// name of the field that a message has, and a length that no such field takes.
type place struct {
	field, before, after string
	long                 int
}

func (p place) in(field, before, after string) place {
	return place{strings.TrimSuffix(field+"."+p.field, "."), before + p.before, p.after + after, p.long}
}

// places lists where a type takes text, or JSON in which there may be any.
func places(t *testing.T, of reflect.Type) (out []place) {
	t.Helper()
	switch {
	case of == reflect.TypeFor[json.RawMessage]():
		return []place{{"", `["`, `"]`, 3 << 19}, {"", `{"uri":"`, `"}`, 5000}}
	case of.Kind() == reflect.String:
		return []place{{"", `"`, `"`, 5000}}
	case of.Kind() == reflect.Pointer:
		return places(t, of.Elem())
	case of.Kind() == reflect.Slice:
		for _, p := range places(t, of.Elem()) {
			if of.Elem() == reflect.TypeFor[json.RawMessage]() {
				p.long = 3 << 19 // it names no place
			}
			out = append(out, p.in("", "[", "]"))
		}
	case of.Kind() == reflect.Map:
		out = append(out, place{"", `{"`, `":null}`, 3 << 19})
		for _, p := range places(t, of.Elem()) {
			p.long = 3 << 19
			out = append(out, p.in("", `{"seed":`, "}"))
		}
	case of.Kind() == reflect.Struct:
		for f := range of.Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			switch {
			case f.Anonymous && name == "":
				out = append(out, places(t, f.Type)...)
				continue
			case !f.IsExported():
				continue
			}
			require.NotEmpty(t, name, "%s.%s", of, f.Name)
			for _, p := range places(t, f.Type) {
				out = append(out, p.in(name, fmt.Sprintf(`{%q:`, name), "}"))
			}
		}
	default:
		require.Contains(t, []reflect.Kind{reflect.Bool, reflect.Int, reflect.Int64, reflect.Float64}, of.Kind(), "%s", of)
	}
	return out
}

// TestInputBounds gives each field of each start input that holds text too much of it.
// The run fails before its first activity, and says which field it was.
func TestInputBounds(t *testing.T) {
	t.Parallel()
	fields, seen := 0, map[reflect.Type]bool{}
	for _, of := range Types() {
		in := reflect.TypeOf(of.Func).In(1)
		for _, p := range places(t, in) {
			if fields++; seen[in] && p.long > 5000 || p.before == `{"train":{"uri":"` {
				continue // the same, or no place: see below
			}
			t.Run(fmt.Sprint(of.Name, " ", p.field, " ", p.before), func(t *testing.T) {
				t.Parallel()
				env := NewTestEnvironment()
				env.RegisterWorkflowWithOptions(of.Func, workflow.RegisterOptions{Name: of.Name})
				env.ExecuteWorkflow(of.Name, json.RawMessage(p.before+strings.Repeat("a", p.long)+p.after))
				require.True(t, env.IsWorkflowCompleted())
				err := env.GetWorkflowError()
				require.ErrorContains(t, err, "(type: input")
				for name := range strings.SplitSeq(p.field, ".") {
					require.ErrorContains(t, err, name)
				}
				if !strings.Contains(err.Error(), "at most") { // settings are read by a form of their own
					require.Regexp(t, "read (settings|lora): .*(; must be |; use |, which cannot be )", err.Error())
				}
				require.Less(t, len(err.Error()), 1000, "it does not repeat the text")
			})
		}
		seen[in] = true
	}
	require.Greater(t, fields, 100)
	sweep := `{"method":"sft","train":{"base_model":"m","dataset":{"uri":"` + strings.Repeat("u", 5000) + `"}},"grid":{"seed":[1]}}`
	require.ErrorContains(t, started(t, "TrainSweep", sweep, nil), `"dataset.uri": has 5000 bytes; must be at most 2048 (type: input`)
}

// TestInputBoundsTakes: what is as long as a field may be is not refused for that.
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
		var in IngestVideoInput
		require.NoError(t, json.Unmarshal([]byte(text), &in))
		require.NoError(t, in.received.invalid)
		require.Equal(t, fits, in.received.tooLong == nil, "%.80s", text)
	}
}

// TestInputBoundsOfRunsInFlight: a run that was begun goes on, whatever its input holds.
func TestInputBoundsOfRunsInFlight(t *testing.T) {
	t.Parallel()
	long := received{tooLong: fmt.Errorf("too long")}
	problem := func(in received, of func(env *testsuite.TestWorkflowEnvironment)) error {
		env := NewTestEnvironment()
		if of != nil {
			of(env)
		}
		env.ExecuteWorkflow(func(ctx workflow.Context) error { return in.problem(ctx) })
		return env.GetWorkflowError()
	}
	require.Error(t, problem(long, nil))
	continued := func(env *testsuite.TestWorkflowEnvironment) { env.SetContinuedExecutionRunID("r") }
	require.Error(t, problem(long, continued), "a retry")
	earlier := func(env *testsuite.TestWorkflowEnvironment) {
		env.OnGetVersion("input-bounds", workflow.DefaultVersion, workflow.Version(1)).Return(workflow.DefaultVersion)
	}
	require.NoError(t, problem(long, earlier))
	long.resume = json.RawMessage("{}")
	require.Error(t, problem(long, nil))
	require.NoError(t, problem(long, continued))
}
