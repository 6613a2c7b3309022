package media_test

import (
	"bytes"
	"image"
	_ "image/gif"
	_ "image/jpeg"
	_ "image/png"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/internal/gateway/media"
)

// FuzzSize: no data makes it panic, and no picture that Go decodes is larger than it says.
func FuzzSize(f *testing.F) {
	for _, kind := range []string{media.PNG, media.JPEG, media.GIF, media.WebP} {
		f.Add(encoded(f, kind, 31, 7))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		_, width, height, err := media.Size(bytes.NewReader(data))
		if err != nil {
			return
		}
		require.Positive(t, width)
		require.Positive(t, height)
		if c, _, err := image.DecodeConfig(bytes.NewReader(data)); err == nil {
			require.LessOrEqual(t, c.Width*c.Height, width*height)
		}
	})
}
