package embed_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/answer/answertest"
	"github.com/cogniverse/cogflow/internal/embed"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/video"
)

const reserved = 70

func unitRow(dim int) string {
	row := make([]float32, dim)
	row[0] = 1
	text, _ := json.Marshal(row)
	return string(text)
}

func answering(t *testing.T, answer answertest.Answer) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { answer(w) }))
	t.Cleanup(s.Close)
	return s.URL
}

// TestChargesAndOddAnswers: vectors that were paid for are read, whatever else is
// in the answer; what cannot be used is charged.
func TestChargesAndOddAnswers(t *testing.T) {
	t.Parallel()
	stage := video.Stage{Model: "test/single", Dim: 4, Of: video.OfCaption}
	row := unitRow(4)
	for name, c := range map[string]struct {
		answer     answertest.Answer
		embeddings bool // the answer is one of /v1/embeddings; else of /pooling
		ok         bool
		want       int64
	}{
		"odd embeddings":       {answertest.Status(200, `{"id":7,"created":1.5,"model":[],"data":[{"index":"0","object":7,"embedding":`+row+`}],"usage":{"prompt_tokens":1.5,"total_tokens":"x"}}`), true, true, 0},
		"odd pooling":          {answertest.Status(200, `{"id":7,"created":1.5,"usage":"none","data":[{"index":null,"data":`+row+`}]}`), false, true, 0},
		"numbers as texts":     {answertest.Status(200, `{"data":[{"index":0,"embedding":["1","0.0","0e5",0]}]}`), true, true, 0},
		"null":                 {answertest.Status(200, `{"data":[{"index":0,"embedding":[1,null,0,0]}]}`), true, false, reserved},
		"null in a row":        {answertest.Status(200, `{"data":[{"data":[[1,null,0,0]]}]}`), false, false, reserved},
		"a null for a row":     {answertest.Status(200, `{"data":[{"data":[[1,0,0,0],null]}]}`), false, false, reserved},
		"no row":               {answertest.Status(200, `{"data":[{"data":[null]}]}`), false, false, reserved},
		"NaN":                  {answertest.Status(200, `{"data":[{"index":0,"embedding":["NaN",1,0,0]}]}`), true, false, reserved},
		"infinite":             {answertest.Status(200, `{"data":[{"index":0,"embedding":["Infinity",1,0,0]}]}`), true, false, reserved},
		"NaN, bare":            {answertest.Status(200, `{"data":[{"index":0,"embedding":[NaN,1,0,0]}]}`), true, false, reserved},
		"base64":               {answertest.Status(200, `{"data":[{"index":0,"embedding":"AACAPwAAAAAAAAAAAAAAAA=="}]}`), true, true, 0},
		"base64 of NaN":        {answertest.Status(200, `{"data":[{"index":0,"embedding":"AADAfwAAAAAAAAAAAAAAAA=="}]}`), true, false, reserved},
		"base64, cut":          {answertest.Status(200, `{"data":[{"index":0,"embedding":"AACAPwAAAAAAAAAAAAAA"}]}`), true, false, reserved},
		"empty":                {answertest.Status(200, `{"data":[{"index":0,"embedding":[]}]}`), true, false, reserved},
		"nothing":              {answertest.Status(200, `{"data":[{"index":0}]}`), true, false, reserved},
		"a fraction":           {answertest.Status(200, `{"data":[{"index":0.5,"embedding":`+row+`}]}`), true, false, reserved},
		"an odd index":         {answertest.Status(200, `{"data":[{"index":"first","embedding":`+row+`}]}`), true, false, reserved},
		"too long":             {answertest.Status(200, `{"x":"`+strings.Repeat("x", 2<<20)+`","data":[{"index":0,"embedding":`+row+`}]}`), true, false, reserved},
		"429":                  {answertest.Status(429, `{}`), true, false, 0},
		"500":                  {answertest.Status(500, `{}`), false, false, 0},
		"reset":                {answertest.Reset, true, false, reserved},
		"cut":                  {answertest.Status(200, `{"data":[{"data":"AAA`), false, false, reserved},
		"200 error":            {answertest.Status(200, `{"error":"loading"}`), true, false, reserved},
		"no vectors":           {answertest.Status(200, `{"data":[]}`), false, false, reserved},
		"no embeddings":        {answertest.Status(200, `{"data":[]}`), true, false, reserved},
		"of other types":       {answertest.Status(200, `{"data":"none"}`), true, false, reserved},
		"of another dimension": {answertest.Status(200, `{"data":[{"index":0,"embedding":[1,0]}]}`), true, false, reserved},
		"zeros":                {answertest.Status(200, `{"data":[{"data":[0,0,0,0]}]}`), false, false, reserved},
		"a wrong index":        {answertest.Status(200, `{"data":[{"index":9e18,"embedding":`+row+`}]}`), true, false, reserved},
		"too large a number":   {answertest.Status(200, `{"data":[{"index":0,"embedding":[1e300,0,0,0]}]}`), true, false, reserved},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := embed.Options{URL: answering(t, c.answer), NoCanary: true}
			ask := embed.NewPooling(o).EmbedTexts
			if c.embeddings {
				ask = embed.NewTexts(o).EmbedTexts
			}
			out, err := ask(t.Context(), video.TextRequest{Stage: stage, Texts: []string{"a red tram"}})
			require.Equal(t, c.ok, err == nil, "%v", err)
			require.Equal(t, c.want, money.ChargeOf(err, reserved), "%v", err)
			if c.ok {
				require.InDelta(t, 1, out[0].Floats[0], 0)
			}
		})
	}
}

// TestIndexAsText: an index that is a text counts; taken for none, it would give a
// text the vector of another.
func TestIndexAsText(t *testing.T) {
	t.Parallel()
	stage := video.Stage{Model: "test/single", Dim: 2, Of: video.OfCaption}
	for _, index := range [][2]string{{`"1"`, `"0"`}, {`1.0`, `0e0`}} {
		e := embed.NewTexts(embed.Options{URL: answering(t, answertest.Status(200,
			`{"data":[{"index":`+index[0]+`,"embedding":[0,1]},{"index":`+index[1]+`,"embedding":[1,0]}]}`))})
		out, err := e.EmbedTexts(t.Context(), video.TextRequest{Stage: stage, Texts: []string{"a", "b"}})
		require.NoError(t, err)
		require.Equal(t, []float32{1, 0}, out[0].Floats)
		require.Equal(t, []float32{0, 1}, out[1].Floats)
	}
}
