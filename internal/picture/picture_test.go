package picture_test

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/picture"
)

func red(t testing.TB, w, h int) []byte {
	t.Helper()
	m := image.NewRGBA(image.Rect(0, 0, w, h))
	for i := range w * h {
		m.Set(i%w, i/w, color.RGBA{200, 10, 10, 255})
	}
	var out bytes.Buffer
	require.NoError(t, jpeg.Encode(&out, m, nil))
	return out.Bytes()
}

func TestFit(t *testing.T) {
	t.Parallel()
	big := red(t, 640, 360)
	for _, pixels := range []int{0, 640 * 360, 1 << 20} {
		same, err := picture.Fit(big, pixels)
		require.NoError(t, err)
		require.Equal(t, big, same)
	}
	small, err := picture.Fit(big, 100*100)
	require.NoError(t, err)
	m, err := jpeg.Decode(bytes.NewReader(small))
	require.NoError(t, err)
	require.LessOrEqual(t, m.Bounds().Dx()*m.Bounds().Dy(), 100*100)
	require.InDelta(t, 16.0/9, float64(m.Bounds().Dx())/float64(m.Bounds().Dy()), 0.05)
	r, _, _, _ := m.At(5, 5).RGBA()
	require.InDelta(t, 200, r>>8, 6)
	again, err := picture.Fit(big, 100*100)
	require.NoError(t, err)
	require.Equal(t, small, again)

	for _, bad := range [][]byte{nil, []byte("GIF89a"), big[:len(big)/2], big[:20]} {
		_, err := picture.Fit(bad, 100)
		require.Equal(t, fault.Input, fault.ClassOf(err))
	}
}
