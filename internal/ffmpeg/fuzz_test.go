package ffmpeg

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/video"
)

func FuzzParseProbe(f *testing.F) {
	f.Add([]byte(`{"format":{"format_name":"avi","duration":"9.1"},"streams":[{"codec_type":"video","codec_name":"h264",
		"width":320,"height":240,"avg_frame_rate":"359/12","side_data_list":[{"rotation":-90}]}]}`))
	f.Add([]byte(`{"format":{"duration":"N/A"},"streams":[{"codec_type":"audio"}]}`))
	f.Add([]byte(`{"streams":[{"codec_type":"video","codec_name":"x","width":1,"height":1,"avg_frame_rate":"0/0",
		"sample_aspect_ratio":"1:0","tags":{"rotate":"1e300"},"duration":"NaN","nb_frames":"0"}]}`))
	f.Fuzz(func(t *testing.T, out []byte) {
		var p probed
		if json.Unmarshal(out, &p) != nil {
			return
		}
		m, _, err := p.media(video.Sampling{})
		if err != nil {
			return
		}
		require.NotEmpty(t, m.VideoCodec)
		require.True(t, m.Width > 0 && m.Height > 0 && m.DurationMS >= 0 && m.FPS >= 0)
		require.Contains(t, []int{0, 90, 180, 270}, m.Rotation)
		require.LessOrEqual(t, len(m.Format), 300)
	})
}

func FuzzFLAC(f *testing.F) {
	f.Add([]byte{0xFF, 0xF8, 0xC5, 0x08, 0x00, 0x01})
	f.Add([]byte{0xFF, 0xF8, 0x75, 0x08, 0xFE, 0x01})
	f.Fuzz(func(t *testing.T, frame []byte) {
		n, err := blockSize(frame)
		require.True(t, err != nil || (n > 0 && n <= 65536))
	})
}

func FuzzComplaints(f *testing.F) {
	f.Add("[mov,mp4 @ 0x5581] [error] moov atom not found\n")
	f.Add("[error] file:/dev/fd/3: Invalid\x1b[31m data\u202e\n")
	f.Fuzz(func(t *testing.T, line string) {
		c := &complaints{}
		c.add(line)
		require.LessOrEqual(t, len(c.first), 303)
		require.Negative(t, strings.IndexFunc(c.first, func(r rune) bool { return !unicode.IsPrint(r) }))
	})
}

// The real clips, where they are.
func TestRealClips(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../../shared/media/*.*")
	require.NoError(t, err)
	for _, path := range files {
		if filepath.Ext(path) == ".md" {
			continue
		}
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			m, err := tool(t).Probe(t.Context(), open(t, path))
			require.NoError(t, err)
			for _, s := range []string{"fps", "keyframes", "scene", "segments"} {
				e := extract(t, path, samplingOf(s))
				require.Zero(t, e.DecodeErrors)
				require.InDelta(t, m.DurationMS, e.DurationMS, 400)
				_, err := os.Stat(filepath.Join(e.dir, AudioFile(0)))
				require.Equal(t, m.AudioCodec != "", err == nil)
				t.Log(s, m, e.Extraction, e.times())
			}
		})
	}
}
