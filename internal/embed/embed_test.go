package embed_test

import (
	"context"
	"image/color"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/answer/answertest"
	"github.com/cogniverse/cogflow/internal/embed"
	"github.com/cogniverse/cogflow/internal/embed/embedtest"
	"github.com/cogniverse/cogflow/money"
	"github.com/cogniverse/cogflow/video"
)

func multi() video.Stage {
	return video.Stage{Model: "test/multi", Of: video.OfFrame, Multi: true, Dim: 128}
}

func single() video.Stage { return video.Stage{Model: "test/single", Of: video.OfSegment, Dim: 64} }

// pooling trusts the service, so that each call is one call.
func pooling(s *embedtest.Server) *embed.Pooling {
	return embed.NewPooling(embed.Options{URL: s.URL, NoCanary: true})
}

func red() color.RGBA { return color.RGBA{220, 0, 0, 255} }

func TestPooling(t *testing.T) {
	t.Parallel()
	for name, floats := range map[string]bool{"base64": false, "floats": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := embedtest.Start(t)
			if floats {
				s.AnswerFloats()
			}
			p := pooling(s)
			one, err := p.EmbedPictures(t.Context(), video.PictureRequest{Stage: multi(), JPEGs: [][]byte{embedtest.Picture(t, red())}})
			require.NoError(t, err)
			require.Equal(t, 4, one.Rows)
			require.Equal(t, 128, one.Dim)
			again, err := p.EmbedPictures(t.Context(), video.PictureRequest{Stage: multi(), JPEGs: [][]byte{embedtest.Picture(t, red())}})
			require.NoError(t, err)
			require.Equal(t, one, again)

			stills := [][]byte{embedtest.Picture(t, red()), embedtest.Picture(t, color.RGBA{0, 0, 220, 255})}
			segment, err := p.EmbedPictures(t.Context(), video.PictureRequest{Stage: single(), JPEGs: stills})
			require.NoError(t, err)
			require.Equal(t, 1, segment.Rows)
			require.Equal(t, 3, s.Answered(), "the stills of a segment are one call")

			queries, err := p.EmbedTexts(t.Context(), video.TextRequest{Stage: multi(), Query: true, Texts: []string{"a red tram", "night"}})
			require.NoError(t, err)
			require.Equal(t, []int{3, 1}, []int{queries[0].Rows, queries[1].Rows})
		})
	}
}

func TestTexts(t *testing.T) {
	t.Parallel()
	s := embedtest.Start(t)
	e := embed.NewTexts(embed.Options{URL: s.URL + "/v1"})
	st := video.Stage{Model: "nomic-embed-text", Dim: 768}
	out, err := e.EmbedTexts(t.Context(), video.TextRequest{Stage: st, Texts: []string{"a red tram", "a blue bus", "a red tram"}})
	require.NoError(t, err)
	require.Equal(t, out[0], out[2])
	require.NotEqual(t, out[0], out[1])
	_, err = e.EmbedTexts(t.Context(), video.TextRequest{Stage: st, Texts: []string{"x", " "}})
	require.ErrorContains(t, err, "text 2 is empty")
	_, err = e.EmbedPictures(t.Context(), video.PictureRequest{Stage: st})
	require.Equal(t, fault.Input, fault.ClassOf(err))

	for name, body := range map[string]string{
		"too few":    `{"data":[{"index":0,"embedding":[1]}]}`,
		"twice":      `{"data":[{"index":0,"embedding":[1]},{"index":0,"embedding":[1]}]}`,
		"wrong":      `{"data":[{"index":0,"embedding":[1]},{"index":7,"embedding":[1]}]}`,
		"not a list": `{"data":3}`,
	} {
		s.Next(answertest.Status(200, body))
		st := video.Stage{Model: "m", Dim: 1}
		_, err := e.EmbedTexts(t.Context(), video.TextRequest{Stage: st, Texts: []string{"a", "b"}})
		require.Equal(t, fault.Transport, fault.ClassOf(err), name)
	}
}

// TestCheckTexts: a check finds a dimension that the model does not have, also where the
// server lists no models. It asks once for each model, by the payer.
func TestCheckTexts(t *testing.T) {
	t.Parallel()
	s := embedtest.Start(t)
	var booked []error
	pay := money.WithPayer(t.Context(), func(ctx context.Context, _ string, ask func(context.Context) error) error {
		err := ask(ctx)
		booked = append(booked, err)
		return err
	})
	right := video.Stage{Model: "nomic-embed-text", Dim: 768}
	e := embed.NewTexts(embed.Options{URL: s.URL + "/v1"})
	require.ErrorContains(t, e.Check(pay, video.Stage{Model: "other", Dim: 3}), "it serves")
	require.Empty(t, booked, "a model that is not served is not asked")
	for range 2 {
		require.NoError(t, e.Check(pay, right))
	}
	require.Equal(t, []error{nil}, booked)
	require.Equal(t, 1, s.Answered())

	wrong := video.Stage{Model: "nomic-embed-text", Dim: 512}
	silent := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1/models" {
			http.NotFound(w, r)
			return
		}
		s.ServeHTTP(w, r)
	}))
	t.Cleanup(silent.Close)
	for _, at := range []string{s.URL, silent.URL} {
		err := embed.NewTexts(embed.Options{URL: at + "/v1"}).Check(pay, wrong)
		require.ErrorContains(t, err, "768 dimensions where the profile says 512")
		require.Equal(t, fault.Input, fault.ClassOf(err))
		require.ErrorIs(t, booked[len(booked)-1], err, "it was paid too")
	}
	before := s.Answered()
	require.NoError(t, embed.NewTexts(embed.Options{URL: s.URL + "/v1", NoCanary: true}).Check(pay, wrong))
	require.Equal(t, before, s.Answered(), "a model that is trusted is not asked")
}

