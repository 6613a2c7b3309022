package ffmpeg

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"image"
	"image/jpeg"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/cogniverse/cogflow/video"
)

const keepAll = -1

func TestFixedRateFollowsTheGrid(t *testing.T) {
	t.Parallel()
	e := extract(t, movingClip(t), video.Sampling{Strategy: video.FixedRate, FPS: 1, DedupDistance: keepAll})
	require.Equal(t, []int64{0, 1000, 2000, 3000, 4000, 5000}, e.times())
	require.Equal(t, [2]int64{5000, 6000}, e.ranges()[5])
	require.EqualValues(t, 6000, e.DurationMS)
	require.Zero(t, e.DecodeErrors)
	require.Equal(t, 320, e.frames[0].Width)
	require.Equal(t, 180, e.frames[0].Height)

	sound := ffprobe(t, filepath.Join(e.dir, AudioFile(0)), "stream=codec_name,sample_rate,channels,duration")
	require.Regexp(t, `^flac,16000,1,6\.0`, sound)
	out, err := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error", "-i", filepath.Join(e.dir, AudioFile(0)), "-f", "null", "-").CombinedOutput()
	require.NoError(t, err)
	require.Empty(t, string(out))
}

func ffprobe(t *testing.T, path, entries string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "ffprobe", "-v", "error", "-show_entries", entries, "-of", "csv=p=0", path).Output()
	require.NoError(t, err)
	return strings.TrimSpace(string(out))
}

// A frame shown at an instant of the grid can have begun long before.
func TestVariableRateKeepsTimestamps(t *testing.T) {
	t.Parallel()
	path := clip(t, "vfr.mkv", "-f", "lavfi", "-i", "testsrc2=s=160x120:r=100:d=8",
		"-vf", "select='eq(n,0)+eq(n,13)+eq(n,171)+eq(n,333)+eq(n,334)+eq(n,777)'", "-fps_mode", "passthrough",
		"-enc_time_base", "1:1000", "-c:v", "libx264", "-bf", "0", "-pix_fmt", "yuv420p")
	e := extract(t, path, video.Sampling{FPS: 1, DedupDistance: keepAll})
	// Shown at 0, 1, 2, 3, 4, 5, 6, 7 s; 3330 is never shown at a full second.
	require.Equal(t, []int64{0, 130, 1710, 3340}, e.times()[:4])
	e = extract(t, path, video.Sampling{Strategy: video.Scene, SceneThreshold: 0.99, MaxGapMS: 1, DedupDistance: keepAll})
	require.Equal(t, []int64{0, 130, 1710, 3330, 3340, 7770}, e.times())
}

func TestOddRates(t *testing.T) {
	t.Parallel()
	path := clip(t, "ntsc.mp4", "-f", "lavfi", "-i", "testsrc2=s=160x120:r=30000/1001:d=3", "-c:v", "libx264",
		"-pix_fmt", "yuv420p")
	e := extract(t, path, video.Sampling{FPS: 2.5, DedupDistance: keepAll})
	require.Equal(t, []int64{0, 400, 801 - 34, 1168, 1568, 1969, 2369, 2769}, e.times())
	e = extract(t, path, video.Sampling{FPS: 1000, DedupDistance: keepAll})
	require.Len(t, e.frames, 90, "no frame twice")
}

// ffmpeg 5.1 takes this tag for a quarter turn to the left.
func TestRotationIsApplied(t *testing.T) {
	t.Parallel()
	flat := clip(t, "flat.mp4", "-f", "lavfi", "-i", "color=red:s=80x120:r=10:d=1", "-f", "lavfi", "-i",
		"color=blue:s=80x120:r=10:d=1", "-filter_complex", "[0][1]hstack", "-c:v", "libx264", "-pix_fmt", "yuv420p")
	path := clip(t, "rotated.mp4", "-i", flat, "-c", "copy", "-metadata:s:v:0", "rotate=90")
	m, err := tool(t).Probe(t.Context(), open(t, path))
	require.NoError(t, err)
	if m.Rotation == 0 {
		t.Skip("this ffmpeg does not write the tag")
	}
	require.Equal(t, []int{120, 160}, []int{m.Width, m.Height})
	e := extract(t, path, video.Sampling{})
	require.Equal(t, []int{120, 160}, []int{e.frames[0].Width, e.frames[0].Height})
	picture, err := jpeg.Decode(bytes.NewReader(e.jpegs[0]))
	require.NoError(t, err)
	require.Equal(t, image.Pt(120, 160), picture.Bounds().Size())
	top, _, _, _ := picture.At(60, 20).RGBA()
	bottom, _, _, _ := picture.At(60, 140).RGBA()
	require.Equal(t, m.Rotation == 90, top > bottom, "turned left, the red half is at the bottom")
}

