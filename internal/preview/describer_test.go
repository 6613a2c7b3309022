package preview_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/preview"
	"github.com/cogniverse/cogflow/video"
)

func blind(t testing.TB) *preview.Describer {
	t.Helper()
	d, err := preview.NewDescriber(t.Context(), preview.Options{Tesseract: preview.NoTesseract})
	require.NoError(t, err)
	return d
}

var (
	white = color.RGBA{250, 250, 250, 255}
	black = color.RGBA{5, 5, 5, 255}
	red   = color.RGBA{215, 25, 30, 255}
	sky   = color.RGBA{140, 190, 235, 255}
	grass = color.RGBA{25, 75, 35, 255}
)

type patch struct {
	image.Rectangle
	color.Color
}

func frame(t testing.TB, w, h int, patches ...patch) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for _, p := range patches {
		draw.Draw(img, p.Rectangle, image.NewUniform(p.Color), image.Point{}, draw.Src)
	}
	return encode(t, img)
}

func encode(t testing.TB, img image.Image) []byte {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, jpeg.Encode(&out, img, &jpeg.Options{Quality: 90}))
	return out.Bytes()
}

func full(w, h int, c color.Color) patch { return patch{image.Rect(0, 0, w, h), c} }

func TestDescribeLook(t *testing.T) {
	t.Parallel()
	board := image.NewGray(image.Rect(0, 0, 640, 360))
	for i := range board.Pix {
		if (i%640/8+i/640/8)%2 == 0 {
			board.Pix[i] = 255
		}
	}
	for want, data := range map[string][]byte{
		"Almost all black; very dark, low contrast, black and white; smooth; plain, no subject; landscape.": frame(t, 640, 360, full(640, 360, black)),
		"Almost all white, with some red; very bright; smooth; subject left of centre; landscape.": frame(t, 640, 360,
			full(640, 360, white), patch{image.Rect(80, 130, 180, 230), red}),
		"Mostly light blue and dark green; medium bright; smooth; subject in the lower middle; horizon low, brighter above; portrait.": frame(t, 360, 640,
			full(360, 640, sky), patch{image.Rect(0, 420, 360, 640), grass}),
		"Mostly grey, dark grey and light grey; medium bright, high contrast, black and white; very detailed; subject in the centre; landscape.": encode(t, board),
		"Almost all red; medium bright, low contrast, colourful; smooth; plain, no subject; square.":                                             frame(t, 1, 1, full(1, 1, red)),
	} {
		c, err := blind(t).Describe(t.Context(), video.DescribeRequest{Stage: video.Stage{Model: preview.DescriberModel}, JPEG: data})
		require.NoError(t, err)
		require.Equal(t, want, c.Text)
		require.Empty(t, c.OnScreenText)
		require.True(t, c.Preview)
		require.Equal(t, preview.DescriberModel, c.Model)
		require.Equal(t, blind(t).Revision(), c.Revision)
	}
}

// reading needs tesseract, which `make tools` installs.
func reading(t testing.TB) *preview.Describer {
	t.Helper()
	d, err := preview.NewDescriber(t.Context(), preview.Options{})
	require.NoError(t, err)
	if !strings.Contains(d.Revision(), "tesseract") {
		t.Skip("tesseract is not installed")
	}
	return d
}

func TestDescribeText(t *testing.T) {
	t.Parallel()
	d := reading(t)
	for name, want := range map[string]string{
		"white_on_dark":    "WELCOME TO BANGKOK",
		"dark_on_white":    "Chapter One",
		"blue_on_red":      "Breaking News 2026",
		"white_on_pattern": "GOLDEN TEMPLE",
	} {
		data, err := os.ReadFile(filepath.Join("testdata", name+".jpg"))
		require.NoError(t, err)
		c, err := d.Describe(t.Context(), video.DescribeRequest{JPEG: data})
		require.NoError(t, err)
		require.Equal(t, want, c.OnScreenText)
		require.True(t, strings.HasPrefix(c.Text, "On-screen text: “"+want+"”. "), c.Text)
		require.Equal(t, d.Revision(), c.Revision)
		again, err := d.Describe(t.Context(), video.DescribeRequest{JPEG: data})
		require.NoError(t, err)
		require.Equal(t, c, again)
	}
	c, err := d.Describe(t.Context(), video.DescribeRequest{JPEG: frame(t, 640, 360, full(640, 360, sky))})
	require.NoError(t, err)
	require.Empty(t, c.OnScreenText)
}

func TestDescribeRefuses(t *testing.T) {
	t.Parallel()
	good := frame(t, 64, 64, full(64, 64, sky))
	for name, data := range map[string][]byte{
		"empty":  nil,
		"no":     []byte("not a JPEG"),
		"cut":    good[:len(good)/2],
		"huge":   resized(t, good, 16384, 16384),
		"flat":   resized(t, good, 65535, 0),
		"padded": append(bytes.Clone(good), make([]byte, 33<<20)...),
	} {
		c, err := blind(t).Describe(t.Context(), video.DescribeRequest{JPEG: data})
		require.Equal(t, fault.Input, fault.ClassOf(err), "%s: %v", name, err)
		require.Empty(t, c)
	}
	_, err := blind(t).Describe(t.Context(), video.DescribeRequest{Stage: video.Stage{Model: "gpt"}, JPEG: good})
	require.Equal(t, fault.Input, fault.ClassOf(err))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = blind(t).Describe(ctx, video.DescribeRequest{JPEG: good})
	require.ErrorIs(t, err, context.Canceled)
}

// resized writes a different size into the header of a baseline JPEG.
func resized(t testing.TB, data []byte, w, h uint16) []byte {
	t.Helper()
	out := bytes.Clone(data)
	at := bytes.Index(out, []byte{0xFF, 0xC0}) // start of frame
	require.Positive(t, at)
	binary.BigEndian.PutUint16(out[at+5:], h)
	binary.BigEndian.PutUint16(out[at+7:], w)
	return out
}

func FuzzDescribe(f *testing.F) {
	good := frame(f, 40, 30, full(40, 30, sky), patch{image.Rect(5, 5, 20, 20), red})
	f.Add(good)
	f.Add(good[:len(good)/2])
	f.Add(resized(f, good, 16384, 16384))
	f.Add(resized(f, good, 1, 4000))
	d := blind(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := d.Describe(t.Context(), video.DescribeRequest{JPEG: data})
		if err != nil {
			require.Equal(t, fault.Input, fault.ClassOf(err))
			return
		}
		require.NotEmpty(t, c.Text)
	})
}

// BenchmarkDescribe takes a frame of 1280 by 720 pixels.
func BenchmarkDescribe(b *testing.B) {
	card, err := os.ReadFile(filepath.Join("testdata", "white_on_pattern.jpg"))
	require.NoError(b, err)
	for name, d := range map[string]*preview.Describer{"blind": blind(b), "tesseract": reading(b)} {
		b.Run(name, func(b *testing.B) {
			for range b.N {
				_, err := d.Describe(b.Context(), video.DescribeRequest{JPEG: card})
				require.NoError(b, err)
			}
		})
	}
}
