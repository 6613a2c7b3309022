package asr

import (
	"bytes"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/mewkiz/flac"
	"github.com/mewkiz/flac/frame"
	"github.com/mewkiz/flac/meta"
	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/video"
)

// recording is a FLAC file: noise of a loudness for so many milliseconds, part after part.
func recording(t *testing.T, parts ...[2]float64) []byte {
	t.Helper()
	const rate, size = 16000, 4000
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // noise
	var samples []int32
	for _, p := range parts {
		for range int(p[0] * rate / 1000) {
			samples = append(samples, int32(math.Round((2*random.Float64()-1)*p[1])))
		}
	}
	var out bytes.Buffer
	e, err := flac.NewEncoder(&out, &meta.StreamInfo{BlockSizeMin: size, BlockSizeMax: size, SampleRate: rate, NChannels: 1, BitsPerSample: 16})
	require.NoError(t, err)
	for at := 0; at < len(samples); at += size {
		some := samples[at:min(at+size, len(samples))]
		require.NoError(t, e.WriteFrame(&frame.Frame{
			Header:    frame.Header{HasFixedBlockSize: true, BlockSize: uint16(len(some)), SampleRate: rate, Channels: frame.ChannelsMono, BitsPerSample: 16},
			Subframes: []*frame.Subframe{{SubHeader: frame.SubHeader{Pred: frame.PredVerbatim}, Samples: some, NSamples: len(some)}},
		}))
	}
	require.NoError(t, e.Close())
	return out.Bytes()
}

// TestSegmentsBeginWhereSomethingIsHeard: models give a segment the silence around its words.
func TestSegmentsBeginWhereSomethingIsHeard(t *testing.T) {
	t.Parallel()
	spans, ok := heard(recording(t, [2]float64{2000, 0}, [2]float64{1000, 8000}, [2]float64{200, 10}, [2]float64{800, 8000}, [2]float64{6000, 20}, [2]float64{1000, 4000}))
	require.True(t, ok)
	require.Equal(t, []span{{2000, 4000}, {10_000, 11_000}}, spans, "noise that is 50 dB below the speech is silence")
	said := func(start, end int64, text string) video.Segment {
		return video.Segment{StartMS: start, EndMS: end, Text: text}
	}
	require.Equal(t,
		[]video.Segment{said(1940, 4060, "first"), said(2500, 3000, "inside"), said(9940, 11_000, "late")},
		within([]video.Segment{said(0, 9000, "first"), said(2500, 3000, "inside"), said(4500, 11_000, "late"), said(5000, 9000, "Thank you.")}, spans))

	spans, ok = heard(recording(t, [2]float64{3000, 0}))
	require.True(t, ok)
	require.Empty(t, within([]video.Segment{said(0, 3000, "Thank you.")}, spans))
	whole := recording(t, [2]float64{1000, 8000})
	for _, bad := range [][]byte{nil, whole[:42], whole[:len(whole)/2], []byte("fLaC")} {
		_, ok := heard(bad)
		require.False(t, ok)
	}
}

// FuzzHeard: whatever a file holds, reading it ends without a panic.
func FuzzHeard(f *testing.F) {
	f.Add([]byte("fLaC\x80\x00\x00\x22"))
	f.Fuzz(func(_ *testing.T, data []byte) { heard(data) })
}
