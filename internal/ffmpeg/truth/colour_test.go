package truth_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/fault"
	"github.com/cogniverse/cogflow/internal/ffmpeg/colour"
	"github.com/cogniverse/cogflow/internal/ffmpeg/tracks"
	"github.com/cogniverse/cogflow/video"
)

// patches are the colours of the test clips, from the left to the right.
var patches = [][3]int{{255, 0, 0}, {0, 255, 0}, {0, 0, 255}, {192, 96, 32}, {128, 128, 128}, {16, 200, 180}, {255, 255, 255}, {0, 0, 0}}

// patched is the filter graph of a clip of all patches.
func patched(w, h int) []string {
	var inputs []string
	graph := ""
	for i, c := range patches {
		inputs = append(inputs, "-f", "lavfi", "-i", fmt.Sprintf("color=0x%02x%02x%02x:s=%dx%d:r=5:d=0.6,format=gbrp", c[0], c[1], c[2], w/len(patches), h))
		graph += fmt.Sprintf("[%d]", i)
	}
	return append(inputs, "-filter_complex", graph+fmt.Sprintf("hstack=%d", len(patches)))
}

// requirePatches compares the middle of each patch with its colour.
func requirePatches(t *testing.T, picture image.Image) {
	t.Helper()
	b := picture.Bounds()
	for i, want := range patches {
		r, g, bl, _ := picture.At((2*i+1)*b.Dx()/(2*len(patches)), b.Dy()/2).RGBA()
		for c, got := range []uint32{r >> 8, g >> 8, bl >> 8} {
			require.InDelta(t, want[c], int(got), 4, "patch %v is (%d, %d, %d)", want, r>>8, g>>8, bl>>8)
		}
	}
}

// TestColours: each patch keeps its colour, whatever matrix and range its clip has, and if
// the clip does not say, by the size of its pictures.
func TestColours(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, matrix, colorspace, limits string // of scale, of the stream
		w, h                             int
		pixels                           string
	}{
		{"601 limited", "bt601", "smpte170m", "tv", 320, 240, "yuv420p"},
		{"601 full", "bt601", "bt470bg", "pc", 320, 240, "yuv420p"},
		{"709 limited", "bt709", "bt709", "tv", 320, 240, "yuv420p"},
		{"709 full", "bt709", "bt709", "pc", 1280, 720, "yuv420p"},
		{"2020 limited", "bt2020", "bt2020nc", "tv", 320, 240, "yuv420p"},
		{"2020 in 10 bits", "bt2020", "bt2020nc", "tv", 320, 240, "yuv420p10le"},
		{"untagged SD", "bt601", "unknown", "tv", 320, 240, "yuv420p"},
		{"untagged HD", "bt709", "unknown", "tv", 1280, 720, "yuv444p"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			args := patched(c.w, c.h)
			args[len(args)-1] += fmt.Sprintf(",scale=out_color_matrix=%s:out_range=%s:flags=accurate_rnd,format=%s", c.matrix, c.limits, c.pixels)
			args = append(args, "-c:v", "libx264", "-qp", "4", "-preset", "ultrafast", "-colorspace", c.colorspace, "-color_range", c.limits)
			e := extract(t, clip(t, "patches.mkv", args...), video.Sampling{Quality: 2})
			requirePatches(t, e.pictures[0])
		})
	}
	t.Run("rgb", func(t *testing.T) {
		t.Parallel()
		e := extract(t, clip(t, "rgb.mkv", append(patched(320, 240), "-c:v", "ffv1", "-pix_fmt", "gbrp")...), video.Sampling{Quality: 2})
		requirePatches(t, e.pictures[0])
	})
	t.Run("given", func(t *testing.T) {
		t.Parallel()
		picture := extract(t, given(t, "col709.mp4"), video.Sampling{Quality: 2}).pictures[0]
		r, g, b, _ := picture.At(80, 360).RGBA()
		require.InDeltaSlice(t, []int{255, 0, 0}, []int{int(r >> 8), int(g >> 8), int(b >> 8)}, 4)
	})
}

// TestHighDynamicRange: white of 203 cd/m² (PQ code 0.58) is bright, grey stays grey, and red
// stays red.
func TestHighDynamicRange(t *testing.T) {
	t.Parallel()
	for _, transfer := range []string{"smpte2084", "arib-std-b67"} {
		t.Run(transfer, func(t *testing.T) {
			t.Parallel()
			path := clip(t, "hdr.mkv", "-f", "lavfi", "-i", "color=0x949494:s=64x64:r=5:d=0.6,format=gbrp", "-f", "lavfi", "-i", "color=0x800000:s=64x64:r=5:d=0.6,format=gbrp",
				"-filter_complex", "hstack,scale=out_color_matrix=bt2020:out_range=tv,format=yuv420p10le", "-c:v", "libx264", "-qp", "4",
				"-color_primaries", "bt2020", "-color_trc", transfer, "-colorspace", "bt2020nc", "-color_range", "tv")
			picture := extract(t, path, video.Sampling{Quality: 2}).pictures[0]
			r, g, b, _ := picture.At(32, 32).RGBA()
			require.Greater(t, r>>8, uint32(160))
			require.InDelta(t, r>>8, g>>8, 3)
			require.InDelta(t, r>>8, b>>8, 3)
			r, g, _, _ = picture.At(96, 32).RGBA()
			require.Greater(t, r>>8, 2*(g>>8)+60)
		})
	}
}

