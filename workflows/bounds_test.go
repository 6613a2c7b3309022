package workflows_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/workflow"

	"github.com/cogniverse/cogflow/workflows/catalog"
	"github.com/cogniverse/cogflow/workflows/flowtest"
)

// place is a text field of a start input: the JSON before and after the text, the name of the
// field in messages, and a length above its limit.
type place struct {
	field, before, after string
	long                 int
}

func (p place) in(field, before, after string) place {
	return place{strings.TrimSuffix(field+"."+p.field, "."), before + p.before, p.after + after, p.long}
}

// places lists the fields of a type that take text, or JSON with text.
func places(t *testing.T, of reflect.Type) (out []place) {
	t.Helper()
	switch {
	case of == reflect.TypeFor[json.RawMessage]():
		return []place{{"", `["`, `"]`, 3 << 19}, {"", `{"uri":"`, `"}`, 5000}}
	case of.Kind() == reflect.String, of.Kind() == reflect.Interface:
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

// TestInputBounds sets each text field of each start input to a text that is too long. The run
// fails before its first activity, and the message names the field.
func TestInputBounds(t *testing.T) {
	t.Parallel()
	fields, seen := 0, map[reflect.Type]bool{}
	for _, of := range catalog.Types() {
		in := reflect.TypeOf(of.Func).In(1)
		for _, p := range places(t, in) {
			if fields++; seen[in] && p.long > 5000 || p.before == `{"train":{"uri":"` {
				continue // the same, or no place: see below
			}
			t.Run(fmt.Sprint(of.Name, " ", p.field, " ", p.before), func(t *testing.T) {
				t.Parallel()
				env := flowtest.NewEnvironment()
				env.RegisterWorkflowWithOptions(of.Func, workflow.RegisterOptions{Name: of.Name})
				env.ExecuteWorkflow(of.Name, json.RawMessage(p.before+strings.Repeat("a", p.long)+p.after))
				require.True(t, env.IsWorkflowCompleted())
				err := env.GetWorkflowError()
				require.ErrorContains(t, err, "(type: input")
				for name := range strings.SplitSeq(p.field, ".") {
					require.ErrorContains(t, err, name)
				}
				if !strings.Contains(err.Error(), "at most") { // settings are read by a form of their own
					require.Regexp(t, "read (settings|lora): .*(; must be |; use |, which is not a valid )", err.Error())
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
