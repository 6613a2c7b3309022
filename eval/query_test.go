package eval

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/clips"
)

func parse(text string) ([]Query, error) { return ParseQueries(strings.NewReader(text), "q.jsonl") }

func TestParseQueries(t *testing.T) {
	t.Parallel()
	got, err := parse(`{"query": "a red car", "relevant": [{"video": "a.mp4", "start_ms": 10, "end_ms": 20, "grade": 3}, {"video": "b.mp4"}]}` +
		"\r\n\n  " + `{"query": "é", "relevant": [{"video": "4f2a", "end_ms": 5}]}`)
	require.NoError(t, err)
	assert.Equal(t, []Query{
		{"a red car", []Judged{{"a.mp4", 10, 20, 3}, {"b.mp4", 0, 0, 1}}},
		{"é", []Judged{{"4f2a", 0, 5, 1}}},
	}, got)
}

func TestParseQueriesRefuses(t *testing.T) {
	t.Parallel()
	item := func(fields string) string { return `{"query": "q", "relevant": [{"video": "a", ` + fields + `}]}` }
	for name, c := range map[string]struct{ text, want string }{
		"nothing":        {"\n\n", "it has no queries"},
		"no JSON":        {"\nred car", "line 2: invalid character 'r'"},
		"cut":            {`{"query": "q"`, "line 1: unexpected EOF"},
		"null":           {"null", `line 1: "query" is required`},
		"list":           {"[]", "must be an object, not a list"},
		"unknown":        {`{"query": "q", "limit": 3}`, `unknown field "limit"`},
		"unknown within": {item(`"rank": 3`), `unknown field "relevant.0.rank"`},
		"another case":   {item(`"Grade": 3`), `unknown field "relevant.0.Grade"`},
		"twice":          {item(`"grade": 3, "grade": 1`), `the name is listed twice`},
		"two a line":     {`{"query": "q", "relevant": [{"video": "a"}]} {}`, "after top-level value"},
		"bytes":          {"{\"query\": \"\xff\"}", "line 1: it is not UTF-8"},
		"empty query":    {`{"query": "", "relevant": [{"video": "a"}]}`, `"query" is required`},
		"long query":     {`{"query": "` + strings.Repeat("x", 4097) + `", "relevant": [{"video": "a"}]}`, "has 4097 bytes, want at most 4096"},
		"none relevant":  {`{"query": "q", "relevant": []}`, `"relevant" is required`},
		"many relevant":  {`{"query": "q", "relevant": [` + strings.Repeat(`{"video": "a"},`, 1000) + `{"video": "a"}]}`, "has 1001 items"},
		"no video":       {`{"query": "q", "relevant": [{"grade": 1}]}`, `relevant item 1: "video" is required`},
		"long video":     {`{"query": "q", "relevant": [{"video": "` + strings.Repeat("x", 4097) + `"}]}`, `"video" has 4097 bytes`},
		"grade 0":        {item(`"grade": 0`), `"grade" is 0, want 1 to 10; leave out`},
		"grade 11":       {item(`"grade": 11`), `"grade" is 11`},
		"part grade":     {item(`"grade": 1.5`), "must be a whole number, not 1.5"},
		"negative":       {item(`"start_ms": -1, "end_ms": 5`), "must not be negative"},
		"no end":         {item(`"start_ms": 5`), `"start_ms" requires an "end_ms"`},
		"backwards":      {item(`"start_ms": 5, "end_ms": 5`), `"end_ms" must be after "start_ms"`},
		"item twice":     {`{"query": "q", "relevant": [{"video": "a"}, {"video": "a", "grade": 2}]}`, "relevant item 2: it is listed twice"},
		"query twice":    {item(`"grade": 1`) + "\n\n" + item(`"grade": 2`), `line 3: the query "q" is on line 1 already`},
		"long line":      {"\n" + strings.Repeat(" ", maxLine+1), "line 2: a line has at most 1 MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := parse(c.text)
			require.ErrorContains(t, err, c.want)
			require.ErrorContains(t, err, `read queries "q.jsonl"`)
			assert.Equal(t, fault.Input, fault.ClassOf(err))
		})
	}
}

func TestParseQueriesIsBounded(t *testing.T) {
	t.Parallel()
	var many strings.Builder
	for i := range MaxQueries + 1 {
		fmt.Fprintf(&many, `{"query": "%d", "relevant": [{"video": "a"}]}`+"\n", i)
	}
	_, err := parse(many.String())
	require.ErrorContains(t, err, "line 10001: a file has at most 10000 queries")
	_, err = ParseQueries(blank{}, "/dev/zero")
	require.ErrorContains(t, err, "the file has more than 64 MiB")

	broken := errors.New("unplugged")
	_, err = ParseQueries(io.MultiReader(strings.NewReader(many.String()[:60]), iotest.ErrReader(broken)), "q")
	require.ErrorIs(t, err, broken)
	assert.Equal(t, fault.Transport, fault.ClassOf(err))
}

// blank is a file without an end, of lines that say nothing.
type blank struct{}

func (blank) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	p[0] = '\n'
	return len(p), nil
}

// TestDemoQueries checks that the demo's queries ask for what its clips show.
func TestDemoQueries(t *testing.T) {
	t.Parallel()
	file, err := os.Open("../examples/eval-demo.jsonl")
	require.NoError(t, err)
	defer file.Close()
	queries, err := ParseQueries(file, "eval-demo.jsonl")
	require.NoError(t, err)
	cards := map[string]Judged{} // by their text
	for _, clip := range clips.Scripts() {
		for i, scene := range clip.Scenes {
			cards[strings.ToLower(scene.Text)] = Judged{Video: clip.Name, StartMS: clip.StartMS(i), EndMS: clip.EndMS(i), Grade: 1}
		}
	}
	for _, q := range queries {
		for text, moment := range cards {
			if strings.HasPrefix(text, q.Query) {
				assert.Equal(t, []Judged{moment}, q.Relevant)
				delete(cards, text)
			}
		}
	}
	assert.Empty(t, cards, "each card has a query")
}

func FuzzParseQueries(f *testing.F) {
	for _, seed := range []string{
		"", "\n", "null", `{"query": "q", "relevant": [{"video": "a", "start_ms": 1, "end_ms": 2, "grade": 3}]}`,
		`{"query": "q", "relevant": [{"video": "a"}]}` + "\r\n" + `{"query": "r", "relevant": [{"video": "b", "end_ms": 1}]}`,
		`{"QUERY": "q", "relevant": [null]}`, `{"query": "\ud800", "relevant": [{"video": "\u0000"}]}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		queries, err := parse(text)
		if err != nil {
			require.Equal(t, fault.Input, fault.ClassOf(err))
			require.Empty(t, queries)
			return
		}
		require.NotEmpty(t, queries)
		var again strings.Builder
		for _, q := range queries {
			require.NoError(t, q.check())
			line, err := json.Marshal(q)
			require.NoError(t, err)
			again.Write(append(line, '\n'))
		}
		same, err := parse(again.String())
		require.NoError(t, err)
		require.Equal(t, queries, same, "what was read reads the same again")
	})
}