func TestSizeIsBoundedAndThumbnailSmall(t *testing.T) {
	t.Parallel()
	path := clip(t, "wide.mp4", "-f", "lavfi", "-i", "testsrc2=s=1920x1080:r=5:d=1", "-c:v", "libx264",
		"-preset", "ultrafast", "-pix_fmt", "yuv420p")
	e := extract(t, path, video.Sampling{Width: 640})
	require.Equal(t, []int{640, 360}, []int{e.frames[0].Width, e.frames[0].Height})
	require.Equal(t, "320,180", ffprobe(t, filepath.Join(e.dir, ThumbnailFile), "stream=width,height"))
}

func TestSound(t *testing.T) {
	t.Parallel()
	e := extract(t, cards(t), video.Sampling{})
	require.NoFileExists(t, filepath.Join(e.dir, AudioFile(0)), "there is none")
	e = extract(t, movingClip(t), video.Sampling{NoAudio: true})
	require.NoFileExists(t, filepath.Join(e.dir, AudioFile(0)), "none is wanted")
}

func TestKeyframesFillTheirGaps(t *testing.T) {
	t.Parallel()
	e := extract(t, movingClip(t), video.Sampling{Strategy: video.Keyframes, DedupDistance: keepAll})
	require.Equal(t, []int64{0, 2000, 4000}, e.times())
	require.EqualValues(t, 6000, e.frames[2].EndMS)

	e = extract(t, movingClip(t), video.Sampling{Strategy: video.Keyframes, MaxGapMS: 700, DedupDistance: keepAll})
	for i, r := range e.ranges() {
		require.LessOrEqual(t, r[1]-r[0], int64(720), "frame %d of %v", i, e.times())
	}
	require.Contains(t, e.times(), int64(4000))
	require.EqualValues(t, 6000, e.frames[e.Frames-1].EndMS)
}

func TestSceneFindsCutsAndFillsGaps(t *testing.T) {
	t.Parallel()
	e := extract(t, cards(t), video.Sampling{Strategy: video.Scene})
	require.Equal(t, []int64{0, 2000, 4000}, e.times())
	require.Equal(t, 2, e.frames[2].Shot)

	e = extract(t, cards(t), video.Sampling{Strategy: video.Scene, MaxGapMS: 1000, DedupDistance: keepAll})
	require.Equal(t, []int64{0, 1000, 2000, 3000, 4000, 5000}, e.times())
}

// TestCutBetweenColoursOfEqualBrightness: what differs in colour alone is no
// duplicate, and another shot.
func TestCutBetweenColoursOfEqualBrightness(t *testing.T) {
	t.Parallel()
	path := clip(t, "hues.mp4", "-f", "lavfi", "-i", "color=gray:s=160x120:r=10:d=6", "-filter_complex",
		"geq=lum=120:cb='if(lt(T,2),90,if(lt(T,4),128,170))':cr='if(lt(T,2),170,if(lt(T,4),128,100))'", "-pix_fmt", "yuv420p")
	e := extract(t, path, video.Sampling{Strategy: video.FixedRate, FPS: 1})
	require.Equal(t, []int64{0, 2000, 4000}, e.times())
	require.Equal(t, 3, e.Duplicates, "the second picture of each")
	require.Equal(t, 2, e.frames[2].Shot)
}

func TestSegments(t *testing.T) {
	t.Parallel()
	s := video.Sampling{Strategy: video.Segments, DedupDistance: keepAll}
	cases := []struct {
		name            string
		window, overlap int64
		times           []int64
		ranges          [][2]int64
	}{
		{"even", 2000, 0, []int64{1000, 3000, 5000}, [][2]int64{{0, 2000}, {2000, 4000}, {4000, 6000}}},
		{"overlap", 4000, 2000, []int64{2000, 4000}, [][2]int64{{0, 4000}, {2000, 6000}}},
		{"much overlap", 4000, 3000, []int64{2000, 3000, 4000}, [][2]int64{{0, 4000}, {1000, 5000}, {2000, 6000}}},
		{"short last one", 2500, 0, []int64{1240, 3720, 5480}, [][2]int64{{0, 2500}, {2500, 5000}, {5000, 6000}}},
		{"cut last one", 3500, 0, []int64{1720, 5240}, [][2]int64{{0, 3500}, {3500, 6000}}},
		{"longer than the clip", 30000, 5000, []int64{3000}, [][2]int64{{0, 6000}}},
		{"nothing worth a window left", 5900, 0, []int64{2920}, [][2]int64{{0, 6000}}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := s
			s.WindowMS, s.OverlapMS = c.window, c.overlap
			e := extract(t, movingClip(t), s)
			require.Equal(t, c.times, e.times())
			require.Equal(t, c.ranges, e.ranges())
		})
	}
}

