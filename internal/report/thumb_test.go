package report

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
)

// still is a deterministic JPEG with one colour in its left half and another in its right half.
func still(t testing.TB, w, h int, left, right color.RGBA) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			img.SetRGBA(x, y, left)
			if x >= w/2 {
				img.SetRGBA(x, y, right)
			}
		}
	}
	var out bytes.Buffer
	require.NoError(t, jpeg.Encode(&out, img, nil))
	return out.Bytes()
}

var (
	red  = color.RGBA{200, 30, 30, 255}
	blue = color.RGBA{20, 40, 210, 255}
)

func TestThumb(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ w, h, width, wantW, wantH int }{
		{1280, 720, 320, 320, 180},
		{720, 1280, 320, 180, 320},
		{641, 479, 320, 320, 239},
		{100, 60, 320, 100, 60},
		{3000, 2, 100, 100, 1},
		{1, 1, 1, 1, 1},
	} {
		small, err := Thumb(still(t, c.w, c.h, red, blue), c.width)
		require.NoError(t, err)
		img, err := jpeg.Decode(bytes.NewReader(small))
		require.NoError(t, err)
		assert.Equal(t, image.Rect(0, 0, c.wantW, c.wantH), img.Bounds())
	}
}

func TestThumbKeepsColours(t *testing.T) {
	t.Parallel()
	small, err := Thumb(still(t, 1280, 720, red, blue), 320)
	require.NoError(t, err)
	img, err := jpeg.Decode(bytes.NewReader(small))
	require.NoError(t, err)
	for x, want := range map[int]color.RGBA{40: red, 280: blue} {
		r, g, b, _ := img.At(x, 90).RGBA()
		assert.InDelta(t, want.R, r>>8, 8)
		assert.InDelta(t, want.G, g>>8, 8)
		assert.InDelta(t, want.B, b>>8, 8)
	}
}

func TestThumbGrey(t *testing.T) {
	t.Parallel()
	var in bytes.Buffer
	require.NoError(t, jpeg.Encode(&in, image.NewGray(image.Rect(0, 0, 90, 50)), nil))
	small, err := Thumb(in.Bytes(), 30)
	require.NoError(t, err)
	head, err := jpeg.DecodeConfig(bytes.NewReader(small))
	require.NoError(t, err)
	assert.Equal(t, 30, head.Width)
}

func TestThumbRefuses(t *testing.T) {
	t.Parallel()
	good := still(t, 64, 64, red, blue)
	huge := bytes.Clone(good)
	size := bytes.Index(huge, []byte{0xff, 0xc0}) + 5 // height and width of the frame header
	copy(huge[size:], []byte{0xff, 0xff, 0xff, 0xff})
	for name, data := range map[string][]byte{
		"empty": nil, "text": []byte("no picture"), "cut": good[:len(good)/2], "65535 × 65535": huge,
	} {
		_, err := Thumb(data, 32)
		assert.Equal(t, fault.Input, fault.ClassOf(err), name)
	}
	_, err := Thumb(good, 0)
	assert.Equal(t, fault.Input, fault.ClassOf(err))
}
