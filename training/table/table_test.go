package table

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/training/rows"
)

const maxRow = 1 << 20

type file struct {
	*bytes.Reader
	closed *bool
}

func (f file) Close() error { *f.closed = true; return nil }

// read returns the rows of a file, each as its JSON or its error.
func read(t testing.TB, name, text string) (container string, all []string, err error) {
	t.Helper()
	done := false
	table, err := Open(name, func() (io.ReadCloser, error) { return file{bytes.NewReader([]byte(text)), &done}, nil }, maxRow)
	if err != nil {
		require.True(t, done)
		return "", nil, err
	}
	defer func() { require.NoError(t, table.Close()); require.True(t, done) }()
	for {
		raw, err := table.Next()
		if errors.Is(err, io.EOF) {
			require.Equal(t, table.Count(), len(all))
			require.Len(t, table.SHA256(), 64)
			require.Equal(t, int64(len(text)), table.Bytes())
			return table.Container(), all, nil
		}
		if err != nil {
			return table.Container(), all, err
		}
		require.Equal(t, len(all)+1, raw.Row)
		if raw.Err != nil {
			all = append(all, fmt.Sprintf("line %d: %s: %s", raw.Line, raw.Err.Field, raw.Err.Reason))
			continue
		}
		require.True(t, json.Valid(raw.Text), "%s", raw.Text)
		all = append(all, fmt.Sprintf("%d %s", raw.Line, raw.Text))
	}
}

func TestContainers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, text, want string }{
		{"d.jsonl", `{"a": 1}`, rows.JSONLines},
		{"d.csv", `{"a": 1}`, rows.JSONLines},
		{"d.csv", " [{}]", rows.JSONArray},
		{"d.csv", "question,answer\na,b", rows.CSV},
		{"D.CSV", "\ufeffquestion,answer\na,b", rows.CSV},
		{"s3://b/d.csv?versionId=3", "question,answer\na,b", rows.CSV},
		{"d.tsv", "question\tanswer\na\tb", rows.TSV},
		{"d.txt", "prompt,completion\na,b", rows.CSV},
		{"dataset:ab", "\ufeffchosen\trejected\tprompt\na\tb\tc", rows.TSV},
		{"d", "\"text\",source\r\na,b\r\n", rows.CSV},
	} {
		container, _, err := read(t, c.name, c.text)
		require.NoError(t, err, c.text)
		assert.Equal(t, c.want, container, c.text)
	}
	for _, text := range []string{"question,answer\na,b", "text\na\n", "prompt\na\n", "just words"} {
		_, _, err := read(t, "d.txt", text)
		require.ErrorContains(t, err, "neither JSON lines nor a JSON array", "a text is not guessed to be CSV")
	}
}

func TestCSVCells(t *testing.T) {
	t.Parallel()
	_, got, err := read(t, "d.csv", "\ufeffprompt,completion,note\r\n"+
		"\"a, \"\"b\"\"\r\nc\",é 日本,3\r\n"+
		"\r\n"+
		"=1+1,true,\r\n"+
		"\"\",\"\t\x07\",null\r\n"+
		"last,row,without end")
	require.NoError(t, err)
	assert.Equal(t, []string{
		`2 {"prompt":"a, \"b\"\nc","completion":"é 日本","note":"3"}`,
		`5 {"prompt":"=1+1","completion":"true","note":""}`,
		`6 {"prompt":"","completion":"\t\u0007","note":"null"}`,
		`7 {"prompt":"last","completion":"row","note":"without end"}`,
	}, got)
}

func TestCSVStructure(t *testing.T) {
	t.Parallel()
	_, got, err := read(t, "d.csv", `messages,label,weight
"[{""role"": ""user"", ""content"": ""a""}]",True,0.5
,0,
"[{'role': 'user'}]",yes,x
not json,,
`)
	require.NoError(t, err)
	assert.Equal(t, []string{
		`2 {"messages":[{"role": "user", "content": "a"}],"label":true,"weight":0.5}`,
		`3 {"messages":null,"label":0,"weight":null}`,
		"line 4: messages: the cell is a list of Python, not JSON",
		"line 5: messages: the cell is not JSON",
	}, got)
	_, got, err = read(t, "d.csv", "prompt,chosen,rejected\n"+
		`"[{""role"": ""user""}]",a,b`+"\n"+
		`a,"[ { 'content': 'x' } ]",b`+"\n"+
		`a,"{""key"": 1}",[x]`+"\n")
	require.NoError(t, err)
	assert.Equal(t, []string{
		"line 2: prompt: the text is a conversation, but the cells of this column are texts",
		"line 3: chosen: the text is a conversation, but the cells of this column are texts",
		`4 {"prompt":"a","chosen":"{\"key\": 1}","rejected":"[x]"}`,
	}, got)
}

