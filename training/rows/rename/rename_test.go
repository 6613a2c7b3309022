package rename_test

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/training/rows"
	"github.com/cogniverse/cogflow/training/rows/rename"
	"github.com/cogniverse/cogflow/training/table"
)

func renamed(t *testing.T, name, file string, to func(string) (string, error)) (string, int, error) {
	t.Helper()
	var out bytes.Buffer
	n, err := rename.Images(name, func() (rows.Table, error) {
		return table.Open(name, func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(file)), nil }, 1<<20)
	}, &out, to)
	return out.String(), n, err
}

// TestImages: only names of images change, also if another text of the row is equal, and every
// row stays on its line.
func TestImages(t *testing.T) {
	t.Parallel()
	upper := func(uri string) (string, error) { return strings.ToUpper(uri) + `"`, nil }
	const answer = `{"role": "assistant", "content": "a.png"}`
	got, n, err := renamed(t, "d.jsonl", `{"messages": [{"role": "user", "content": [{"type":"text","text":"a.png"}, {"type": "image_url", "image_url": {"url": "a.png"}}]}, `+answer+`], "metadata": {"id": 12345678901234567890}}

{"messages": [{"role": "user", "content": "a.png"}, `+answer+`], "images": ["a.png"  ,"b.png"]}
{"messages": broken
{"messages": [{"role": "user", "content": "a.png"}, `+answer+`]}`, upper)
	require.NoError(t, err)
	require.Equal(t, 3, n)
	require.Equal(t, `{"messages": [{"role": "user", "content": [{"type":"text","text":"a.png"}, {"type": "image_url", "image_url": {"url": "A.PNG\""}}]}, `+answer+`], "metadata": {"id": 12345678901234567890}}

{"messages": [{"role": "user", "content": "a.png"}, `+answer+`], "images": ["A.PNG\""  ,"B.PNG\""]}
{"messages": broken
{"messages": [{"role": "user", "content": "a.png"}, `+answer+`]}
`, got)

	got, n, err = renamed(t, "d.csv", "prompt,completion,image\na,b,a.png\nc,\"d\ne\",b.png\nf,g,c.png\n", upper)
	require.NoError(t, err)
	require.Equal(t, 3, n)
	require.Equal(t, "\n{\"prompt\":\"a\",\"completion\":\"b\",\"image\":\"A.PNG\\\"\"}\n{\"prompt\":\"c\",\"completion\":\"d\\ne\",\"image\":\"B.PNG\\\"\"}\n\n{\"prompt\":\"f\",\"completion\":\"g\",\"image\":\"C.PNG\\\"\"}\n", got)

	got, n, err = renamed(t, "d.json", "[\n{\"query\": \"a\",\n \"image\": \"a.png\"},\n\n{\"query\": \"b\", \"image\": \"b.png\"}, {\"query\": \"c\", \"image\": \"c.png\"}]", upper)
	require.NoError(t, err)
	require.Equal(t, 3, n)
	require.Equal(t, "[\n{\"query\": \"a\",\n \"image\": \"A.PNG\\\"\"},\n\n{\"query\": \"b\", \"image\": \"B.PNG\\\"\"},{\"query\": \"c\", \"image\": \"C.PNG\\\"\"}]\n", got)
}

// TestImagesOfAnotherFile: a file that cannot be read as rows changes nothing; an image that
// cannot be renamed ends with its row.
func TestImagesOfAnotherFile(t *testing.T) {
	t.Parallel()
	fails := func(string) (string, error) {
		return "", fault.New(fault.Input, "read image", "a.png", "file not found")
	}
	for _, file := range []string{"", "a,b\n", "{}\n", `{"messages": 7}`} {
		_, n, err := renamed(t, "d.jsonl", file, fails)
		require.NoError(t, err)
		require.Zero(t, n)
	}
	_, _, err := renamed(t, "d.jsonl", `{"query": "a", "image": "a.png"}`, fails)
	require.ErrorContains(t, err, "row 1")
	require.ErrorContains(t, err, "file not found")
	require.Equal(t, fault.Input, fault.ClassOf(err))
}
