package optimize

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/annotation"
)

const viewer = `{"name": "p", "predictors": [{"name": "self", "inputs": [{"name": "photos", "type": "list", "items": {"type": "image"}}], "outputs": [{"name": "answer"}]}]}`

// TestEmbed: the image files that the rows of a local file name are sent with the rows; other
// references are left to the worker.
func TestEmbed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "photos"), 0o700))
	var data bytes.Buffer
	require.NoError(t, png.Encode(&data, image.NewGray(image.Rect(0, 0, 2, 2))))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "photos", "a.png"), data.Bytes(), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "text.png"), []byte("a text"), 0o600))
	program, err := prompt.Read([]byte(viewer))
	require.NoError(t, err)
	inputs := program.Inputs()
	embedded := func(text string) (*set, error) {
		name := filepath.Join(dir, fmt.Sprintf("%d.jsonl", len(text)))
		require.NoError(t, os.WriteFile(name, []byte(text), 0o600))
		s := &set{flag: "trainset", name: name}
		require.NoError(t, s.read())
		err := s.embed(t.Context(), inputs)
		t.Cleanup(s.close)
		return s, err
	}
	row := `{"photos": [{"uri": "photos/a.png"}, {"uri": "` + filepath.Join(dir, "photos", "a.png") + `"}, {"uri": "s3://b/c.png"}, "https://example.com/d.png"], "answer": "x"}` + "\n"
	s, err := embedded(row)
	require.NoError(t, err)
	var rows []json.RawMessage
	require.NoError(t, json.Unmarshal(s.text, &rows))
	require.Len(t, rows, 1)
	require.Equal(t, 2, strings.Count(string(rows[0]), "data:image/png;base64,"))
	require.Contains(t, string(rows[0]), `{"uri":"s3://b/c.png"},"https://example.com/d.png"],"answer":"x"}`)

	s, err = embedded(strings.Repeat(row, 2000))
	require.NoError(t, err)
	require.Nil(t, s.text, "it is uploaded")
	sent, err := os.ReadFile(s.name)
	require.NoError(t, err)
	require.Equal(t, 4000, bytes.Count(sent, []byte("data:image/png;base64,")))
	require.EqualValues(t, len(sent), s.size)
	s.close()
	require.NoFileExists(t, s.made)

	s, err = embedded(`[{"photos": ["https://example.com/d.png"], "answer": "x"}]`)
	require.NoError(t, err)
	require.Equal(t, filepath.Dir(s.name), dir, "the file itself is sent")
	require.JSONEq(t, `[{"photos": ["https://example.com/d.png"], "answer": "x"}]`, string(s.text))

	_, err = embedded(row + `{"photos": [], "answer": 1e999}` + "\n")
	require.ErrorContains(t, err, `"example 2": a number is out of range`)

	inputs = append(inputs, prompt.Field{Name: "right", Type: prompt.Type{Kind: annotation.Image}}) // of a judge
	s, err = embedded(`{"photos": [], "right": {"uri": "photos/a.png"}, "answer": "x"}` + "\n")
	require.NoError(t, err)
	require.Contains(t, string(s.text), "data:image/png;base64,")

	for value, want := range map[string]string{"photos/none.png": "no such file", "photos": "must be a regular file", "text.png": "not a PNG, JPEG, GIF or WebP"} {
		_, err := embedded(row + `{"photos": [{"uri": "` + value + `"}], "answer": "x"}` + "\n")
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, "example 2, field photos")
		require.Equal(t, fault.Input, fault.ClassOf(err))
	}
}
