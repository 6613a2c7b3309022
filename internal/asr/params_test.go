package asr_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/answer/answertest"
	"github.com/cogniverse/cogflow/internal/answer/params"
	"github.com/cogniverse/cogflow/internal/asr"
	"github.com/cogniverse/cogflow/video"
)

// TestRefusedFormat: a model without the times of segments gives the whole text. Which models
// these are is learned from the first refusal.
func TestRefusedFormat(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"response_format 'verbose_json' is not compatible with model 'gpt-4o-transcribe-api-ev3'. Use 'json' or 'text' instead.",
		"Currently do not support verbose_json: `response_format` is not supported",
	} {
		var formats []string
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			formats = append(formats, r.FormValue("response_format")+" "+r.FormValue("timestamp_granularities[]"))
			if r.FormValue("response_format") != "" {
				answertest.Status(http.StatusBadRequest, `{"error":{"message":"`+text+`"}}`)(w)
				return
			}
			answertest.Status(http.StatusOK, `{"text":"hello"}`)(w)
		}))
		t.Cleanup(s.Close)
		a := asr.New(asr.Options{URL: s.URL})
		for range 2 {
			out, err := a.Transcribe(t.Context(), request(sound(6)))
			require.NoError(t, err)
			require.Equal(t, []video.Segment{{EndMS: 6000, Text: "hello"}}, out.Segments)
		}
		_, err := asr.New(asr.Options{URL: s.URL, Params: &params.Endpoint{Always: params.Verbose}}).Transcribe(t.Context(), request(sound(6)))
		require.NoError(t, err)
		require.Equal(t, []string{"verbose_json segment", " ", " ", " "}, formats)
	}
}
