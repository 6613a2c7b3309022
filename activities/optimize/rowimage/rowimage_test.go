package rowimage_test

import (
	"bytes"
	"context"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/activities/optimize/rowimage"
	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/prompt"
	promptimage "github.com/cogniverse/cogflow/prompt/image"
	"github.com/cogniverse/cogflow/prompt/python"
	"github.com/cogniverse/cogflow/tenant"
)

// folder has the files that rows may name.
type folder string

func (f folder) Open(_ context.Context, _ tenant.ID, uri string) (*os.File, string, error) {
	if filepath.Base(uri) != uri {
		return nil, "", fault.New(fault.Input, "open video", uri, "the video file is outside the sources")
	}
	file, err := os.Open(filepath.Join(string(f), uri))
	if err != nil {
		return nil, "", fault.Wrap(fault.Input, "open video", uri, err)
	}
	return file, uri, nil
}

const program = `{"name": "p", "predictors": [{"name": "self", "inputs": [{"name": "photo", "type": "image"}, {"name": "text", "type": "object"},
	{"name": "photos", "type": "optional", "items": {"type": "list", "items": {"type": "image"}}}, {"name": "named", "type": "object", "items": {"type": "image"}},
	{"name": "page", "type": "object", "class": "Page", "fields": [{"name": "title"}, {"name": "scan", "type": "image"}]}], "outputs": [{"name": "answer"}]}]}`

func reader(t *testing.T, files map[string][]byte) *rowimage.Reader {
	t.Helper()
	dir := t.TempDir()
	for name, data := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), data, 0o600))
	}
	p, err := prompt.Read([]byte(program))
	require.NoError(t, err)
	return &rowimage.Reader{Documents: folder(dir), Tenant: "acme", Inputs: p.Inputs()}
}

func row(t *testing.T, text string) *prompt.Object {
	t.Helper()
	o := &prompt.Object{}
	require.NoError(t, o.UnmarshalJSON([]byte(text)))
	return o
}

// TestRead: files are read wherever the program has an image, and nowhere else.
func TestRead(t *testing.T) {
	t.Parallel()
	var data bytes.Buffer
	require.NoError(t, png.Encode(&data, image.NewGray(image.Rect(0, 0, 3, 2))))
	whole, err := promptimage.FromBytes(data.Bytes())
	require.NoError(t, err)
	r := reader(t, map[string][]byte{"a.png": data.Bytes()})
	rows := []*prompt.Object{row(t, `{"photo": {"uri": "a.png"}, "text": {"uri": "a.png"}, "photos": [{"uri": "a.png"}, "https://example.com/b.png"],
		"named": {"uri": {"uri": "a.png"}}, "page": {"title": "t", "scan": {"uri": "a.png"}}, "answer": {"uri": "a.png"}}`), row(t, `{"photos": null, "page": 7}`)}
	require.NoError(t, r.Read(t.Context(), "trainset", rows))
	url := `{"url": "` + whole.URL() + `"}`
	require.Equal(t, `{"photo": `+url+`, "text": {"uri": "a.png"}, "photos": [`+url+`, "https://example.com/b.png"], "named": {"uri": `+url+
		`}, "page": {"title": "t", "scan": `+url+`}, "answer": {"uri": "a.png"}}`, python.Dumps(rows[0]))
	require.Equal(t, `{"photos": null, "page": 7}`, python.Dumps(rows[1]))
}

// TestReadRefuses: an error names the row, the field and the file.
func TestReadRefuses(t *testing.T) {
	t.Parallel()
	r := reader(t, map[string][]byte{"text.png": []byte("no image"), "cut.png": []byte("\x89PNG\r\n\x1a\n\x00\x00"), "big.png": make([]byte, promptimage.MaxBytes+1)})
	for value, want := range map[string]string{
		`{"uri": "text.png"}`:    `"text.png": the data is not a PNG, JPEG, GIF or WebP image`,
		`{"uri": "cut.png"}`:     "truncated",
		`{"uri": "big.png"}`:     "over 8 MiB",
		`{"uri": "missing.png"}`: "no such file",
		`{"uri": "../x.png"}`:    "outside the sources",
	} {
		err := r.Read(t.Context(), "valset", []*prompt.Object{row(t, `{"photo": "https://example.com/a.png"}`), row(t, `{"photo": `+value+`}`)})
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, "example 2, field photo")
		require.Equal(t, fault.Input, fault.ClassOf(err))
	}
}
