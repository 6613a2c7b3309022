package python_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/prompt/python"
)

func TestRandomVectors(t *testing.T) {
	t.Parallel()
	r := python.NewRandom(9)
	require.InDelta(t, 0.46300735781502145, r.Float(), 0)
	require.InDelta(t, 0.37331193139504204, r.Float(), 0)
	require.Equal(t, []int{59, 78, 47, 34, 17, 23, 86, 0}, python.NewRandom(9).Sample(100, 35)[:8])
	require.Equal(t, []int{12, 13, 1, 8}, python.NewRandom(0).Sample(20, 4))
	deck := []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}
	r = python.NewRandom(9)
	r.Shuffle(len(deck), func(i, j int) { deck[i], deck[j] = deck[j], deck[i] })
	require.Equal(t, []int{9, 8, 3, 2, 0, 6, 1, 4, 5, 7}, deck)
	require.Equal(t, 1, r.Int(1, 4))
	again := python.NewRandom(9)
	again.Skip(r.Words())
	require.InDelta(t, r.Float(), again.Float(), 0, "seed and count are the whole state")
}

func TestRandomStateVectors(t *testing.T) {
	t.Parallel()
	require.InDelta(t, 0.5488135039273248, python.NewRandomState(0).Float(), 0)
	require.InDelta(t, 0.3745401188473625, python.NewRandomState(42).Float(), 0)
	r := python.NewRandomState(9)
	require.Equal(t, []float64{0.010374153885699955, 0.5018745921487388, 0.4957732931341461}, r.Floats(3))
	again := python.NewRandomState(9)
	again.Skip(r.Drawn())
	require.InDelta(t, r.Float(), again.Float(), 0)
}

func TestRepr(t *testing.T) {
	t.Parallel()
	for want, v := range map[string]any{
		"None": nil, "True": true, "-3": int64(-3), "0.1": 0.1, "1.0": 1.0, "1e+16": 1e16, "1e-05": 1e-5, "nan": math.NaN(), "-inf": math.Inf(-1),
		`'a'`: "a", `"it's"`: "it's", `'it\'s "x"'`: `it's "x"`, `'\n\t\\\x00\x7fé\u200b'`: "\n\t\\\x00\x7fé\u200b",
		`[1, 'x']`: []any{int64(1), "x"}, `{'a': [], 'b': {}}`: python.NewObject("a", []any{}, "b", &python.Object{}),
	} {
		require.Equal(t, want, python.Repr(v))
	}
	require.Equal(t, "a", python.Str("a"))
}

func TestJSON(t *testing.T) {
	t.Parallel()
	text := `{"b": 1, "a": [1.0, 123456789012345678901234567890, -0.5, "é\n\u0001", null, true, {}, []]}`
	v, err := python.Decode(text)
	require.NoError(t, err)
	require.Equal(t, text, python.Dumps(v))
	require.Equal(t, "{\n  \"b\": 1,\n  \"a\": []\n}", python.DumpsIndent(python.NewObject("b", int64(1), "a", []any{}), 2))
	for _, bad := range []string{"", "{", "[1,]", `{"a" 1}`, `{1: 2}`, `"a`, "\"a\nb\"", "01", "1 2", "nul", `"\q"`, strings.Repeat("[", 5000)} {
		_, err := python.Decode(bad)
		require.Error(t, err, bad)
	}
	v, err = python.Decode(`{"a": 1, "b": 2, "a": [NaN, -Infinity]}`)
	require.NoError(t, err)
	require.Equal(t, `{"a": [NaN, -Infinity], "b": 2}`, python.Dumps(v))
	_, err = json.Marshal(v)
	require.Error(t, err, "JSON for others has no NaN")
	require.Equal(t, `{"a":1}`, marshal(t, python.NewObject("a", int64(1))))
}

func marshal(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	require.NoError(t, err)
	return string(text)
}

func TestEqual(t *testing.T) {
	t.Parallel()
	require.True(t, python.Equal(true, int64(1)))
	require.True(t, python.Equal(int64(1), 1.0))
	require.False(t, python.Equal(math.NaN(), math.NaN()))
	require.False(t, python.Equal("1", int64(1)))
	require.False(t, python.Equal(nil, false))
	require.True(t, python.Equal([]any{python.NewObject("a", 1.0, "b", nil)}, []any{python.NewObject("b", nil, "a", int64(1))}))
}

func TestCleanDoc(t *testing.T) {
	t.Parallel()
	require.Equal(t, "a\n  b\nc", python.CleanDoc("\n  a\n    b\n  c\n\n"))
	require.Equal(t, "a\nb", python.CleanDoc("   a\n\tb"))
	require.Equal(t, " ", python.CleanDoc("  \n \n"), "only empty lines go")
	require.Equal(t, []string{"a", "b", "c", "", "d"}, python.SplitLines("a\nb\r\nc\x0b\u2028d\u0085"))
	require.Equal(t, "a\n\n b", python.Dedent("  a\n    \n   b"))
}

func TestLiteral(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		" 5 # five": "5", "(1, 2)": "[1, 2]", "1,": "[1]", "(1)": "1", "{'a': (1,)}": `{"a": [1]}`, "{1, 2}": "[1, 2]", "0x1F": "31", "1_000": "1000",
		"-1.5e3": "-1500.0", `"a" 'b'`: `"ab"`, `r'\d'`: `"\\d"`, `'''x` + "\n" + `y'''`: `"x\ny"`, `'\x41\101\u00e9\q'`: `"AAé\\q"`, "True": "true", "None": "null", "[]": "[]",
	} {
		v, err := python.Literal(text)
		require.NoError(t, err, text)
		require.Equal(t, want, python.Dumps(v), text)
	}
	for _, bad := range []string{"", "five", "007", "1 2", "[1", "'a", "--3", "Truest", "{1: 2}", "1\n2", "1__0", "\"a\nb\"", "{'a': 1, 2}", strings.Repeat("[", 500)} {
		_, err := python.Literal(bad)
		require.Error(t, err, bad)
	}
}
