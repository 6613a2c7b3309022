package vlm_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/answer/answertest"
	"github.com/cogniverse/cogflow/internal/preview"
	"github.com/cogniverse/cogflow/internal/vlm"
	"github.com/cogniverse/cogflow/internal/vlm/vlmtest"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/video"
)

// body has the parameters of a request that a model can refuse.
type body struct {
	Temperature         *float64 `json:"temperature"`
	MaxTokens           *int     `json:"max_tokens"`
	MaxCompletionTokens *int     `json:"max_completion_tokens"`
	Format              *struct {
		Type string `json:"type"`
	} `json:"response_format"`
	Messages []struct {
		Content []struct {
			Type  string `json:"type"`
			Text  string `json:"text"`
			Image struct {
				URL string `json:"url"`
			} `json:"image_url"`
		} `json:"content"`
	} `json:"messages"`
}

// picky starts a model that refuses what refuse says, and otherwise gives the answer. It
// returns the requests.
func picky(t *testing.T, answer string, refuse func(body) string) (url string, requests func() []body) {
	t.Helper()
	var all []body
	said, err := json.Marshal(answer)
	require.NoError(t, err)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in body
		if !assert.NoError(t, json.NewDecoder(r.Body).Decode(&in)) {
			return
		}
		all = append(all, in) // one request at a time
		if text := refuse(in); text != "" {
			answertest.Status(http.StatusBadRequest, `{"error":{"message":"`+text+`"}}`)(w)
			return
		}
		answertest.Status(http.StatusOK, `{"choices":[{"message":{"content":`+string(said)+`},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":4}}`)(w)
	}))
	t.Cleanup(s.Close)
	return s.URL, func() []body { return all }
}

// TestRefusedParameters: captions come from models with a fixed temperature, with another name
// of max_tokens and without response formats; the second frame costs no refusal.
func TestRefusedParameters(t *testing.T) {
	t.Parallel()
	s := stage()
	s.Structured = true
	url, requests := picky(t, "Here it is:\n```json\n{\"caption\":\"A {cat}.\",\"on_screen_text\":\"\",\"objects\":[\"cat\"],\"actions\":[]}\n```", func(b body) string {
		switch {
		case b.Temperature != nil:
			return "Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) value is supported."
		case b.MaxTokens != nil:
			return "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
		case b.Format != nil:
			return "response_format is not supported"
		}
		return ""
	})
	d := vlm.NewOpenAI(vlm.Options{URL: url})
	for _, calls := range []int{5, 6} {
		c, err := d.Describe(t.Context(), video.DescribeRequest{Stage: s, JPEG: vlmtest.Picture(t, 1)})
		require.NoError(t, err)
		require.Equal(t, "A {cat}.", c.Text)
		require.Equal(t, []string{"cat"}, c.Objects)
		require.Len(t, requests(), calls)
	}
	var formats []string
	for _, b := range requests()[2:5] {
		if b.Format == nil {
			formats = append(formats, "")
			continue
		}
		formats = append(formats, b.Format.Type)
	}
	require.Equal(t, []string{"json_schema", "json_object", ""}, formats)
	last := requests()[5]
	require.Equal(t, 512, *last.MaxCompletionTokens)
	require.Len(t, requests()[0].Messages[0].Content, 2, "the schema names the fields")
	require.Len(t, last.Messages[0].Content, 3)
	require.Contains(t, last.Messages[0].Content[2].Text, `"on_screen_text"`)
}

// TestMistakesAreNotOmitted: a refused value is an error of the profile.
func TestMistakesAreNotOmitted(t *testing.T) {
	t.Parallel()
	url, requests := picky(t, "A cat.", func(body) string { return "max_tokens is too large: 512. This model supports at most 64 tokens" })
	_, err := vlm.NewOpenAI(vlm.Options{URL: url}).Describe(t.Context(), video.DescribeRequest{Stage: stage(), JPEG: vlmtest.Picture(t, 1)})
	require.Equal(t, fault.Input, fault.ClassOf(err))
	require.Len(t, requests(), 1)
}

// TestTemperatureZero: 0 is sent as 0.
func TestTemperatureZero(t *testing.T) {
	t.Parallel()
	url, requests := picky(t, "A cat.", func(body) string { return "" })
	_, err := vlm.NewOpenAI(vlm.Options{URL: url}).Describe(t.Context(), video.DescribeRequest{Stage: stage(), JPEG: vlmtest.Picture(t, 1)})
	require.NoError(t, err)
	require.Zero(t, *requests()[0].Temperature)
}

