package dataset

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/training"
	"github.com/cogniverse/cogflow/training/rows"
	"github.com/cogniverse/cogflow/training/table"
)

var rewriteRows = flag.Bool("update", false, "rewrite the golden files")

func sourceOf(text string) rows.Source {
	return func() (io.ReadCloser, error) { return textFile{strings.NewReader(text)}, nil }
}

// textFile is a file that can be read from any place.
type textFile struct{ *strings.Reader }

func (textFile) Close() error { return nil }

func tableOf(text string) func() (rows.Table, error) {
	return func() (rows.Table, error) { return table.Open("d.jsonl", sourceOf(text), DefaultMaxRowBytes) }
}

// prepared is what Prepare makes of texts.
type prepared struct {
	check       Check
	train, held string
}

func prepare(t *testing.T, o CheckOptions, train, eval string) (prepared, error) {
	t.Helper()
	var source rows.Source
	if eval != "" {
		source = sourceOf(eval)
	}
	var a, b bytes.Buffer
	if o.Name == "" {
		o.Name, o.EvalName = "d.jsonl", "e.jsonl"
	}
	check, err := Prepare(t.Context(), o, sourceOf(train), source, &a, &b)
	return prepared{check, a.String(), b.String()}, err
}

// lines makes n rows of a pattern that has the number twice.
func manyRows(n int, pattern string) string {
	var all strings.Builder
	for i := range n {
		all.WriteString(strings.ReplaceAll(pattern, "#", fmt.Sprint(i)) + "\n")
	}
	return all.String()
}

