package parquet

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const rowMax = 8 << 20

func sample(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name+".parquet"))
	require.NoError(t, err)
	return data
}

// read returns the rows and the errors of values.
func read(data []byte) (all []string, bad []*Error, err error) { return readMost(data, 1_000_000) }

func readMost(data []byte, most int) (all []string, bad []*Error, err error) {
	f, err := Open(bytes.NewReader(data), int64(len(data)), rowMax)
	if err != nil {
		return nil, nil, err
	}
	for {
		if len(all)+len(bad) == most {
			return all, bad, nil
		}
		row, err := f.Next()
		if e, ok := errors.AsType[*Error](err); ok && e.Kind == BadValue {
			bad = append(bad, e)
			continue
		}
		if errors.Is(err, io.EOF) {
			return all, bad, nil
		}
		if err != nil {
			return all, bad, err
		}
		all = append(all, string(row))
	}
}

// TestFiles reads what pyarrow wrote, in all compressions and encodings.
func TestFiles(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("testdata", "*.parquet"))
	require.NoError(t, err)
	tried := 0
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".parquet")
		kind, _, _ := strings.Cut(name, "-")
		if _, err := os.Stat(filepath.Join("testdata", kind+".jsonl")); err != nil {
			continue
		}
		tried++
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want, err := os.ReadFile(filepath.Join("testdata", kind+".jsonl"))
			require.NoError(t, err)
			got, bad, err := read(sample(t, name))
			require.NoError(t, err)
			assert.Empty(t, bad)
			lines := strings.Split(strings.TrimSuffix(string(want), "\n"), "\n")
			if len(want) == 0 {
				lines = nil
			}
			require.Len(t, got, len(lines))
			for i, line := range lines {
				require.JSONEq(t, line, got[i])
			}
		})
	}
	require.GreaterOrEqual(t, tried, 12)
}

func TestNumbersAreExact(t *testing.T) {
	t.Parallel()
	got, _, err := read(sample(t, "kinds"))
	require.NoError(t, err)
	for _, want := range []string{`"uint64":18446744073709551615`, `"int64":null`, `"uint32":4294967295`} {
		assert.Contains(t, got[0], want)
	}
	assert.Contains(t, got[1], `"int64":-1400000000000000000`)
}

func TestRefusedTypes(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"timestamp": `column "timestamp": it holds dates or times`,
		"date":      `column "date": it holds dates or times`,
		"time":      `column "time": it holds dates or times`,
		"decimal":   `column "decimal": it holds decimals`,
		"binary":    `column "binary": it holds binary data, such as images or audio`,
		"fixed":     `column "fixed": it holds binary data of a fixed length`,
		"map":       `column "map": it is a map`,
		"image":     `column "image.bytes": it holds binary data, such as images or audio`,
	} {
		_, _, err := read(sample(t, "refused-"+name))
		require.EqualError(t, err, want)
		e, _ := errors.AsType[*Error](err)
		assert.Equal(t, Unsupported, e.Kind)
		assert.NotEmpty(t, e.Fix)
	}
}

func TestValuesWithoutJSONAreOfOneRow(t *testing.T) {
	t.Parallel()
	got, bad, err := read(sample(t, "bad-values"))
	require.NoError(t, err)
	require.Equal(t, []string{`{"prompt":"a","score":1.5}`}, got)
	require.Len(t, bad, 2)
	assert.EqualError(t, bad[0], `column "score": JSON has no NaN and no infinity`)
}

func TestRowLimit(t *testing.T) {
	t.Parallel()
	data := sample(t, "chats-none")
	f, err := Open(bytes.NewReader(data), int64(len(data)), 150)
	require.NoError(t, err)
	_, err = f.Next()
	require.NoError(t, err)
	_, err = f.Next()
	assert.EqualError(t, err, "a row is longer than what is read")
}

func TestCutFiles(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"chats-zstd", "kinds-deltas"} {
		data := sample(t, name)
		for n := 0; n < len(data); n += 13 {
			_, _, err := read(data[:n])
			require.Error(t, err, n)
		}
	}
}

// TestDamagedFiles changes each byte of small files: nothing panics, and no memory is
// taken that the file does not need.
func TestDamagedFiles(t *testing.T) {
	names := []string{"chats-snappy", "chats-lz4", "chats-v2", "kinds-deltas", "kinds-v2"}
	var before, after runtime.MemStats
	for _, name := range names {
		data := sample(t, name)
		for i := 0; i < len(data); i += 7 {
			for _, with := range []byte{0x00, 0xff, 0x7f} {
				damaged := bytes.Clone(data)
				damaged[i] = with
				runtime.ReadMemStats(&before)
				rows, _, err := read(damaged)
				runtime.ReadMemStats(&after)
				require.LessOrEqual(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<30), "%s byte %d", name, i)
				for _, row := range rows {
					require.True(t, json.Valid([]byte(row)))
				}
				if e, ok := errors.AsType[*Error](err); ok {
					require.NotEqual(t, BadValue, e.Kind)
					require.NotContains(t, e.Reason, "it cannot be read (", "%s byte %d", name, i)
				} else {
					require.NoError(t, err)
				}
			}
		}
	}
}

func FuzzFile(f *testing.F) {
	files, err := filepath.Glob(filepath.Join("testdata", "*.parquet"))
	require.NoError(f, err)
	for _, file := range files {
		data, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		rows, _, err := readMost(data, 10_000)
		if err != nil && strings.Contains(err.Error(), "it cannot be read (") {
			t.Fatal(err)
		}
		for _, row := range rows {
			if !json.Valid([]byte(row)) {
				t.Fatalf("not JSON: %q", row)
			}
		}
	})
}
