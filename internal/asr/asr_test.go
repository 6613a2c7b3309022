package asr_test

import (
	"context"
	"encoding/binary"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/answer/answertest"
	"github.com/cogniverse/cogflow/internal/asr"
	"github.com/cogniverse/cogflow/internal/asr/asrtest"
	"github.com/cogniverse/cogflow/video"
)

// sound is a FLAC header of so many seconds; the service hears no more.
func sound(seconds uint64) []byte {
	out := make([]byte, 42)
	copy(out, "fLaC\x80\x00\x00\x22")
	binary.BigEndian.PutUint64(out[18:], 16000<<44|seconds*16000)
	return out
}

func request(flac []byte) video.TranscribeRequest {
	return video.TranscribeRequest{Stage: video.Stage{Model: "test/asr", Language: "en", CostMicroUSD: 90}, FLAC: flac}
}

func TestTranscribe(t *testing.T) {
	t.Parallel()
	s := asrtest.Start(t)
	a := asr.New(asr.Options{URL: s.URL + "/v1"})
	out, err := a.Transcribe(t.Context(), request(sound(6)))
	require.NoError(t, err)
	require.Equal(t, video.Transcript{
		Language: "english", Model: "test/asr", CostMicroUSD: 90, Segments: []video.Segment{
			{StartMS: 0, EndMS: 2500, Text: "The sound is 42 bytes long."},
			{StartMS: 2500, EndMS: 6000, Text: "Thanks for watching lanterns."}, // a time beyond the end is none
		},
	}, out)
	require.GreaterOrEqual(t, a.Limit(""), 1)
	require.NoError(t, a.Check(t.Context(), []string{"test/asr"}))
	require.ErrorContains(t, a.Check(t.Context(), []string{"other"}), "it serves test/asr")

	s.Next(answertest.Status(200, `{"text":" all of it "}`), answertest.Status(200, `{"text":"","segments":[]}`))
	out, err = a.Transcribe(t.Context(), request(sound(6)))
	require.NoError(t, err)
	require.Equal(t, []video.Segment{{EndMS: 6000, Text: "all of it"}}, out.Segments, "a server without segments")
	out, err = a.Transcribe(t.Context(), request(sound(6)))
	require.NoError(t, err)
	require.Empty(t, out.Segments, "there is no speech")

	for _, bad := range [][]byte{nil, []byte("RIFF"), sound(0)} {
		_, err := a.Transcribe(t.Context(), request(bad))
		require.Equal(t, fault.Input, fault.ClassOf(err))
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = a.Transcribe(ctx, request(sound(6)))
	require.ErrorIs(t, err, context.Canceled)
}

func TestFaults(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer func(w http.ResponseWriter)
		class  fault.Class
	}{
		"429":       {answertest.Status(429, `{}`, "Retry-After", "3"), fault.Overload},
		"503":       {answertest.Status(503, `busy`), fault.Overload},
		"500":       {answertest.Status(500, `{"error":{"message":"CUDA out of memory"}}`), fault.Transport},
		"401":       {answertest.Status(401, `{}`), fault.Auth},
		"413":       {answertest.Status(413, `{"error":{"message":"Maximum content size limit exceeded"}}`), fault.Input},
		"reset":     {answertest.Reset, fault.Transport},
		"cut":       {answertest.Status(200, `{"segments":[{"start":0`), fault.Transport},
		"200 error": {answertest.Status(200, `{"error":"model is loading"}`), fault.Transport},
		"page":      {answertest.Status(200, `<html>`), fault.Transport},
		"backwards": {answertest.Status(200, `{"text":"x","segments":[{"start":4,"end":2,"text":"x"}]}`), fault.Transport},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := asrtest.Start(t)
			a := asr.New(asr.Options{URL: s.URL + "/v1"})
			s.Next(c.answer)
			_, err := a.Transcribe(t.Context(), request(sound(6)))
			require.Equal(t, c.class, fault.ClassOf(err), "%v", err)
			if name == "429" {
				require.Equal(t, 3*time.Second, fault.RetryAfter(err))
			}
			_, err = a.Transcribe(t.Context(), request(sound(6)))
			require.NoError(t, err)
			require.Equal(t, 1, s.Answered())
		})
	}
}

// TestInventedWords: what Whisper writes for silence and music is no speech; a quiet speaker,
// and a refrain, are.
func TestInventedWords(t *testing.T) {
	t.Parallel()
	s := asrtest.Start(t)
	a := asr.New(asr.Options{URL: s.URL + "/v1"})
	s.Next(answertest.Status(200, `{"text":"x","language":"de","segments":[
		{"start":0,"end":1,"text":"Thank you.","no_speech_prob":0.9,"avg_logprob":-1.2},
		{"start":1,"end":2,"text":"A quiet word.","no_speech_prob":0.7,"avg_logprob":-0.3},
		{"start":2,"end":3,"text":"la la la la la la la la la la","no_speech_prob":0.1,"avg_logprob":-1.4,"compression_ratio":3.1},
		{"start":3,"end":4,"text":"Well said, well said, well said.","no_speech_prob":0.1,"avg_logprob":-0.2,"compression_ratio":2.6},
		{"start":4,"end":5,"text":"Again."},{"start":5,"end":6,"text":"Again."},{"start":6,"end":7,"text":"Again."},{"start":7,"end":8,"text":"Again."}]}`))
	out, err := a.Transcribe(t.Context(), request(sound(10)))
	require.NoError(t, err)
	var said []string
	for _, g := range out.Segments {
		said = append(said, g.Text)
	}
	require.Equal(t, []string{"A quiet word.", "Well said, well said, well said.", "Again.", "Again."}, said)
	require.Equal(t, "de", out.Language)
	s.Next(answertest.Status(200, `{"text":"Thank you.","segments":[{"start":0,"end":6,"text":"Thank you.","no_speech_prob":0.95,"avg_logprob":-1.1}]}`))
	out, err = a.Transcribe(t.Context(), request(sound(6)))
	require.NoError(t, err)
	require.Empty(t, out.Segments, "the text of the whole is not used either")
}