func TestPrepareGolden(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/datasets/*.json*")
	require.NoError(t, err)
	seen := map[rows.Format]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		got, err := prepare(t, CheckOptions{Method: methodOf(t, string(text)), ValidationShare: -1}, string(text), "")
		require.NoError(t, err, file)
		golden := strings.TrimSuffix(file, filepath.Ext(file)) + ".golden"
		if *rewriteRows {
			require.NoError(t, os.WriteFile(golden, []byte(got.train), 0o600))
		}
		want, err := os.ReadFile(golden)
		require.NoError(t, err)
		assert.Equal(t, string(want), got.train, file)
		assert.Equal(t, strings.Split(filepath.Base(file), ".")[0], string(got.check.Train.Format))
		assert.Equal(t, strings.Count(got.train, "\n"), got.check.TrainFile.Rows)
		seen[got.check.Train.Format] = true
		again, err := prepare(t, CheckOptions{Method: got.check.Method, ValidationShare: -1}, got.train, "")
		require.NoError(t, err, "canonical rows are a dataset themselves: %s", file)
		assert.Equal(t, got.check.TrainFile, again.check.TrainFile, "and stay what they are")
	}
	for _, format := range rows.Formats() {
		assert.True(t, seen[format], "no golden file for %s", format)
	}
}

func methodOf(t *testing.T, text string) training.Method {
	t.Helper()
	format, err := rows.DetectFormat(tableOf(text), "")
	require.NoError(t, err)
	return format.Method()
}

func TestPrepareSameRowsInAnyContainer(t *testing.T) {
	t.Parallel()
	rows := manyRows(60, `{"instruction": "ask #", "input": "", "output": "say # é"}`)
	array := "\ufeff [\n" + strings.ReplaceAll(strings.TrimSpace(rows), "\n", "\n,") + "]\n\n"
	var outs []prepared
	for _, text := range []string{rows, "\ufeff" + rows, strings.ReplaceAll(rows, "\n", "\r\n\r\n"), array, strings.TrimSpace(rows)} {
		got, err := prepare(t, CheckOptions{}, text, "")
		require.NoError(t, err)
		outs = append(outs, got)
		assert.Equal(t, 60, got.check.Train.Rows)
		assert.Equal(t, training.SFT, got.check.Method)
		assert.Equal(t, 6, got.check.HeldOut)
		assert.Equal(t, 54, got.check.TrainFile.Rows)
		assert.Equal(t, 6, got.check.EvalFile.Rows)
		assert.Equal(t, outs[0].train, got.train)
		assert.Equal(t, outs[0].check.EvalFile, got.check.EvalFile)
	}
	assert.Equal(t, "json", outs[3].check.Train.Container)
	assert.Equal(t, "jsonl", outs[2].check.Train.Container)
	assert.InDelta(t, 0.6, outs[0].check.Choice.Confidence, 1e-9)
}

func TestPrepareDropsWhatIsAllowed(t *testing.T) {
	t.Parallel()
	text := manyRows(96, `{"prompt": "ask #", "completion": "say #"}`) + `{"prompt": "ask", "completion": " "}
{"prompt": 3, "completion": "b"}
{"prompt": "a"}
{"prompt": "a", "completion": "b"
`
	for allowed, ok := range map[float64]bool{0: false, 0.03: false, 3: false, 0.04: true, 4: true, 100: true} {
		got, err := prepare(t, CheckOptions{AllowDropped: allowed}, text, "")
		assert.Equal(t, ok, err == nil, "%v: %v", allowed, err)
		assert.Equal(t, ok, got.check.OK)
		assert.Equal(t, 4, got.check.Train.Dropped)
		assert.Equal(t, map[string]int{"empty": 1, "wrong_type": 1, "missing_field": 1, "truncated_json": 1}, got.check.Train.DroppedBy)
		if !ok {
			assert.Equal(t, fault.Input, fault.ClassOf(err))
			require.ErrorContains(t, err, `line 97, field "completion": the text is empty`)
			assert.Empty(t, got.train+got.held, "nothing is written of a dataset that is refused")
			continue
		}
		assert.Equal(t, 96, got.check.TrainFile.Rows+got.check.EvalFile.Rows)
		left := map[float64]int{0.04: 0, 4: 0, 100: 96}[allowed]
		assert.Equal(t, &training.MayDrop{Train: left}, got.check.MayDrop, "held-out rows are of the same file")
		for _, p := range got.check.Problems {
			assert.NotEqual(t, SeverityError, p.Severity)
		}
	}
}

func TestPrepareNamesTheFirstProblems(t *testing.T) {
	t.Parallel()
	text := manyRows(120, `{"prompt": "ask #", "completion": ""}`)
	got, err := prepare(t, CheckOptions{}, text, "")
	require.ErrorContains(t, err, "line 5")
	require.ErrorContains(t, err, "and 115 more")
	assert.NotContains(t, err.Error(), "line 6")
	assert.Len(t, got.check.Problems, maxProblems)
	assert.Equal(t, 120, got.check.Counts["empty"])
}

func TestPrepareLeaks(t *testing.T) {
	t.Parallel()
	train := manyRows(60, `{"prompt": "Ask #?", "completion": "say #"}`)
	eval := `{"prompt": "new", "completion": "n"}
{"prompt": "Ask 7?", "completion": "say 7"}
{"prompt": " ask  8", "completion": "other"}
`
	_, err := prepare(t, CheckOptions{}, train, eval)
	require.ErrorContains(t, err, `check dataset "e.jsonl": line 2: the same row is trained on (line 8 of d.jsonl)`)
	got, err := prepare(t, CheckOptions{AllowDropped: 1}, train, eval)
	require.NoError(t, err)
	assert.Equal(t, 1, got.check.Eval.Leaks)
	none := 0
	assert.Equal(t, &training.MayDrop{Train: 1, Eval: &none}, got.check.MayDrop)
	assert.Equal(t, 1, got.check.Counts["leak_prompt"])
	assert.Equal(t, 60, got.check.TrainFile.Rows)
	assert.Equal(t, "{\"prompt\":\"new\",\"completion\":\"n\"}\n{\"prompt\":\" ask  8\",\"completion\":\"other\"}\n", got.held)
	assert.Zero(t, got.check.HeldOut)
}

func TestPrepareNotes(t *testing.T) {
	t.Parallel()
	text := manyRows(60, `{"prompt": "ask #", "completion": "say #", "id": #, "metadata": {"a": [#]}}`) +
		strings.Repeat(`{"prompt": "again", "completion": "say"}`+"\n", 3) +
		`{"prompt": "again", "completion": "else"}
{"prompt": "Echo.", "completion": "echo"}
{"prompt": "bell", "completion": "\u0007"}
{"prompt": "lost", "completion": "caf\ufffd"}
{"prompt": "key", "completion": "it is sk-abcdefghijklmnop0123456789"}
{"prompt": "` + strings.Repeat("word ", 700) + `", "completion": "x"}
`
	got, err := prepare(t, CheckOptions{MaxSeqLength: 512}, text, "")
	require.NoError(t, err)
	assert.Equal(t, map[string]int{
		"unknown_field": 60, "duplicate_row": 2, "echo": 1, "control_character": 1, "replaced_character": 1, "secret": 1, "no_room": 1,
	}, got.check.Counts)
	assert.Equal(t, 2, got.check.Train.Duplicates)
	assert.Equal(t, 1, got.check.Train.RepeatedPrompts)
	assert.Equal(t, 1, got.check.Train.Truncated)
	assert.Equal(t, 1, got.check.Train.NoRoom)
	assert.Contains(t, got.check.Problems, Problem{
		SeverityWarning, "unknown_field", "d.jsonl", 1, 1, "id", "the field is not known and is left out (60 such rows: lines 1, 2, 3, 4, 5, 6, 7, 8, …)",
		`put what belongs to the row but is not trained on into "metadata"`,
	})
	whole, err := json.Marshal(got.check)
	require.NoError(t, err)
	assert.NotContains(t, string(whole), "sk-abc", "the report does not repeat a secret")
}

func TestPrepareTurns(t *testing.T) {
	t.Parallel()
	two := `{"from": "human", "value": "q #"}, {"from": "gpt", "value": "a"}`
	text := manyRows(30, `{"system": "be short", "conversations": [`+two+`]}`) + manyRows(40, `{"conversations": [`+two+", "+two+`]}`)
	got, err := prepare(t, CheckOptions{MaxSeqLength: 2048}, text, "")
	require.NoError(t, err)
	assert.Equal(t, map[int]int{1: 30, 2: 40}, got.check.Train.Turns)
	assert.Equal(t, map[string]int{"system": 30, "user": 110, "assistant": 110}, got.check.Train.Roles)
	assert.Len(t, got.check.Suggestions, 2, "no length: the chat template is not known")
	got.check.Measure(training.DataStats{Rows: 63, P99: 40, Max: 45}, training.Config{MaxSeqLength: 2048})
	assert.Len(t, got.check.Suggestions, 3)
	assert.Equal(t, 30, got.check.Train.RepeatedPrompts, "a longer version of a conversation")
}

func TestPrepareIsDeterministic(t *testing.T) {
	t.Parallel()
	text := manyRows(200, `{"anchor": "a #", "positive": "p #", "negative": "n #"}`)
	first, err := prepare(t, CheckOptions{Seed: 1}, text, "")
	require.NoError(t, err)
	second, err := prepare(t, CheckOptions{Seed: 1}, text, "")
	require.NoError(t, err)
	assert.Equal(t, first, second)
	other, err := prepare(t, CheckOptions{Seed: 2}, text, "")
	require.NoError(t, err)
	assert.NotEqual(t, first.held, other.held)
	assert.Equal(t, 20, other.check.EvalFile.Rows)
}

func TestPrepareRefusesOptions(t *testing.T) {
	t.Parallel()
	for want, o := range map[string]CheckOptions{
		"unknown method":   {Method: "ppo"},
		"unknown format":   {Format: "csv"},
		"allow_dropped":    {AllowDropped: 1.5},
		"validation share": {ValidationShare: 1},
		"limits":           {MaxRows: -1},
	} {
		_, err := prepare(t, o, `{"text": "a"}`, "")
		require.ErrorContains(t, err, want)
		assert.Equal(t, fault.Input, fault.ClassOf(err))
	}
}

// failingWriter is a full disk.
type failingWriter struct{}

var errFull = errors.New("disk full")

func (failingWriter) Write([]byte) (int, error) { return 0, errFull }

func TestPreparePassesErrorsThrough(t *testing.T) {
	t.Parallel()
	broken := errors.New("connection reset")
	text := manyRows(60, `{"prompt": "ask #", "completion": "say #"}`)
	for _, head := range []string{"", "[", text[:100]} {
		_, err := Prepare(t.Context(), CheckOptions{}, func() (io.ReadCloser, error) {
			return io.NopCloser(io.MultiReader(strings.NewReader(head), iotest.ErrReader(broken))), nil
		}, nil, io.Discard, io.Discard)
		require.ErrorIs(t, err, broken)
		assert.Empty(t, fault.ClassOf(err))
	}
	_, err := Prepare(t.Context(), CheckOptions{}, func() (io.ReadCloser, error) { return nil, broken }, nil, io.Discard, io.Discard)
	require.ErrorIs(t, err, broken)
	_, err = Prepare(t.Context(), CheckOptions{}, sourceOf(text), nil, failingWriter{}, io.Discard)
	require.ErrorIs(t, err, errFull)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = Prepare(ctx, CheckOptions{}, sourceOf(text), nil, io.Discard, io.Discard)
	require.ErrorIs(t, err, context.Canceled)
}

func TestPrepareSeesAChange(t *testing.T) {
	t.Parallel()
	opened := 0
	_, err := Prepare(t.Context(), CheckOptions{Name: "d"}, func() (io.ReadCloser, error) {
		opened++
		return io.NopCloser(strings.NewReader(manyRows(57+opened, `{"prompt": "ask #", "completion": "say #"}`))), nil
	}, nil, io.Discard, io.Discard)
	require.ErrorContains(t, err, "it changed while it was read")
	assert.Equal(t, fault.Input, fault.ClassOf(err))
}

// endless makes rows until so many bytes are read, and watches the heap.
type endless struct {
	left  int
	n     int
	rest  []byte
	row   func(n int) []byte
	peak  *uint64
	reads int
}

func (e *endless) Read(p []byte) (int, error) {
	if e.reads++; e.reads%256 == 0 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		*e.peak = max(*e.peak, m.HeapAlloc)
	}
	if len(e.rest) == 0 {
		if e.left <= 0 {
			return 0, io.EOF
		}
		e.n++
		e.rest = e.row(e.n)
		e.left -= len(e.rest)
	}
	n := copy(p, e.rest)
	e.rest = e.rest[n:]
	return n, nil
}

// TestPrepareHoldsNoFile runs alone, because it measures the heap.
func TestPrepareHoldsNoFile(t *testing.T) {
	filler := strings.Repeat("so many words ", 300)
	for name, head := range map[string]string{"jsonl": "", "json": "["} {
		var before runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		var peak uint64
		check, err := Prepare(t.Context(), CheckOptions{Method: training.SFT}, func() (io.ReadCloser, error) {
			return io.NopCloser(io.MultiReader(strings.NewReader(head), &endless{
				left: 10 << 20, peak: &peak, row: func(n int) []byte {
					comma := ""
					if head != "" && n > 1 {
						comma = ","
					}
					return fmt.Appendf(nil, `%s{"prompt": "row %d", "completion": "%s"}`+"\n", comma, n, filler)
				},
			}, strings.NewReader(strings.ReplaceAll(head, "[", "]")))), nil
		}, nil, io.Discard, io.Discard)
		require.NoError(t, err, name)
		assert.Greater(t, check.Train.Bytes, int64(10<<20))
		assert.Less(t, peak, before.HeapAlloc+4<<20, "%s: %d rows", name, check.Train.Rows)
	}
}

func TestPrepareReadsNoEndlessRow(t *testing.T) {
	t.Parallel()
	for _, head := range []string{`{"text": "`, `[{"text": "`, `[`, `{"a": [`} {
		read := 0
		_, err := Prepare(t.Context(), CheckOptions{}, func() (io.ReadCloser, error) {
			return io.NopCloser(io.MultiReader(strings.NewReader(head), readerFunc(func(p []byte) (int, error) {
				read += len(p)
				for i := range p {
					p[i] = '1'
				}
				return len(p), nil
			}))), nil
		}, nil, io.Discard, io.Discard)
		require.ErrorContains(t, err, "the row is longer than 8 MiB; the rest was not read")
		assert.Less(t, read, 2*(9<<20), "of the two passes")
	}
}

type readerFunc func(p []byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// TestPrepareRealFiles tries what people really have, where it is at hand.
func TestPrepareRealFiles(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]struct {
		format rows.Format
		method training.Method
		rows   int
	}{
		"alpaca_en_demo.json": {rows.FormatAlpaca, training.SFT, 999},
		"dpo_en_demo.json":    {rows.FormatPairGPT, training.DPO, 300},
	} {
		path := filepath.Join("..", "..", "shared", "data", name)
		if _, err := os.Stat(path); err != nil {
			t.Skip("no shared/data beside the project")
		}
		check, err := Prepare(t.Context(), CheckOptions{Name: name, MaxSeqLength: 1024, AllowDropped: 0.01},
			func() (io.ReadCloser, error) { return os.Open(path) }, nil, io.Discard, io.Discard)
		require.NoError(t, err)
		assert.Equal(t, want.format, check.Train.Format)
		assert.Equal(t, want.method, check.Method)
		assert.Equal(t, want.rows, check.Train.Rows)
		assert.Equal(t, check.Train.Kept, check.TrainFile.Rows+check.EvalFile.Rows)
	}
}
