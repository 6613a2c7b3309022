package rows_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/training/rows"
)

// sums gives every image a number that begins with its name.
func sums(uri string) (string, error) {
	switch uri {
	case "gone":
		return "", &rows.RowError{Code: "image_missing", Reason: "gone"}
	case "down":
		return "", errors.New("the store is down")
	}
	return uri + strings.Repeat("0", 64-len(uri)), nil
}

func canonical(t *testing.T, text string, images rows.Images) ([]string, *rows.RowInput, error) {
	t.Helper()
	raw := rows.RawRow{Text: []byte(text)}
	fields, err := rows.RowFields(&raw)
	require.NoError(t, err)
	in := &rows.RowInput{Fields: fields, Images: images}
	list, err := in.Convert(rows.FormatOf(in, ""))
	var out []string
	for _, row := range list {
		text, err := row.AppendJSON(nil)
		require.NoError(t, err)
		again, err := rows.ReadRow(text)
		require.NoError(t, err)
		require.Equal(t, row, again)
		out = append(out, strings.ReplaceAll(string(text), strings.Repeat("0", 63), "."))
	}
	return out, in, err
}

// TestImages: every way to write an image gives the same canonical row.
func TestImages(t *testing.T) {
	t.Parallel()
	const (
		answer = `{"role":"assistant","content":"c"}`
		shown  = `{"messages":[{"role":"user","content":[{"type":"image","image":"1."},{"type":"text","text":"a"}]},` + answer + `]}`
		page   = `{"anchor":"a","positive":{"image":"1."}}`
	)
	user := func(content string) string { return `{"role": "user", "content": ` + content + `}, ` + answer }
	for name, c := range map[string]struct{ row, want string }{
		"OpenAI":              {`{"messages": [` + user(`[{"type": "image_url", "image_url": {"url": "1", "detail": "low"}}, {"type": "text", "text": "a"}]`) + `]}`, shown},
		"inline":              {`{"messages": [` + user(`[{"type": "image", "image": "1"}, {"type": "text", "text": "a"}]`) + `]}`, shown},
		"transformers":        {`{"messages": [` + user(`[{"type": "image", "url": "1"}, {"type": "text", "text": "a"}]`) + `]}`, shown},
		"TRL":                 {`{"messages": [` + user(`[{"type": "image"}, {"type": "text", "text": "a"}]`) + `], "images": ["1"]}`, shown},
		"null in its place":   {`{"messages": [` + user(`[{"type": "image", "text": null, "image": null}, {"type": "text", "text": "a"}]`) + `], "images": [{"path": "1"}]}`, shown},
		"TRL, text only":      {`{"messages": [` + user(`"a"`) + `], "images": ["1"]}`, shown},
		"one image":           {`{"messages": [` + user(`"a"`) + `], "image": "1"}`, shown},
		"LLaVA":               {`{"conversations": [{"from": "human", "value": "<image>\na"}, {"from": "gpt", "value": "c"}], "image": "1"}`, shown},
		"prompt messages":     {`{"prompt": [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "a"}]}], "completion": [` + answer + `], "images": ["1"]}`, `{"prompt":[{"role":"user","content":[{"type":"image","image":"1."},{"type":"text","text":"a"}]}],"completion":[` + answer + `]}`},
		"prompt texts":        {`{"prompt": "a", "completion": "c", "image": "1"}`, shown},
		"mark in a prompt":    {`{"prompt": "<image>a", "completion": "c", "images": ["1"]}`, shown},
		"mark without images": {`{"prompt": "<image>a", "completion": "c"}`, `{"prompt":"<image>a","completion":"c"}`},
		"parts of texts":      {`{"messages": [` + user(`[{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]`) + `]}`, `{"messages":[{"role":"user","content":"ab"},` + answer + `]}`},
		"query and image":     {`{"query": "a", "image": "1"}`, page},
		"anchor and image":    {`{"anchor": "a", "positive_image": {"url": "1"}}`, page},
		"object":              {`{"anchor": "a", "positive": {"image": "1"}}`, page},
		"negative image":      {`{"query": "a", "image": "1", "negative_image": "2"}`, `{"anchor":"a","positive":{"image":"1."},"negative":{"image":"2."}}`},
		"image asks":          {`{"query_image": "1", "positive": "b"}`, `{"anchor":{"image":"1."},"positive":"b"}`},
	} {
		got, in, err := canonical(t, c.row, sums)
		require.NoError(t, err, name)
		assert.Equal(t, []string{c.want}, got, name)
		assert.Empty(t, in.Notes, name)
	}
	got, _, err := canonical(t, `{"messages": [`+user(`"<image>a<image>"`)+`], "images": ["1", "2"]}`, sums)
	require.NoError(t, err)
	assert.Equal(t, []string{`{"messages":[{"role":"user","content":[{"type":"image","image":"1."},{"type":"text","text":"a"},{"type":"image","image":"2."}]},` + answer + `]}`}, got)
}

// TestImagesRefused: errors name the field; those that are not of a row end the reading.
func TestImagesRefused(t *testing.T) {
	t.Parallel()
	for row, want := range map[string]string{
		`{"query": "a", "image": "gone"}`:                                                        "image_missing image gone",
		`{"prompt": "a", "completion": "b", "images": ["1", "gone"]}`:                            "image_missing images[1] gone",
		`{"prompt": "a", "completion": "b", "images": ["1"], "image": "2"}`:                      "image image the row has images as well",
		`{"query": "a", "image": "1", "positive": "b"}`:                                          "image image the row has positive as well, which means the same",
		`{"query": "a", "image": ""}`:                                                            "wrong_type image must be an image: a path, a URL or a data URI, not a text",
		`{"prompt": "a", "completion": "b", "images": [` + strings.Repeat(`"1", `, 64) + `"1"]}`: "too_many_images images[64] the row has more than 64 images",
	} {
		_, _, err := canonical(t, row, sums)
		f, ok := errors.AsType[*rows.RowError](err)
		require.True(t, ok, "%s: %v", row, err)
		assert.Equal(t, want, f.Code+" "+f.Field+" "+f.Reason, row)
	}
	_, _, err := canonical(t, `{"query": "a", "image": "down"}`, sums)
	require.EqualError(t, err, "the store is down")
	_, _, err = canonical(t, `{"query": "a", "image": "1"}`, nil)
	require.EqualError(t, err, "images are not read here")
}
