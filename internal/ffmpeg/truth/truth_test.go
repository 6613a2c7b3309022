package truth_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/video"
)

// The clips of TestTruth.
const (
	truthW, truthH = 160, 120
	truthFrames    = 50
	truthStep      = 40 // milliseconds
)

// shown is a picture as PyAV decodes it.
type shown struct {
	ms      float64
	number  int
	patches [8][3]int
}

func (s *shown) UnmarshalJSON(text []byte) error {
	return json.Unmarshal(text, &[]any{&s.ms, &s.number, &s.patches})
}

// made is one clip of the matrix.
type made struct {
	name   string
	turned bool // shown rotated
	path   string
}

// formats are containers with codecs that fit. {B} is the number of B-frames.
func formats() map[string]string {
	return map[string]string{
		"h264.mp4": "libx264 -preset ultrafast -crf 8 -bf {B}", "h264.mov": "libx264 -preset veryfast -crf 8 -bf {B}", "h264.mkv": "libx264 -preset veryfast -crf 8 -bf {B}",
		"h264.ts": "libx264 -preset veryfast -crf 8 -bf {B}", "h264.flv": "libx264 -preset veryfast -crf 8 -bf {B}", "h264.avi": "libx264 -preset veryfast -crf 8 -bf {B}",
		"hevc.mp4":  "libx265 -preset ultrafast -crf 8 -bf {B} -x265-params log-level=none:bframes={B}:pools=1",
		"mpeg4.avi": "mpeg4 -q:v 1 -bf {B}", "mpeg4.mp4": "mpeg4 -q:v 1 -bf {B}", "mpeg4.mkv": "mpeg4 -q:v 1 -bf {B}",
		"mpeg2.ts": "mpeg2video -q:v 1 -bf {B}", "mpeg2.mpg": "mpeg2video -q:v 1 -bf {B}", "mpeg2.mkv": "mpeg2video -q:v 1 -bf {B}", "mpeg2.mxf": "mpeg2video -q:v 1 -bf {B}",
		"vp8.webm": "libvpx -deadline realtime -crf 4 -b:v 4M", "vp9.webm": "libvpx-vp9 -deadline realtime -cpu-used 8 -crf 4 -b:v 4M",
		"mjpeg.avi": "mjpeg -q:v 1", "flv1.flv": "flv1 -q:v 1", "wmv2.asf": "wmv2 -q:v 1", "theora.ogv": "libtheora -q:v 10",
	}
}

// source writes the raw pictures of all clips: a bar code, something that moves, patches.
func source(t *testing.T) string {
	t.Helper()
	random := rand.New(rand.NewPCG(7, 7)) //nolint:gosec // the same pictures each time
	grain := make([]byte, truthW*truthH)
	for i := range grain {
		grain[i] = byte(random.IntN(64))
	}
	raw := make([]byte, 0, truthFrames*truthW*truthH*3)
	for n := range truthFrames {
		for y := range truthH {
			for x := range truthW {
				var c [3]int
				switch {
				case y < truthH/5:
					v := n >> (x * 16 / truthW) & 1 * 255
					c = [3]int{v, v, v}
				case y < truthH*2/3:
					v := 60 + int(grain[(y*truthW+x+7*n)%len(grain)]) + 2*(n%25)
					c = [3]int{v, 200 - v, v / 2}
				default:
					c = patches[x*len(patches)/truthW]
				}
				raw = append(raw, byte(c[0]), byte(c[1]), byte(c[2]))
			}
		}
	}
	path := filepath.Join(t.TempDir(), "source.rgb")
	require.NoError(t, os.WriteFile(path, raw, 0o600))
	return path
}

// variants makes the clips: each format with and without B-frames and with short and long
// groups of pictures; start times, rotations and ranges take turns.
func variants(t *testing.T) (all []made) {
	t.Helper()
	src, dir := source(t), t.TempDir()
	i := 0
	for format, codec := range formats() {
		options := []string{"0"}
		if strings.Contains(codec, "{B}") {
			options = []string{"0", "2"}
		}
		for _, b := range options {
			for _, gop := range []string{"10", "60"} {
				i++
				c := made{name: fmt.Sprintf("%s B%s GOP %s", format, b, gop), path: filepath.Join(dir, fmt.Sprintf("%d-%s", i, format))}
				limits := "tv"
				if strings.HasPrefix(format, "h264") && gop == "10" {
					limits = "pc"
				}
				args := []string{
					"-f", "rawvideo", "-pix_fmt", "rgb24", "-s", fmt.Sprintf("%dx%d", truthW, truthH), "-r", "25", "-i", src,
					"-vf", "scale=out_color_matrix=bt601:out_range=" + limits + ":flags=accurate_rnd,format=yuv420p", "-colorspace", "smpte170m", "-color_range", limits, "-g", gop, "-threads", "1", "-c:v",
				}
				if strings.HasPrefix(format, "mjpeg") {
					args[13] = strings.Replace(args[13], "tv,format=yuv420p", "pc,format=yuvj420p", 1)
				}
				args = append(args, strings.Fields(strings.ReplaceAll(codec, "{B}", b))...)
				if offset := []string{"", "3.7", "1000"}[i%3]; offset != "" && !strings.HasSuffix(format, "avi") && !strings.HasSuffix(format, "mxf") {
					args = append(args, "-output_ts_offset", offset)
				}
				run(t, dir, append(args, c.path)...)
				if (strings.HasSuffix(format, "mp4") || strings.HasSuffix(format, "mov")) && gop == "60" {
					turned := filepath.Join(dir, "turned-"+filepath.Base(c.path))
					run(t, dir, "-i", c.path, "-c", "copy", "-copyts", "-metadata:s:v:0", "rotate="+strconv.Itoa(90*(1+i%3)), turned)
					c.path, c.name, c.turned = turned, c.name+" turned", true
				}
				all = append(all, c)
			}
		}
	}
	return all
}

