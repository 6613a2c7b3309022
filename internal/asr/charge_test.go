package asr_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/answer/answertest"
	"github.com/cogniverse/cogflow/internal/asr"
	"github.com/cogniverse/cogflow/internal/asr/asrtest"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/video"
)

// TestOddAnswers: a paid transcript is read, whatever types the rest of it has.
func TestOddAnswers(t *testing.T) {
	t.Parallel()
	s := asrtest.Start(t)
	a := asr.New(asr.Options{URL: s.URL + "/v1/"})
	for _, body := range []string{
		`{"duration":"6.0","task":7,"text":"hello","segments":[{"id":"seg_0","start":0,"end":2.5,"text":" hello","tokens":"none","temperature":null,"transient":1,"seek":0.5}]}`,
		`{"text":"hello","segments":[{"start":"0","end":"2.5s","text":"hello"}]}`,
		`{"text":"hello","segments":"none"}`, `{"text":"hello","segments":{}}`, `{"text":"hello","segments":[7]}`, `{"text":" hel\u0000lo\u0007 "}`,
		`{"segments":[{"start":-3e9,"end":-2,"text":"hello\u0000"},{"start":2,"end":3,"text":"\u0000"}]}`,
		`{"language":null,"words":{},"usage":7,"text":"hello","segments":[{"start":0,"end":2.5,"text":"hello"}]}`,
	} {
		s.Next(answertest.Status(200, body))
		out, err := a.Transcribe(t.Context(), request(sound(6)))
		require.NoError(t, err, body)
		require.Len(t, out.Segments, 1)
		require.Equal(t, "hello", out.Segments[0].Text)
		require.EqualValues(t, 90, out.CostMicroUSD)
	}
}

func TestCharges(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		answer answertest.Answer
		want   int64
	}{
		"429":           {answertest.Status(429, `{}`), 0},
		"503":           {answertest.Status(503, `busy`), 0},
		"500":           {answertest.Status(500, `{}`), 0},
		"413":           {answertest.Status(413, `{}`), 0},
		"504":           {answertest.Status(504, ``), 90},
		"reset":         {answertest.Reset, 90},
		"cut":           {answertest.Status(200, `{"segments":[{"start":0`), 90},
		"200 error":     {answertest.Status(200, `{"error":"model is loading"}`), 90},
		"page":          {answertest.Status(200, `<html>`), 90},
		"backwards":     {answertest.Status(200, `{"text":"x","segments":[{"start":4,"end":2,"text":"x"}]}`), 90},
		"no times":      {answertest.Status(200, `{"segments":[{"text":"x"}]}`), 90},
		"no transcript": {answertest.Status(200, `{"task":"transcribe"}`), 90},
		"other types":   {answertest.Status(200, `{"text":["x"]}`), 90},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := asrtest.Start(t)
			s.Next(c.answer)
			_, err := asr.New(asr.Options{URL: s.URL + "/v1"}).Transcribe(t.Context(), request(sound(6)))
			require.Error(t, err)
			require.Equal(t, c.want, money.ChargeOf(err, 90), "%v", err)
		})
	}
}

// FuzzTranscript: any answer is a transcript or a fault that is charged.
func FuzzTranscript(f *testing.F) {
	s := asrtest.Start(f)
	a := asr.New(asr.Options{URL: s.URL + "/v1"})
	for _, seed := range []string{`{"text":"x"}`, `{"segments":[{"start":0,"end":1e300,"text":"x"}]}`, `{"segments":[{"start":-1,"end":null}]}`, `[]`, ``} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		s.Next(answertest.Status(200, body))
		out, err := a.Transcribe(t.Context(), request(sound(6)))
		if err != nil {
			return
		}
		for _, g := range out.Segments {
			require.True(t, g.StartMS >= 0 && g.StartMS < g.EndMS, "%+v", g)
		}
	})
}

// TestKeyOverSegments: a key that segments hold between them is taken out.
func TestKeyOverSegments(t *testing.T) {
	t.Parallel()
	const key = "sk-live-0123456789abcdefghijklmnopqrstuvwxyzABCD"
	s := asrtest.Start(t)
	a := asr.New(asr.Options{URL: s.URL + "/v1", Key: key})
	s.Next(answertest.Status(200, `{"segments":[{"start":0,"end":1,"text":"you sent `+key[:9]+`"},{"start":1,"end":2,"text":" `+key[9:20]+
		`"},{"start":2,"end":3,"text":" `+key[20:]+` to me"}]}`))
	out, err := a.Transcribe(t.Context(), request(sound(6)))
	require.NoError(t, err)
	require.Equal(t, []video.Segment{{EndMS: 1000, Text: "you sent [key]"}, {StartMS: 2000, EndMS: 3000, Text: "to me"}}, out.Segments)
}

// TestOddTimes: segments are in order and within the piece, whatever their times are.
func TestOddTimes(t *testing.T) {
	t.Parallel()
	s := asrtest.Start(t)
	a := asr.New(asr.Options{URL: s.URL + "/v1/"})
	s.Next(answertest.Status(200, `{"segments":[{"start":4,"end":1e300,"text":"d"},{"start":-7,"end":-1,"text":"a"},{"start":1,"end":5,"text":"b"},{"start":1,"end":2,"text":"c"},{"start":9,"end":10,"text":"e"}]}`))
	out, err := a.Transcribe(t.Context(), request(sound(6)))
	require.NoError(t, err)
	require.Equal(t, []video.Segment{
		{StartMS: 0, EndMS: 1, Text: "a"}, {StartMS: 1000, EndMS: 5000, Text: "b"}, {StartMS: 1000, EndMS: 2000, Text: "c"}, {StartMS: 4000, EndMS: 6000, Text: "d"},
	}, out.Segments)
	for _, time := range []string{`1e999`, `"NaN"`, `"Inf"`, `"soon"`, `null`, `[]`, `true`} {
		s.Next(answertest.Status(200, `{"segments":[{"start":`+time+`,"end":2,"text":"a"}]}`))
		_, err := a.Transcribe(t.Context(), request(sound(6)))
		require.EqualValues(t, 90, money.ChargeOf(err, 90), time)
	}
}
