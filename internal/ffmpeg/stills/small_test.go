package stills

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSmallPictures(t *testing.T) {
	t.Parallel()
	plain, bright, ramp := make(Small, SmallBytes), make(Small, SmallBytes), make(Small, SmallBytes)
	for i := range smallPixels {
		bright[i] = 255
		ramp[i] = byte(i % SmallWidth * 7)
	}
	require.Zero(t, plain.Hash())
	require.Equal(t, ^uint64(0), ramp.Hash())
	require.InDelta(t, 1, plain.Change(bright), 1e-9)
	require.True(t, plain.Cut(bright))
	require.False(t, plain.Cut(plain))
	require.False(t, Alike(plain, bright, 0, 0, 2), "plain pictures all have the same hash")

	tinted := slices.Clone(plain)
	for i := range tinted.Chroma() {
		tinted.Chroma()[i] = 5
	}
	require.Zero(t, plain.Change(tinted))
	require.InDelta(t, 10.0/255, plain.Recolour(tinted), 1e-9)
	require.True(t, Alike(plain, tinted, 0, 0, 2), "the noise of an encoder")
	for i := range tinted.Chroma() {
		tinted.Chroma()[i] = 40
	}
	require.False(t, Alike(plain, tinted, 0, 0, 2))
	require.True(t, plain.Cut(tinted))
}
