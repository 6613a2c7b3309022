package report_test

import (
	"bytes"
	"encoding/base64"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/report"
)

// TestSketch: an image of every format becomes a small JPEG; damaged and huge ones are errors.
func TestSketch(t *testing.T) {
	t.Parallel()
	full := image.NewPaletted(image.Rect(0, 0, 400, 200), color.Palette{color.Transparent})
	var p, g, j bytes.Buffer
	require.NoError(t, png.Encode(&p, full))
	require.NoError(t, gif.Encode(&g, full, nil))
	require.NoError(t, jpeg.Encode(&j, full, nil))
	webp, err := base64.StdEncoding.DecodeString("UklGRhoAAABXRUJQVlA4TA0AAAAvAAAAEAcQERGIiP4HAA==") // 1 × 1
	require.NoError(t, err)
	for name, data := range map[string][]byte{"png": p.Bytes(), "gif": g.Bytes(), "jpeg": j.Bytes(), "webp": webp} {
		small, err := report.Sketch(data, 100)
		require.NoError(t, err, name)
		made, err := jpeg.Decode(bytes.NewReader(small))
		require.NoError(t, err)
		require.LessOrEqual(t, made.Bounds().Dx(), 100)
		require.Less(t, len(small), 4096)
		if name == "png" {
			r, _, _, _ := made.At(5, 5).RGBA()
			require.Greater(t, r, uint32(0xf000), "transparent is white")
		}
		_, err = report.Sketch(data[:len(data)/2], 100)
		require.Error(t, err, name)
	}
	var huge bytes.Buffer
	require.NoError(t, png.Encode(&huge, image.NewGray(image.Rect(0, 0, 1<<13, 1<<12))))
	_, err = report.Sketch(huge.Bytes(), 100)
	require.ErrorContains(t, err, "too many")
	_, err = report.Sketch([]byte("<svg/>"), 100)
	require.Error(t, err)
}