// TestStills: a segment comes with its stills, evenly spaced, and segments that
// overlap share them.
func TestStills(t *testing.T) {
	t.Parallel()
	instants := func(f video.Frame) (at []int64) {
		for _, s := range f.Stills {
			at = append(at, s.PTSMS)
		}
		return at
	}
	e := extract(t, movingClip(t), video.Sampling{Strategy: video.Segments, WindowMS: 4000, OverlapMS: 2000, Stills: 4})
	require.Equal(t, [][2]int64{{0, 4000}, {2000, 6000}}, e.ranges())
	require.Equal(t, []int64{480, 1480, 2480, 3480}, instants(e.frames[0]))
	require.Equal(t, []int64{2480, 3480, 4480, 5480}, instants(e.frames[1]))
	require.Equal(t, []int64{2480, 4480}, e.times(), "the picture is the middle still")
	require.Equal(t, e.stills[0][2], e.stills[1][0])
	for i, f := range e.frames {
		for j, s := range f.Stills {
			sum := sha256.Sum256(e.stills[i][j])
			require.Equal(t, hex.EncodeToString(sum[:]), s.SHA256)
		}
	}

	e = extract(t, movingClip(t), video.Sampling{Strategy: video.Segments, WindowMS: 3500, Stills: 7})
	require.Equal(t, [][2]int64{{0, 3500}, {3500, 6000}}, e.ranges(), "the last one is cut")
	require.Len(t, e.frames[0].Stills, 7)
	require.Len(t, e.frames[1].Stills, 5)

	e = extract(t, cards(t), video.Sampling{Strategy: video.Segments, WindowMS: 1500, Stills: 3})
	require.Equal(t, [][2]int64{{0, 1500}, {1500, 3000}, {3000, 4500}, {4500, 6000}}, e.ranges(), "a segment is kept even if its picture does not change")

	held := clip(t, "held.mkv", "-f", "lavfi", "-i", "color=red:s=64x36:r=1:d=12", "-vf", "select='eq(n,0)+eq(n,11)'", "-fps_mode", "passthrough")
	e = extract(t, held, video.Sampling{Strategy: video.Segments, WindowMS: 3000, Stills: 3})
	require.Equal(t, [][2]int64{{0, 3000}, {3000, 6000}, {6000, 9000}, {9000, 12000}}, e.ranges(), "nor is one picture that is held for all of them")
}

// TestLongSoundComesInPieces: each is a file of its own that the next one overlaps, and
// together they are the sound of the video, sample by sample.
func TestLongSoundComesInPieces(t *testing.T) {
	t.Parallel()
	path := clip(t, "long.mkv", "-f", "lavfi", "-i", "color=c=red:s=32x32:r=1:d=1201", "-f", "lavfi", "-i", "sine=frequency=300:sample_rate=16000:d=1201",
		"-c:v", "mjpeg", "-c:a", "pcm_s16le", "-shortest")
	e := extract(t, path, video.Sampling{Strategy: video.Keyframes, MaxGapMS: 600_000})
	pcm := func(args ...string) []byte {
		cmd := exec.CommandContext(t.Context(), "ffmpeg", append(append([]string{"-v", "error", "-nostdin"}, args...), "-f", "s16le", "-ac", "1", "-ar", "16000", "-")...)
		var complaints bytes.Buffer
		cmd.Stderr = &complaints
		out, err := cmd.Output()
		require.NoError(t, err)
		require.Empty(t, complaints.String())
		return out
	}
	const second = 2 * 16000
	whole := pcm("-i", path)
	for piece, seconds := range []float64{608, 601} {
		name := filepath.Join(e.dir, AudioFile(piece))
		require.Contains(t, ffprobe(t, name, "format=start_time,duration"), fmt.Sprintf("%.6f", seconds))
		from := piece * 600 * second
		require.True(t, bytes.Equal(whole[from:min(from+608*second, len(whole))], pcm("-i", name)))
	}
	require.NoFileExists(t, filepath.Join(e.dir, AudioFile(2)), "the second piece has the last second, too")
}