func TestCSVFaults(t *testing.T) {
	t.Parallel()
	_, got, err := read(t, "d.csv", "prompt,completion\na\na,b,c\ncaf\xe9,d\xe9j\xe0\na,b\n")
	require.NoError(t, err)
	assert.Equal(t, []string{
		"line 2: : the number of its cells is 1; the first line names 2 columns",
		"line 3: : the number of its cells is 3; the first line names 2 columns",
		"line 4: prompt: byte 4 is not UTF-8; the row looks like Windows-1252 (Latin-1)",
		`5 {"prompt":"a","completion":"b"}`,
	}, got)
	for text, want := range map[string]string{
		"":                               "it has no rows",
		"prompt;completion\na;b\n":       `its first line is one column, "prompt;completion": the columns seem to be separated by semicolons`,
		"prompt,prompt\na,b\n":           `the column "prompt" is listed twice`,
		"prompt,\na,b\n":                 "column 2 has no name",
		"prompt,completion\ra,b\rc,d":    "the name of column 2 has a line end",
		"prompt\xff,a\n":                 "byte 7 is not UTF-8",
		strings.Repeat("a,", 300) + "\n": "it has more than 200 columns",
		"prompt,completion\na \"b\",c\n": "a cell has a double quote that neither begins nor ends it (line 2, column 3)",
		"prompt,completion\n\"a,b\nc,d":  "a cell in double quotes does not end, or has a double quote that is not doubled (line 3",
		"prompt,completion\n" + strings.Repeat("x", 3*maxRow):       "the row is longer than 1 MiB; the rest was not read",
		"prompt,completion\na,\"" + strings.Repeat("x\n", 2*maxRow): "the row is longer than 1 MiB; the rest was not read",
	} {
		_, _, err := read(t, "d.csv", text)
		require.ErrorContains(t, err, want)
		f, ok := errors.AsType[*rows.RowError](err)
		require.True(t, ok)
		assert.True(t, f.Fatal)
		assert.NotEmpty(t, f.Fix)
	}
}

func TestParquet(t *testing.T) {
	t.Parallel()
	sample := func(name string) string {
		data, err := os.ReadFile(filepath.Join("parquet", "testdata", name+".parquet"))
		require.NoError(t, err)
		return string(data)
	}
	container, got, err := read(t, "d.jsonl", sample("chats-zstd"))
	require.NoError(t, err)
	assert.Equal(t, rows.Parquet, container, "by its content")
	assert.Len(t, got, 40)
	assert.Equal(t, `0 {"messages":null,"id":3}`, got[3])
	_, got, err = read(t, "d.parquet", sample("bad-values"))
	require.NoError(t, err)
	assert.Equal(t, "line 0: score: JSON has no NaN and no infinity", got[1])
	_, _, err = read(t, "d.parquet", sample("refused-decimal"))
	f, _ := errors.AsType[*rows.RowError](err)
	assert.Equal(t, &rows.RowError{
		Code: "parquet_unsupported", Field: "decimal", Reason: "it holds decimals",
		Fix: "write it as float or as text, or without this column", Fatal: true,
	}, f)
}

func TestErrorsOfTheFilePass(t *testing.T) {
	t.Parallel()
	broken := errors.New("connection reset")
	for _, head := range []string{"", "prompt,completion\na,b\n"} {
		table, err := Open("d.csv", func() (io.ReadCloser, error) {
			return io.NopCloser(io.MultiReader(strings.NewReader(head), iotest.ErrReader(broken))), nil
		}, maxRow)
		for err == nil {
			_, err = table.Next()
		}
		require.ErrorIs(t, err, broken)
	}
	_, err := Open("d", func() (io.ReadCloser, error) { return nil, broken }, maxRow)
	require.ErrorIs(t, err, broken)
}

// FuzzCSV holds that no file makes it panic, and that every row is JSON.
func FuzzCSV(f *testing.F) {
	for _, text := range []string{"prompt,completion\na,b\n", "a\tb\n\"x\ny\"\t\"\"\"\"\n", "messages,label\n[],1\n\"{}\",x", "\ufeff\"a", "a\n\n\r\n,"} {
		f.Add("d.csv", text)
		f.Add("d.tsv", text)
		f.Add("d", text)
	}
	f.Fuzz(func(t *testing.T, name, text string) {
		_, _, err := read(t, name, text)
		if err != nil {
			fault, ok := errors.AsType[*rows.RowError](err)
			require.True(t, ok || errors.Is(err, errNotSeekable), "%v", err)
			require.True(t, fault.Fatal)
		}
	})
}
