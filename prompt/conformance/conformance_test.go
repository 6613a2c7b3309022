// Package conformance_test compares package prompt with DSPy, Optuna and CPython, which
// `make test-conformance` installs: for equal inputs, the results must be equal. It needs
// no network.
package conformance_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/python"
)

// With AVX-512, NumPy computes exponentials itself and rounds them differently from the C
// library, which it uses otherwise. Optuna might then break ties differently on different
// processors. The comparison uses the C library.
const noAVX512 = "NPY_DISABLE_CPU_FEATURES=X86_V4"

// ask runs a script of this folder in the Python environment and decodes its output.
func ask(t *testing.T, into any, stdin []byte, script string, args ...string) {
	t.Helper()
	interpreter, err := filepath.Abs(".venv/bin/python")
	require.NoError(t, err)
	require.FileExists(t, interpreter, "run `make test-conformance`, which makes the Python environment")
	cmd := exec.CommandContext(t.Context(), interpreter, append([]string{script}, args...)...)
	cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1", "HF_HUB_OFFLINE=1", "LITELLM_LOCAL_MODEL_COST_MAP=True",
		"DSPY_CACHEDIR="+t.TempDir(), "OMP_NUM_THREADS=1", "TQDM_DISABLE=1", noAVX512, "PYTHONHASHSEED=0")
	cmd.Stdin = bytes.NewReader(stdin)
	var out, log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &log
	err = cmd.Run()
	end := log.String()[max(0, log.Len()-4000):]
	require.NoError(t, err, end)
	require.NoError(t, json.Unmarshal(out.Bytes(), into), end)
}

// predictor reads a predictor from a program file, as users do.
func predictor(t *testing.T, spec json.RawMessage) (*prompt.Program, *prompt.Predictor) {
	t.Helper()
	text, err := json.Marshal(map[string]any{"name": "case", "predictors": []json.RawMessage{spec}})
	require.NoError(t, err)
	program, err := prompt.Read(text)
	require.NoError(t, err, string(text))
	return program, program.Predictors[0]
}

func value(t *testing.T, text json.RawMessage) any {
	t.Helper()
	v, err := python.Decode(string(text))
	require.NoError(t, err)
	return v
}

var update = flag.Bool("update", false, "write DSPy's results to ../testdata, for the tests of package prompt")

// golden checks that the file that the tests of package prompt read is equal to the current
// results.
func golden(t *testing.T, name string, rows any) {
	t.Helper()
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	require.NoError(t, encoder.Encode(rows))
	path := filepath.Join("..", "testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(path, text.Bytes(), 0o600))
	}
	kept, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, text.String(), string(kept), "run `go test ./prompt/conformance -update`")
}

type renderCase struct {
	Name      string           `json:"name"`
	Predictor json.RawMessage  `json:"predictor"`
	Demos     []*prompt.Object `json:"demos"`
	Inputs    *prompt.Object   `json:"inputs"`
	Chat      []prompt.Message `json:"chat"`
	JSON      []prompt.Message `json:"json"`
	Schema    json.RawMessage  `json:"schema"`
	State     json.RawMessage  `json:"state"`
}

func TestRender(t *testing.T) {
	t.Parallel()
	var cases []renderCase
	ask(t, &cases, nil, "render.py")
	require.GreaterOrEqual(t, len(cases), 60)
	golden(t, "render.json", cases)
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			t.Parallel()
			program, p := predictor(t, c.Predictor)
			chat, err := prompt.Render(prompt.Chat, p.Signature(), c.Demos, c.Inputs)
			require.NoError(t, err)
			require.Equal(t, c.Chat, chat)
			inJSON, err := prompt.Render(prompt.JSON, p.Signature(), c.Demos, c.Inputs)
			require.NoError(t, err)
			require.Equal(t, c.JSON, inJSON)
			schema, ok := prompt.AnswerSchema(p.Signature().Outputs)
			require.Equal(t, string(c.Schema) != "null", ok)
			if ok {
				require.JSONEq(t, string(c.Schema), python.Dumps(schema))
			}
			for _, demo := range c.Demos {
				typed, err := prompt.WithImages(p.Inputs, demo)
				require.NoError(t, err)
				p.Demos = append(p.Demos, typed)
			}
			require.Equal(t, python.Dumps(value(t, c.State)), python.Dumps(program.State()))
		})
	}
}

type parseCase struct {
	Predictor json.RawMessage `json:"predictor"`
	Adapter   prompt.Adapter  `json:"adapter"`
	Answer    string          `json:"answer"`
	Outputs   json.RawMessage `json:"outputs"`
}

func TestParse(t *testing.T) {
	t.Parallel()
	var cases []parseCase
	ask(t, &cases, nil, "parse.py")
	require.GreaterOrEqual(t, len(cases), 200)
	var some []parseCase
	for i := 0; i < len(cases); i += 9 {
		some = append(some, cases[i])
	}
	golden(t, "parse.json", some)
	read, refused := 0, 0
	for _, c := range cases {
		_, p := predictor(t, c.Predictor)
		outputs, err := prompt.Parse(c.Adapter, p.Signature(), c.Answer)
		got := "null"
		if err == nil {
			got = python.Dumps(finite(outputs))
			read++
		} else {
			refused++
		}
		require.Equal(t, python.Dumps(value(t, c.Outputs)), got,
			"%s answer %q to %s (%v)", c.Adapter, c.Answer, c.Predictor, err)
	}
	t.Logf("%d answers parsed and %d refused, all as in DSPy", read, refused)
	require.Greater(t, refused, 100)
}

// finite encodes the numbers that JSON lacks in the same way as parse.py.
func finite(v any) any {
	switch x := v.(type) {
	case float64:
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return python.NewObject("float", python.Repr(x))
		}
	case []any:
		list := make([]any, len(x))
		for i, item := range x {
			list[i] = finite(item)
		}
		return list
	case *prompt.Object:
		o := &prompt.Object{}
		for _, k := range x.Keys() {
			member, _ := x.Get(k)
			o.Set(k, finite(member))
		}
		return o
	}
	return v
}