// TestNothingWrongIsTaken: vectors that no model in order gives are faults.
func TestNothingWrongIsTaken(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		distort func(rows [][]float32) [][]float32
		class   fault.Class
		text    string
	}{
		"padding":      {func(r [][]float32) [][]float32 { return append(r, make([]float32, 128)) }, fault.Transport, "all zeros"},
		"not a unit":   {func(r [][]float32) [][]float32 { r[1][0] += 3; return r }, fault.Transport, "length"},
		"not a number": {func(r [][]float32) [][]float32 { r[0][5] = float32(math.NaN()); return r }, fault.Transport, "NaN"},
		"no rows":      {func([][]float32) [][]float32 { return nil }, fault.Transport, "base64"},
		"other model": {func(r [][]float32) [][]float32 {
			for i := range r {
				r[i] = r[i][:100]
			}
			return r
		}, fault.Input, "128"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := embedtest.Start(t)
			s.Distort(c.distort)
			p := pooling(s)
			_, err := p.EmbedPictures(t.Context(), video.PictureRequest{Stage: multi(), JPEGs: [][]byte{embedtest.Picture(t, red())}})
			require.Equal(t, c.class, fault.ClassOf(err), "%v", err)
			require.ErrorContains(t, err, c.text)
		})
	}
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
		"400":       {answertest.Status(400, `{"error":{"message":"cannot identify image"}}`), fault.Input},
		"reset":     {answertest.Reset, fault.Transport},
		"cut":       {answertest.Status(200, `{"data":[{"data":"AAA`), fault.Transport},
		"200 error": {answertest.Status(200, `{"error":"model is loading"}`), fault.Transport},
		"two":       {answertest.Status(200, `{"data":[{"data":[[1]]},{"data":[[1]]}]}`), fault.Transport},
		"none":      {answertest.Status(200, `{"data":[]}`), fault.Transport},
		"ragged":    {answertest.Status(200, `{"data":[{"data":[[1,0],[1]]}]}`), fault.Transport},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := embedtest.Start(t)
			p := pooling(s)
			s.Next(c.answer)
			request := video.PictureRequest{Stage: multi(), JPEGs: [][]byte{embedtest.Picture(t, red())}}
			_, err := p.EmbedPictures(t.Context(), request)
			require.Equal(t, c.class, fault.ClassOf(err), "%v", err)
			_, err = p.EmbedPictures(t.Context(), request)
			require.NoError(t, err)
			require.Equal(t, 1, s.Answered())
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p := pooling(embedtest.Start(t))
	_, err := p.EmbedPictures(ctx, video.PictureRequest{Stage: multi(), JPEGs: [][]byte{embedtest.Picture(t, red())}})
	require.ErrorIs(t, err, context.Canceled)
}

// TestCanary: a base model that is served without its adapter has vectors of the
// right shape which mean nothing, and is found out.
func TestCanary(t *testing.T) {
	t.Parallel()
	s := embedtest.Start(t)
	p := embed.NewPooling(embed.Options{URL: s.URL})
	paid := 0
	pay := money.WithPayer(t.Context(), func(ctx context.Context, _ string, ask func(context.Context) error) error { paid++; return ask(ctx) })
	for range 2 {
		require.NoError(t, p.Check(pay, multi()))
		require.NoError(t, p.Check(pay, single()))
	}
	require.Equal(t, 8, paid, "once for each model, and each request is booked")
	require.Equal(t, paid, s.Answered())
	require.NoError(t, pooling(s).Check(pay, multi()), "a model that is trusted is not asked")
	require.Equal(t, paid, s.Answered())
	require.ErrorContains(t, p.Check(t.Context(), video.Stage{Model: "other", Dim: 3}), "it serves")
	p = embed.NewPooling(embed.Options{URL: s.URL})
	spent := money.WithPayer(t.Context(), func(ctx context.Context, name string, ask func(context.Context) error) error {
		if strings.HasSuffix(name, "the picture") {
			return ask(ctx)
		}
		return money.GiveUp("check model", "m", money.MaxCharged, nil)
	})
	require.ErrorIs(t, p.Check(spent, multi()), money.ErrGivenUp, "that says nothing of a text tower")
	s.Distort(func(rows [][]float32) [][]float32 {
		for i := range rows { // unit vectors, all alike
			clear(rows[i])
			rows[i][0] = 1
		}
		return rows
	})
	err := p.Check(t.Context(), multi())
	require.ErrorContains(t, err, "served without its adapter")

	// Nor is anything taken from it: the first picture asks the canary.
	before := s.Answered()
	fresh := embed.NewPooling(embed.Options{URL: s.URL})
	_, err = fresh.EmbedPictures(t.Context(), video.PictureRequest{Stage: multi(), JPEGs: [][]byte{embedtest.Picture(t, red())}})
	require.ErrorContains(t, err, "served without its adapter")
	require.Equal(t, fault.Input, fault.ClassOf(err))
	require.Equal(t, before+4, s.Answered())
	s.Distort(nil)
	for range 2 {
		_, err = fresh.EmbedPictures(t.Context(), video.PictureRequest{Stage: multi(), JPEGs: [][]byte{embedtest.Picture(t, red())}})
		require.NoError(t, err)
	}
	require.Equal(t, before+4+4+2, s.Answered(), "it is asked once")
}
