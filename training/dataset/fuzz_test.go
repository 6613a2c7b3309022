package dataset

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/training/rows"
	"github.com/cogniverse/cogflow/training/table/jsonfile"
)

// FuzzPrepare holds that no file whatsoever makes it panic, that what is wrong
// with one is an input error, and that what it writes is good to itself.
func FuzzPrepare(f *testing.F) {
	for _, c := range brokenFiles() {
		if len(c.text) < 4096 {
			f.Add([]byte(c.text))
		}
	}
	files, err := filepath.Glob("testdata/datasets/*")
	require.NoError(f, err)
	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(f, err)
		f.Add(text)
	}
	o := CheckOptions{AllowDropped: 0.9, MaxRowBytes: 4096, Thresholds: Thresholds{1, 1, 1, 1}, MaxSeqLength: 8}
	f.Fuzz(func(t *testing.T, text []byte) {
		source := func() (io.ReadCloser, error) {
			file := bytes.NewReader(text)
			return struct {
				io.Reader
				io.ReaderAt
				io.Seeker
				io.Closer
			}{iotest.HalfReader(file), file, file, io.NopCloser(nil)}, nil
		}
		var train, held bytes.Buffer
		check, err := Prepare(t.Context(), o, source, nil, &train, &held)
		if err != nil {
			require.Equal(t, fault.Input, fault.ClassOf(err), "%v", err)
			require.Zero(t, train.Len()+held.Len())
			require.NotZero(t, check.Errors)
			return
		}
		require.Equal(t, check.Train.Kept, strings.Count(train.String()+held.String(), "\n"))
		all := train.String() + held.String()
		for line := range strings.Lines(all) {
			require.True(t, json.Valid([]byte(line)))
		}
		format := rows.Format("")
		if check.Train.Format == rows.FormatText {
			format = rows.FormatText // "### Instruction:" may stand further down by now
		}
		again, err := Prepare(t.Context(), CheckOptions{Format: format, Method: check.Method, MaxRowBytes: 64 << 10, ValidationShare: -1},
			sourceOf(all), nil, io.Discard, io.Discard)
		require.NoError(t, err)
		require.Equal(t, check.Train.Kept, again.TrainFile.Rows)
	})
}

// FuzzReader holds that rows come out of a file as they stand in it, however it
// is read, and that none is larger than the limit.
func FuzzReader(f *testing.F) {
	for _, text := range []string{"{}\n{\"a\": 1}", "[{\"a\": \"]\\\"\"}, 3, \"x\", [1]]", "\ufeff[]", "[1", "{\n", "[,]", "[{}}", "[true]"} {
		f.Add([]byte(text))
	}
	read := func(t *testing.T, r io.Reader) (got []string, failure string) {
		const limit = 64
		d, err := jsonfile.NewReader(r, limit)
		for err == nil {
			var raw rows.RawRow
			if raw, err = d.Next(); err == nil {
				require.LessOrEqual(t, len(raw.Text), limit+2)
				got = append(got, string(raw.Text))
			}
		}
		if errors.Is(err, io.EOF) {
			return got, ""
		}
		fatal, ok := errors.AsType[*rows.RowError](err)
		require.True(t, ok, "%v", err)
		require.True(t, fatal.Fatal)
		return got, fatal.Reason
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, failure := read(t, bytes.NewReader(text))
		slowly, same := read(t, iotest.OneByteReader(bytes.NewReader(text)))
		require.Equal(t, got, slowly)
		require.Equal(t, failure, same)
		var list []json.RawMessage
		if failure == "" && json.Unmarshal(bytes.TrimPrefix(text, []byte("\ufeff")), &list) == nil {
			require.Len(t, got, len(list))
			for i := range list {
				require.Equal(t, string(bytes.TrimSpace(list[i])), got[i])
			}
		}
	})
}

// FuzzFormats holds that no row makes it panic, whatever format it is said to have.
func FuzzFormats(f *testing.F) {
	for _, row := range []string{goodPrompt, goodPair, goodTriplet, goodChat, `{"instruction": "a", "output": "b", "history": [["a", "b"], [1]]}`, `{"query": "a", "pos": [], "neg": {}}`, `{"prompt": [], "completion": {}, "chosen": [{}], "rejected": {"from": "gpt"}}`, `{"conversations": {}, "chosen": {}, "rejected": []}`} {
		f.Add([]byte(row))
	}
	f.Fuzz(func(t *testing.T, row []byte) {
		for _, format := range rows.Formats() {
			check, err := Prepare(t.Context(), CheckOptions{Format: format, Method: format.Method()}, sourceOf(string(row)), nil, io.Discard, io.Discard)
			require.Equal(t, err == nil, check.OK)
			require.True(t, err == nil || fault.ClassOf(err) == fault.Input)
		}
	})
}
