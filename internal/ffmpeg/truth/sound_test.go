package truth_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/video"
)

// TestOnlySound: a file without pictures gives its sound, whatever its container; a damaged one
// gives what comes before the damage.
func TestOnlySound(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"tone.mp3", "tone.m4a", "tone.wav", "tone.flac", "tone.ogg", "tone.opus", "tone.aac", "tone.aiff", "tone.mka", "tone.wma"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := clip(t, name, "-f", "lavfi", "-i", "sine=frequency=440:d=3")
			m := probe(t, path)
			require.True(t, m.AudioOnly(), "%+v", m)
			require.InDelta(t, 3000, m.DurationMS, 250)
			e := extract(t, path, video.Sampling{Strategy: video.Keyframes})
			require.Empty(t, e.frames)
			require.InDelta(t, 3000, e.DurationMS, 100)
			require.True(t, loud(t, e))
		})
	}
	_, err := try(t, clip(t, "nothing.wav", "-f", "lavfi", "-i", "sine=d=1", "-t", "0"), video.Sampling{})
	require.Equal(t, fault.Input, fault.ClassOf(err), "%v", err)
}