// decoded is what PyAV shows of the clips.
func decoded(t *testing.T, clips []made) (all [][]shown) {
	t.Helper()
	var paths []string
	for _, c := range clips {
		paths = append(paths, c.path)
	}
	stdin, err := json.Marshal(paths)
	require.NoError(t, err)
	python, err := filepath.Abs(".venv/bin/python")
	require.NoError(t, err)
	require.FileExists(t, python, "run `make internal/ffmpeg/truth/.venv/.compiled`")
	cmd := exec.CommandContext(t.Context(), python, "truth.py")
	cmd.Stdin, cmd.Stderr = bytes.NewReader(stdin), os.Stderr
	out, err := cmd.Output()
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(out, &all))
	require.Len(t, all, len(clips))
	return all
}

// upright is a picture as it was before a rotation.
type upright struct {
	image.Image
	rotation int // clockwise
}

func (u upright) Bounds() image.Rectangle { return image.Rect(0, 0, truthW, truthH) }

func (u upright) rgb(x, y int) [3]int {
	switch u.rotation {
	case 90:
		x, y = truthH-1-y, x
	case 180:
		x, y = truthW-1-x, truthH-1-y
	case 270:
		x, y = y, truthW-1-x
	}
	r, g, b, _ := u.At(x, y).RGBA()
	return [3]int{int(r >> 8), int(g >> 8), int(b >> 8)}
}

// mean is the mean colour of five by five pixels.
func (u upright) mean(x, y int) (all [3]float64) {
	for i := -2; i <= 2; i++ {
		for j := -2; j <= 2; j++ {
			for c, v := range u.rgb(x+i, y+j) {
				all[c] += float64(v) / 25
			}
		}
	}
	return all
}

// TestTruth: of every clip, by every strategy, each frame is the picture that PyAV shows at
// its time, in the same colours, and the length is the same.
func TestTruth(t *testing.T) {
	t.Parallel()
	clips := variants(t)
	require.GreaterOrEqual(t, len(clips), 60)
	truth := decoded(t, clips)
	for i, c := range clips {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if strings.HasPrefix(c.name, "h264.avi") {
				truth[i] = even(t, c.path)
			}
			rotation := probe(t, c.path).Rotation
			require.Equal(t, c.turned, rotation != 0)
			for name, s := range strategies() {
				if name == "keyframes" || name == "segments" {
					continue // the other form of each sees more
				}
				s.Quality = 2
				requireTruth(t, name, extract(t, c.path, s), truth[i], rotation)
			}
		})
	}
}

// even is the truth for a container without presentation times. There, PyAV gives each
// picture the time of the packet that pushed it out, which depends on its threads. Numbers
// follow one another, from the time of the first picture: at most the two that are reordered.
func even(t *testing.T, path string) (all []shown) {
	t.Helper()
	e := extract(t, path, video.Sampling{FPS: 1000, DedupDistance: -1, Quality: 2})
	require.Len(t, e.frames, truthFrames)
	require.LessOrEqual(t, e.frames[0].PTSMS, int64(2*truthStep))
	for n := range truthFrames {
		all = append(all, shown{ms: float64(e.frames[0].PTSMS + int64(n*truthStep)), number: n, patches: [8][3]int(patches)})
	}
	return all
}

func requireTruth(t *testing.T, strategy string, e extracted, truth []shown, rotation int) {
	t.Helper()
	require.Zero(t, e.DecodeErrors, strategy)
	require.InDelta(t, truth[len(truth)-1].ms+truthStep, e.DurationMS, truthStep+2, strategy)
	require.GreaterOrEqual(t, e.Frames, 2, strategy)
	at := 0
	for i, f := range e.frames {
		for at+1 < len(truth) && truth[at+1].ms <= float64(f.PTSMS)+1.5 {
			at++
		}
		want := truth[at]
		require.InDelta(t, want.ms, f.PTSMS, 1.5, "%s: no picture begins at %d ms", strategy, f.PTSMS)
		got := upright{e.pictures[i], rotation}
		number := 0
		for bit := range 16 {
			if got.rgb((2*bit+1)*truthW/32, truthH/10)[1] > 127 {
				number |= 1 << bit
			}
		}
		require.Equal(t, want.number, number, "%s: at %d ms", strategy, f.PTSMS)
		for p, colour := range want.patches {
			for c, v := range got.mean((2*p+1)*truthW/16, truthH*5/6) {
				require.InDelta(t, colour[c], v, 4, "%s: patch %d at %d ms", strategy, p, f.PTSMS)
			}
		}
	}
}