func TestColoursThatCannotBeShown(t *testing.T) {
	t.Parallel()
	dolby := func(base int) tracks.Stream {
		return tracks.Stream{Transfer: "smpte2084", SideData: []tracks.SideData{{DolbyProfile: 5 + base, DolbyBase: base}}}
	}
	_, err := colour.Choose(dolby(0), "", nil)
	require.ErrorContains(t, err, "Dolby Vision")
	_, err = colour.Choose(dolby(1), "", nil)
	require.NoError(t, err, "a base layer is HDR10")
	_, err = colour.Choose(tracks.Stream{Transfer: "arib-std-b67"}, "", []string{"zscale"})
	require.ErrorContains(t, err, "lacks the filter zscale")
	_, err = colour.Choose(tracks.Stream{Space: "ycgco"}, "", nil)
	require.ErrorContains(t, err, "ycgco")
}

// TestSizeChanges: pictures of another size keep their shape, between black bars.
func TestSizeChanges(t *testing.T) {
	t.Parallel()
	var both []byte
	for i, size := range []string{"160x120", "320x120"} {
		part, err := os.ReadFile(clip(t, "part.ts", "-f", "lavfi", "-i", "color=white:s="+size+":r=10:d=1", "-c:v", "libx264",
			"-pix_fmt", "yuv420p", "-output_ts_offset", []string{"0", "1"}[i]))
		require.NoError(t, err)
		both = append(both, part...)
	}
	path := t.TempDir() + "/both.ts"
	require.NoError(t, os.WriteFile(path, both, 0o600))
	e := extract(t, path, video.Sampling{DedupDistance: -1})
	require.Len(t, e.frames, 2)
	for i, bright := range []bool{true, false} {
		require.Equal(t, image.Pt(160, 120), e.pictures[i].Bounds().Size())
		corner, _, _, _ := e.pictures[i].At(80, 10).RGBA()
		middle, _, _, _ := e.pictures[i].At(80, 60).RGBA()
		require.Equal(t, bright, corner > 1<<15)
		require.Greater(t, middle, uint32(1<<15))
	}
}

// TestMirrored: the display matrix of a track says that it is shown mirrored.
func TestMirrored(t *testing.T) {
	t.Parallel()
	good, err := os.ReadFile(clip(t, "flat.mp4", "-f", "lavfi", "-i", "color=white:s=80x120:r=10:d=1", "-f", "lavfi", "-i",
		"color=black:s=80x120:r=10:d=1", "-filter_complex", "hstack,drawbox=h=60:color=gray:t=fill", "-c:v", "libx264", "-pix_fmt", "yuv420p"))
	require.NoError(t, err)
	identity := binary.BigEndian.AppendUint32(nil, 1<<16)
	identity = append(identity, make([]byte, 12)...)
	identity = binary.BigEndian.AppendUint32(identity, 1<<16)
	at := bytes.LastIndex(good, identity) // of the track, after that of the movie
	require.Positive(t, at)
	minus := binary.BigEndian.AppendUint32(nil, 0xFFFF0000)
	for name, c := range map[string]struct {
		flip []int // of the matrix
		x, y int   // where white is
	}{"horizontally": {[]int{0}, 120, 90}, "vertically": {[]int{16}, 40, 30}, "both": {[]int{0, 16}, 120, 30}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			raw := bytes.Clone(good)
			for _, i := range c.flip {
				copy(raw[at+i:], minus)
			}
			path := t.TempDir() + "/mirrored.mp4"
			require.NoError(t, os.WriteFile(path, raw, 0o600))
			picture := extract(t, path, video.Sampling{}).pictures[0]
			white, _, _, _ := picture.At(c.x, c.y).RGBA()
			require.Greater(t, white>>8, uint32(230))
		})
	}
}

// TestMissingFilterIsAnInputFault names the class of the refusals.
func TestMissingFilterIsAnInputFault(t *testing.T) {
	t.Parallel()
	path := clip(t, "ycgco.mkv", "-f", "lavfi", "-i", "color=red:s=64x64:d=0.4", "-c:v", "libx264", "-colorspace", "ycgco")
	_, err := try(t, path, video.Sampling{})
	require.Equal(t, fault.Input, fault.ClassOf(err))
	require.ErrorContains(t, err, "ycgco")
}
