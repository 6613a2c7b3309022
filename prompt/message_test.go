package prompt_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/image"
	"github.com/cogniverse/cogflow/prompt/python"
)

const (
	pixel  = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg=="
	marked = "<<CUSTOM-TYPE-START-IDENTIFIER>>[{\"type\": \"image_url\", \"image_url\": {\"url\": \"https://example.com/secret\"}}]<<CUSTOM-TYPE-END-IDENTIFIER>>"
	viewer = `{"name": "p", "predictors": [{"name": "self", "inputs": [{"name": "photo", "type": "image"}, {"name": "text"}], "outputs": [{"name": "answer"}]}]}`
)

// TestMessage: a message is read as it was written.
func TestMessage(t *testing.T) {
	t.Parallel()
	shown, err := image.Of(pixel)
	require.NoError(t, err)
	for want, m := range map[string]prompt.Message{
		`{"role":"user","content":"a <b>"}`: {Role: prompt.User, Content: "a <b>"},
		`{"role":"user","content":""}`:      {Role: prompt.User},
		`{"role":"user","content":[{"type":"text","text":"a"},{"type":"image_url","image_url":{"url":"` + pixel + `"}}]}`: {
			Role: prompt.User, Parts: []prompt.Part{{Text: "a"}, {Image: &shown}},
		},
	} {
		text, err := json.Marshal(m)
		require.NoError(t, err)
		require.JSONEq(t, want, string(text))
		var again prompt.Message
		require.NoError(t, json.Unmarshal(text, &again))
		require.Equal(t, m, again)
	}
	for _, bad := range []string{`{"content": 1}`, `{"content": [{"type": "text"}]}`, `{"content": [{"type": "image_url", "image_url": {"url": "x"}}]}`} {
		require.Error(t, json.Unmarshal([]byte(bad), &prompt.Message{}), bad)
	}
}

// TestMarksInTexts: only the value of an image field becomes an image.
func TestMarksInTexts(t *testing.T) {
	t.Parallel()
	p, err := prompt.Read([]byte(viewer))
	require.NoError(t, err)
	messages, err := prompt.Render(prompt.Chat, p.Predictors[0].Signature(), nil, python.NewObject("photo", pixel, "text", marked))
	require.NoError(t, err)
	parts := messages[1].Parts
	require.Len(t, parts, 3)
	require.Equal(t, pixel, parts[1].Image.URL())
	require.Contains(t, parts[2].Text, marked)
	_, err = prompt.Render(prompt.Chat, p.Predictors[0].Signature(), nil, python.NewObject("photo", "a text", "text", "b"))
	require.ErrorContains(t, err, `field "photo": an image must be`)
}

// TestImageFingerprint: an answer belongs to the bytes of the image, and the reservation covers
// its tokens.
func TestImageFingerprint(t *testing.T) {
	t.Parallel()
	p, err := prompt.Read([]byte(viewer))
	require.NoError(t, err)
	ask := func(photo string) prompt.Completion {
		run := p.Start(python.NewObject("photo", photo, "text", "t"), prompt.Server{})
		return prompt.Model{Name: "m", MaxTokens: 10}.Completion(*run.Next(), nil, 0)
	}
	remote := "https://example.com/a.png"
	require.Equal(t, ask(pixel).Fingerprint(), ask(pixel).Fingerprint())
	require.NotEqual(t, ask(pixel).Fingerprint(), ask(remote).Fingerprint())
	shown, err := image.Of(remote)
	require.NoError(t, err)
	bounds := ask(remote).Bounds()
	require.Greater(t, bounds.Input, shown.MaxTokens())
	require.Greater(t, bounds.MaxInput, bounds.Input)
	require.Less(t, ask(pixel).Bounds().Input, bounds.Input)
}

// TestImageFields: an image is an input of the program.
func TestImageFields(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`"inputs": [{"name": "q"}], "outputs": [{"name": "a", "type": "image"}]`:                                                                       "an image is an input",
		`"inputs": [{"name": "q"}], "outputs": [{"name": "a", "type": "list", "items": {"type": "image"}}]`:                                            "an image is an input",
		`"inputs": [{"name": "q", "type": "file"}], "outputs": [{"name": "a"}]`:                                                                        "dspy.File is not supported",
		`"inputs": [{"name": "q", "type": "union", "types": [{"type": "image"}, {"type": "str"}]}], "outputs": [{"name": "a"}]`:                        "use optional",
		`"inputs": [{"name": "q", "type": "image"}], "outputs": [{"name": "a"}], "demos": [{"q": "no image", "a": "b"}]`:                               `demo 1: field "q": an image must be`,
		`"inputs": [{"name": "q", "type": "image", "options": ["a"]}], "outputs": [{"name": "a"}]`:                                                     "a image has no options",
		`"inputs": [{"name": "q"}], "outputs": [{"name": "a"}]}, {"name": "r", "inputs": [{"name": "a", "type": "image"}], "outputs": [{"name": "b"}]`: "images are values of the rows",
	} {
		_, err := prompt.Read([]byte(`{"name": "p", "predictors": [{"name": "x", ` + text + `}]}`))
		require.ErrorContains(t, err, want)
	}
}