func TestDuplicatesAreDroppedButNotForLong(t *testing.T) {
	t.Parallel()
	e := extract(t, cards(t), video.Sampling{FPS: 5})
	require.Equal(t, []int64{0, 2000, 4000}, e.times())
	require.Equal(t, [][2]int64{{0, 2000}, {2000, 4000}, {4000, 6000}}, e.ranges())
	require.Equal(t, 27, e.Duplicates)
	require.Positive(t, e.frames[1].Motion)
	require.Equal(t, []int{0, 1, 2}, []int{e.frames[0].Shot, e.frames[1].Shot, e.frames[2].Shot})

	e = extract(t, cards(t), video.Sampling{FPS: 5, MaxGapMS: 1000})
	require.Equal(t, []int64{0, 1000, 2000, 3000, 4000, 5000}, e.times())
}

func TestCapIsReported(t *testing.T) {
	t.Parallel()
	e := extract(t, movingClip(t), video.Sampling{FPS: 10, MaxFrames: 3, DedupDistance: keepAll})
	require.True(t, e.Capped)
	require.Equal(t, []int64{0, 80, 200}, e.times(), "the picture shown at 0.1 s began at 0.08 s")
	require.EqualValues(t, 280, e.frames[2].EndMS)

	e = extract(t, movingClip(t), video.Sampling{FPS: 1, MaxFrames: 6, DedupDistance: keepAll})
	require.False(t, e.Capped, "exactly as many as allowed")
}

func TestSameInputSameBytes(t *testing.T) {
	t.Parallel()
	for _, s := range []video.Sampling{
		{FPS: 10, DedupDistance: keepAll}, {Strategy: video.Keyframes, MaxGapMS: 1500}, {Strategy: video.Scene}, {Strategy: video.Segments, WindowMS: 2500},
	} {
		one, two := extract(t, movingClip(t), s), extract(t, movingClip(t), s)
		require.Equal(t, one.frames, two.frames)
		require.Equal(t, one.Extraction, two.Extraction)
		for i, still := range one.jpegs {
			sum := sha256.Sum256(still)
			require.Equal(t, hex.EncodeToString(sum[:]), two.frames[i].SHA256)
		}
		for _, name := range []string{ThumbnailFile, AudioFile(0)} {
			a, err := os.ReadFile(filepath.Join(one.dir, name))
			require.NoError(t, err)
			b, err := os.ReadFile(filepath.Join(two.dir, name))
			require.NoError(t, err)
			require.Equal(t, sha256.Sum256(a), sha256.Sum256(b))
		}
	}
}

// A container without a duration, and one whose picture size changes on the way.
func TestUnusualContainers(t *testing.T) {
	t.Parallel()
	t.Run("live webm", func(t *testing.T) {
		t.Parallel()
		path := clip(t, "live.webm", "-f", "lavfi", "-i", "testsrc2=s=160x120:r=10:d=3", "-c:v", "libvpx",
			"-deadline", "realtime", "-f", "webm", "-live", "1")
		m, err := tool(t).Probe(t.Context(), open(t, path))
		require.NoError(t, err)
		require.Zero(t, m.DurationMS)
		e := extract(t, path, video.Sampling{DedupDistance: keepAll})
		require.Equal(t, []int64{0, 1000, 2000}, e.times())
		require.EqualValues(t, 3000, e.DurationMS)
	})
	t.Run("size changes", func(t *testing.T) {
		t.Parallel()
		var both []byte
		for i, size := range []string{"160x120", "320x180"} {
			part, err := os.ReadFile(clip(t, "part"+size+".ts", "-f", "lavfi", "-i", "testsrc2=s="+size+":r=10:d=2",
				"-c:v", "libx264", "-pix_fmt", "yuv420p", "-output_ts_offset", []string{"0", "2"}[i]))
			require.NoError(t, err)
			both = append(both, part...)
		}
		path := filepath.Join(t.TempDir(), "both.ts")
		require.NoError(t, os.WriteFile(path, both, 0o600))
		e := extract(t, path, video.Sampling{DedupDistance: keepAll})
		require.Equal(t, []int64{0, 1000, 2000, 3000}, e.times())
	})
	t.Run("starts late", func(t *testing.T) {
		t.Parallel()
		path := clip(t, "late.ts", "-f", "lavfi", "-i", "testsrc2=s=160x120:r=10:d=2", "-c:v", "libx264",
			"-pix_fmt", "yuv420p", "-output_ts_offset", "100")
		m, err := tool(t).Probe(t.Context(), open(t, path))
		require.NoError(t, err)
		require.Greater(t, m.StartMS, int64(100_000))
		e := extract(t, path, video.Sampling{DedupDistance: keepAll})
		require.Equal(t, []int64{0, 1000}, e.times())
	})
}