// TestOmitted: parameters that are null in the profile are not sent, and without max_tokens the
// longest answer is reserved.
func TestOmitted(t *testing.T) {
	t.Parallel()
	s := stage()
	s.Structured, s.Omit = true, []string{"max_tokens", "response_format", "temperature"}
	url, requests := picky(t, `{"caption":"A cat.","on_screen_text":"","objects":[],"actions":[]}`, func(body) string { return "" })
	d := vlm.NewOpenAI(vlm.Options{URL: url, Prices: map[string]money.Price{s.Model: {Output: 1}}})
	c, err := d.Describe(t.Context(), video.DescribeRequest{Stage: s, JPEG: vlmtest.Picture(t, 1)})
	require.NoError(t, err)
	require.Equal(t, "A cat.", c.Text)
	sent := requests()[0]
	require.Nil(t, sent.Temperature)
	require.Nil(t, sent.MaxTokens)
	require.Nil(t, sent.Format)
	require.Len(t, sent.Messages[0].Content, 3, "the words name the fields")
	reserved, priced := d.Reserve(s, 1)
	require.True(t, priced)
	require.EqualValues(t, 1<<20, reserved)
}

// TestStills: all stills are shown in one request, in order of time, before the prompt. The
// default prompt says that they belong together.
func TestStills(t *testing.T) {
	t.Parallel()
	var stills [][]byte
	for i := range 3 {
		stills = append(stills, vlmtest.Picture(t, i))
	}
	several := (video.Stage{}).DescribeText(len(stills))
	require.NotEqual(t, video.DescribePrompt, several)
	for name, c := range map[string]struct {
		prompt, want string
		stills       [][]byte
	}{
		"default":   {"", several, stills},
		"prompt":    {"What happens?", "What happens?", stills},
		"only one":  {"", video.DescribePrompt, stills[:1]},
		"the frame": {"", video.DescribePrompt, nil},
	} {
		url, requests := picky(t, "A tram passes.", func(body) string { return "" })
		s := stage()
		s.Of, s.Prompt = video.OfSegment, c.prompt
		r := video.DescribeRequest{Stage: s, Stills: c.stills}
		want := c.stills
		if len(c.stills) == 0 {
			r.JPEG, want = stills[2], stills[2:]
		}
		got, err := vlm.NewOpenAI(vlm.Options{URL: url}).Describe(t.Context(), r)
		require.NoError(t, err, name)
		require.Equal(t, "A tram passes.", got.Text)
		require.Len(t, requests(), 1)
		parts := requests()[0].Messages[0].Content
		require.Len(t, parts, len(want)+1, name)
		for i, jpeg := range want {
			require.Equal(t, "image_url", parts[i].Type, name)
			require.Equal(t, "data:image/jpeg;base64,"+base64.StdEncoding.EncodeToString(jpeg), parts[i].Image.URL, name)
		}
		require.Equal(t, "text", parts[len(want)].Type)
		require.Equal(t, c.want, parts[len(want)].Text, name)
	}
	_, err := vlm.NewOpenAI(vlm.Options{URL: "http://127.0.0.1:9"}).Describe(t.Context(), video.DescribeRequest{Stage: stage(), Stills: [][]byte{stills[0], []byte("<svg/>")}})
	require.Equal(t, fault.Input, fault.ClassOf(err), "%v", err)
	require.Zero(t, money.ChargeOf(err, reserved))
}

// TestOnePictureACall: describers that take one picture refuse several, and free of charge.
func TestOnePictureACall(t *testing.T) {
	t.Parallel()
	s := vlmtest.Start(t)
	all := protocols(s, vlm.Options{})
	delete(all, "openai")
	var err error
	all["preview"], err = preview.NewDescriber(t.Context(), preview.Options{Tesseract: preview.NoTesseract})
	require.NoError(t, err)
	of := stage()
	of.Of = video.OfSegment
	for name, d := range all {
		for _, r := range []video.DescribeRequest{
			{Stage: of, Stills: [][]byte{vlmtest.Picture(t, 1), vlmtest.Picture(t, 2)}},
			{Stage: of, Stills: [][]byte{vlmtest.Picture(t, 1)}},
			{Stage: of, JPEG: vlmtest.Picture(t, 1)},
			{Stage: stage(), Stills: [][]byte{vlmtest.Picture(t, 1), vlmtest.Picture(t, 2)}},
		} {
			if name == "preview" {
				r.Stage.Model = preview.DescriberModel
			}
			_, err := d.Describe(t.Context(), r)
			require.Equal(t, fault.Input, fault.ClassOf(err), "%s: %v", name, err)
			require.ErrorContains(t, err, "remove describe.of")
			if name != "preview" {
				require.Zero(t, money.ChargeOf(err, reserved))
			}
		}
	}
	require.Zero(t, s.Calls())
}
