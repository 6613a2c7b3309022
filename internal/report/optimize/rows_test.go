package optimize

import (
	"bytes"
	goimage "image"
	"image/png"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/prompt"
	"github.com/cogniverse/cogflow/prompt/image"
	"github.com/cogniverse/cogflow/prompt/python"
)

// TestPictures: rows show small pictures of their images. Their number and size are bounded,
// and remote images are described only.
func TestPictures(t *testing.T) {
	t.Parallel()
	noise := goimage.NewRGBA(goimage.Rect(0, 0, 500, 400))
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range noise.Pix {
		noise.Pix[i] = byte(rng.Uint32())
	}
	var data bytes.Buffer
	require.NoError(t, png.Encode(&data, noise))
	local, err := image.FromBytes(data.Bytes())
	require.NoError(t, err)
	remote, err := image.Of("https://example.com/photo.png")
	require.NoError(t, err)
	var rows []prompt.ReportRow
	for range 30 {
		rows = append(rows, prompt.ReportRow{
			Example: python.NewObject("photo", local, "photos", []any{local, remote, local, local, local, local}, "far", remote, "text", "t"), Before: python.NewObject("answer", "a"),
		})
	}
	shown, size := 0, 0
	for i, c := range chats(rows) {
		for _, turn := range c.Turns {
			for _, p := range turn.Pictures {
				require.True(t, strings.HasPrefix(string(p), "data:image/jpeg;base64,"))
				shown++
				size += len(p)
			}
			require.NotContains(t, turn.Text, "iVBOR")
			require.Less(t, len(turn.Text), 2000)
		}
		if i == 0 {
			require.Len(t, c.Turns[0].Pictures, 1)
			require.Len(t, c.Turns[1].Pictures, maxPicturesAValue)
			require.Empty(t, c.Turns[2].Pictures, "remote")
			require.Equal(t, "Image(url='https://example.com/photo.png')", c.Turns[2].Text)
		}
	}
	require.Equal(t, maxPictures, shown)
	require.Less(t, size, 2<<20, "noise is the worst case")
}
